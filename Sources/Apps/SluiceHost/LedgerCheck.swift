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

  /// Verifies each log, and that each but the first begins with an entry that commits to the one before.
  /// - Parameter since: The text of an earlier signed checkpoint, of any of the logs.
  /// - Throws: The finding that says most, when a log is not sound.
  func verify(since: String?) throws -> JSONValue {
    let files = try FileObjectStore(root: folder)
    let chain = LogChain.verify(vkey: vkey, paths: try files.list(""), since: since.map { Array($0.utf8) }) { path in
      try? files.read(path)
    }
    if let finding = chain.allFindings.mostSpecific { throw finding }
    guard chain.logs.last?.origin == origin else {
      throw LedgerFinding.linkBroken(log: origin, reason: "it is the open one, and its files are not the newest here")
    }
    let rows = chain.logs.map(row)
    guard rows.count > 1, var answer = rows.last?.object else { return rows.last ?? .null }
    answer["logs"] = .array(rows)
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
