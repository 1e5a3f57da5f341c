import CanonicalJSON
import Domain
import FileStorage
import Foundation
import Identity
import TrustLedger

extension HostCommand {
  static let ledgerCommands: [HostCommand] = [
    HostCommand("ledger.status", "Show the size of the log and the key that signs it", role: .auditor) { call in
      let ledger = try await call.host.opened(try call.tenant()).ledger
      let tree = try await call.host.tenant(try call.tenant()).view { try LedgerStage.tree(in: $0) }
      let note = try ledger.objects.read("checkpoint").map { String(decoding: $0, as: UTF8.self) }
      return [
        "log": .string(ledger.origin), "size": .integer(Int64(tree.size)), "vkey": .string(ledger.vkey),
        "checkpoint": note.map { .string($0) } ?? .null,
        "witnesses": "none: self-attested",
      ]
    },
    HostCommand("ledger.publish", "Publish what is new now", role: .operator, whileSuspended: .answered) { call in
      try await call.host.opened(try call.tenant()).ledger.publishNow()
      return ["published": true]
    },
    HostCommand(
      "ledger.verify", "Verify tiles, entries, payloads and signature from the published files", role: .auditor,
      takes: [.text("since")]
    ) {
      call in
      try await call.host.ledgerCheck(try call.tenant()).verify(since: call.optional("since"))
    },
    HostCommand(
      "ledger.export", "Copy the published log into a folder", role: nil, whileSuspended: .answered,
      takes: [.text("to")]
    ) { call in
      let to = try call.string("to")
      let tenant = try call.tenant()
      let folder = try await call.host.ledgerCheck(tenant).folder
      try await call.host.checkOutside(to)
      let count = try OperatorFile.writing(to) {
        let all = try FileObjectStore(root: folder)
        if let other = try Self.log(in: to), other != LedgerEpoch.first.origin(of: tenant) {
          throw LedgerExportError(folder: to, log: other)
        }
        let target = try FileObjectStore(root: to)
        return try all.list("").reduce(0) { count, path in
          guard let bytes = try all.read(path) else { return count }
          try target.write([(path, bytes)])
          return count + 1
        }
      }
      return ["files": .integer(Int64(count)), "to": .string(to)]
    },
  ]

  /// Whose log a folder holds: the first line of its checkpoint.
  private static func log(in folder: String) throws -> String? {
    guard FileManager.default.fileExists(atPath: folder) else { return nil }
    return try FileObjectStore(root: folder).read("checkpoint").flatMap {
      String(decoding: $0, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }
  }
}

/// A folder that holds another log: both would be in it, and neither could be verified.
struct LedgerExportError: OperatorError, Equatable {
  let folder: String
  let log: String
  var code: String { "ledger.other_log" }
  var message: String { "\(folder) holds the log \(log); nothing was written." }
  var remedy: String { "Name another folder for this one." }
}
