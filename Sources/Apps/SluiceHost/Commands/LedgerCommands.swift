import CanonicalJSON
import Domain
import FileStorage
import Foundation
import Identity
import LedgerVerifier
import TrustLedger

extension HostCommand {
  static let ledgerCommands: [HostCommand] = [
    HostCommand("ledger.status", "Show the size of the log and the key that signs it", role: .auditor) { call in
      let ledger = try await call.host.opened(try call.tenant()).ledger
      let tree = try await call.host.tenant(try call.tenant()).view { try LedgerStage.tree(in: $0) }
      let note = try ledger.objects.read("checkpoint").map { String(decoding: $0, as: UTF8.self) }
      return [
        "size": .integer(Int64(tree.size)), "vkey": .string(ledger.vkey),
        "checkpoint": note.map { .string($0) } ?? .null,
        "witnesses": "none: self-attested",
      ]
    },
    HostCommand("ledger.publish", "Publish what is new now", role: .operator) { call in
      try await call.host.opened(try call.tenant()).ledger.publishNow()
      return ["published": true]
    },
    HostCommand(
      "ledger.verify", "Verify tiles, entries, payloads and signature from the published files", role: .auditor
    ) {
      call in
      let ledger = try await call.host.opened(try call.tenant()).ledger
      try await ledger.publishNow()
      return try LedgerCheck.verify(ledger.objects, vkey: ledger.vkey, since: call.optional("since"))
    },
    HostCommand("ledger.export", "Copy the published log into a folder", role: nil) { call in
      let ledger = try await call.host.opened(try call.tenant()).ledger
      try await ledger.publishNow()
      let to = try call.string("to")
      let count = try OperatorFile.writing(to) {
        let target = try FileObjectStore(root: to)
        return try ledger.objects.list("").reduce(0) { count, path in
          guard let bytes = try ledger.objects.read(path) else { return count }
          try target.write([(path, bytes)])
          return count + 1
        }
      }
      return ["files": .integer(Int64(count)), "to": .string(to)]
    },
  ]
}

/// The verifier's answer, in words and numbers.
enum LedgerCheck {
  /// - Parameter since: The text of an earlier signed checkpoint.
  /// - Throws: The finding that says most, when the log is not sound.
  static func verify(_ objects: any ObjectStore, vkey: String, since: String?) throws -> JSONValue {
    guard let note = try objects.read("checkpoint") else {
      return ["sound": true, "size": 0, "note": "nothing has been published yet"]
    }
    let report = LedgerVerification.verify(checkpoint: note, vkey: vkey, earlier: since.map { Array($0.utf8) }) {
      path in
      try? objects.read(path)
    }
    if let finding = report.findings.mostSpecific { throw finding }
    return [
      "sound": true, "size": .integer(Int64(report.size)), "root": .string(report.root?.hex ?? ""),
      "entries_checked": .integer(Int64(report.entriesChecked)), "tiles_checked": .integer(Int64(report.tilesChecked)),
      "payloads_checked": .integer(Int64(report.payloadsChecked)), "witnesses": "none: self-attested",
    ]
  }
}
