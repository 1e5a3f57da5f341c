import CanonicalJSON
import Domain
import FileStorage
import LedgerVerifier
import TrustLedger

/// The verifier's answer on all logs of a tenant, in words and numbers.
struct LedgerCheck {
  let tenant: TenantID
  /// The key that signs the open log.
  let vkey: String
  /// The folder of the first log, which holds the others'.
  let folder: String
  /// How each log but the first began, in order.
  let beginnings: [EpochBeginning]

  private var epochs: [LedgerEpoch] { [.first] + beginnings.map(\.epoch) }

  /// Verifies each log, and that the first entry of each but the first commits to what others have seen of the one before.
  /// - Parameter since: The text of an earlier signed checkpoint, of any of the logs.
  /// - Throws: The finding that says most, when a log is not sound.
  func verify(since: String?) throws -> JSONValue {
    let notes = since.map { Array($0.utf8) }
    let epoch = try since.map(epoch(of:))
    var rows: [JSONValue] = []
    var answer: [String: JSONValue] = [:]
    for (number, log) in epochs.enumerated() {
      let next = number < beginnings.count ? beginnings[number] : nil
      let earlier = log == epoch && next?.published != since ? notes : nil
      answer = try Self.verify(objects(log), vkey: try vkey(of: log), since: earlier)
      answer["log"] = .string(log.origin(of: tenant))
      if let beginning = number > 0 ? beginnings[number - 1] : nil {
        answer["goes_on_after"] = try link(beginning)
      }
      rows.append(.object(answer))
    }
    if rows.count > 1 { answer["logs"] = .array(rows) }
    return .object(answer)
  }

  private func objects(_ epoch: LedgerEpoch) throws -> any ObjectStore {
    try FileObjectStore(root: LedgerPublisher.folder(of: epoch, in: folder))
  }

  /// All logs are signed with one key, under different names.
  private func vkey(of epoch: LedgerEpoch) throws -> String {
    try NoteKey(vkey: vkey).named(epoch.origin(of: tenant)).vkey
  }

  private func epoch(of note: String) throws -> LedgerEpoch {
    let origin = note.prefix { $0 != "\n" }
    // What bears no name of ours is held against the open log, whose verifier says what is wrong with it.
    return epochs.first { $0.origin(of: tenant) == origin } ?? epochs.last!
  }

  /// What a new log says of the one before, read from its published first entry and checked against the files.
  private func link(_ beginning: EpochBeginning) throws -> JSONValue {
    let files = try objects(beginning.epoch)
    let previous = try objects(beginning.previous)
    let published = try FirstEntry.payload(of: files).decode(EpochBeginning.self)
    guard published == beginning else {
      throw LedgerLinkBroken(log: beginning.epoch.origin(of: tenant), reason: "its first entry is another one")
    }
    let promised = try published.published.map {
      try Checkpoint(
        signed: try SignedNote(parsing: Array($0.utf8)), by: try NoteKey(vkey: try vkey(of: beginning.previous)))
    }
    let restored = published.restored
    if let note = published.published, let promised, promised.size <= restored.size {
      _ = try Self.verify(previous, vkey: try vkey(of: beginning.previous), since: note)
    }
    if restored.size > 0 {
      let stands = try previous.read("checkpoint").map { try Checkpoint(text: try SignedNote(parsing: $0).text) }
      guard stands?.size == restored.size, stands?.root == restored.root else {
        throw LedgerLinkBroken(
          log: beginning.previous.origin(of: tenant), reason: "it does not end where the next one goes on")
      }
    }
    return [
      "log": .string(beginning.previous.origin(of: tenant)), "restored_size": .integer(Int64(restored.size)),
      "published_size": .integer(Int64(promised?.size ?? 0)),
      "lost_entries": .integer(Int64(max(0, (promised?.size ?? 0) - restored.size))),
    ]
  }

  private static func verify(_ objects: any ObjectStore, vkey: String, since: [UInt8]?) throws -> [String: JSONValue] {
    guard let note = try objects.read("checkpoint") else {
      return ["sound": true, "size": 0, "note": "nothing has been published yet"]
    }
    let report = LedgerVerification.verify(checkpoint: note, vkey: vkey, earlier: since) { path in
      try? objects.read(path)
    }
    if let finding = report.findings.mostSpecific { throw finding }
    return [
      "sound": true, "size": .integer(Int64(report.size)), "root": .string(report.root?.hex ?? ""),
      "entries_checked": .integer(Int64(report.entriesChecked)), "tiles_checked": .integer(Int64(report.tilesChecked)),
      "payloads_checked": .integer(Int64(report.payloadsChecked)), "witnesses": "none: self-attested",
    ]
  }

  private static func verify(_ objects: any ObjectStore, vkey: String, since: String) throws -> [String: JSONValue] {
    try verify(objects, vkey: vkey, since: Array(since.utf8))
  }
}

/// The first entry of a published log.
private enum FirstEntry {
  /// What it commits to, which the verifier has compared with its commitment.
  static func payload(of log: any ObjectStore) throws -> JSONValue {
    guard let bundle = try log.list("tile/entries").first, let bytes = try log.read(bundle), bytes.count > 2 else {
      return .null
    }
    let length = Int(bytes[0]) * 256 + Int(bytes[1])
    let leaf = try LedgerLeaf(parsing: Array(bytes.dropFirst(2).prefix(length)))
    guard let object = try log.read(LedgerPayload.path(of: leaf.commitment)) else { return .null }
    return try JSONValue(parsing: try LedgerPayload(object: object).payload)
  }
}

package struct LedgerLinkBroken: OperatorError, Equatable {
  let log: String
  let reason: String
  package var code: String { "ledger.link_broken" }
  package var message: String { "The log \(log) does not fit the one beside it: \(reason)." }
  package var remedy: String { "Restore the ledger's files from a copy; the journal holds the entry of that kind." }
}
