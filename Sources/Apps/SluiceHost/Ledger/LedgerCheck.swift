import CanonicalJSON
import Domain
import FileStorage
import LedgerVerifier

/// The verifier's answer on all logs of a tenant, in words and numbers. What it is told is the key and the name of the log that is
/// open; all else it takes from the published files.
struct LedgerCheck {
  /// The open log's name.
  let origin: String
  /// The key that signs it.
  let vkey: String
  /// The folder of the first log, which holds the others'.
  let folder: String
  /// Of an erased tenant: the order that ended it, where its log could still say so.
  var ending: Order?
  /// Whether what the leaves commit to was taken away.
  var isErased = false

  /// Verifies each log, and that each but the first begins with an entry that commits to the one before.
  /// - Parameter since: The text of an earlier signed checkpoint, of any of the logs.
  /// - Throws: The finding that says most, when a log is not sound.
  func verify(since: String?) throws -> JSONValue {
    let files = try FileObjectStore(root: folder)
    let chain = LogChain.verify(vkey: vkey, paths: try files.list(""), since: since.map { Array($0.utf8) }) { path in
      try? files.read(path)
    }
    let findings = chain.allFindings.filter { !(isErased && $0.isOfMissingPayload) }
    if let finding = findings.mostSpecific { throw finding }
    guard chain.logs.last?.origin == origin else {
      throw LedgerFinding.linkBroken(log: origin, reason: "it is the open one, and its files are not the newest here")
    }
    let rows = chain.logs.map(row)
    guard var answer = rows.last?.object else { return .null }
    if rows.count > 1 { answer["logs"] = .array(rows) }
    if isErased { answer["erased"] = ending.map { ["by": $0.by.map { .string($0.rawValue) } ?? .null] } ?? true }
    return .object(answer)
  }

  private func row(_ log: LogChainReport.Log) -> JSONValue {
    var row: [String: JSONValue] = ["log": .string(log.origin), "sound": true]
    if let report = log.report {
      row["size"] = .integer(Int64(report.size))
      row["root"] = .string(report.root?.hex ?? "")
      row["entries_checked"] = .integer(Int64(report.entriesChecked))
      row["tiles_checked"] = .integer(Int64(report.tilesChecked))
      row["payloads_checked"] = .integer(Int64(report.payloadsChecked))
      row["witnesses"] = "none: self-attested"
    } else {
      row["size"] = 0
      row["note"] = "nothing has been published yet"
    }
    if let link = log.goesOnAfter {
      row["goes_on_after"] = [
        "log": .string(link.previous), "restored_size": .integer(Int64(link.restoredSize)),
        "published_size": .integer(Int64(link.publishedSize)),
        "lost_entries": .integer(Int64(max(0, link.publishedSize - link.restoredSize))),
        "also_published": .array(
          link.alsoPublished.map { ["log": .string($0.origin), "size": .integer(Int64($0.size))] }),
      ]
    }
    return .object(row)
  }
}

extension LedgerFinding {
  fileprivate var isOfMissingPayload: Bool { if case .payloadMissing = self { true } else { false } }
}
