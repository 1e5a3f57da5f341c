import CanonicalJSON
import Cryptography
import Domain
import FileStorage
import Foundation
import LedgerVerifier
import SQLiteStorage
import TrustLedger
import Vault
import WholeLoop

/// The passage of one restored tenant from its old log to a new one.
///
/// Nothing derived may be journaled before the `epoch` entry: it would be signed into the old log, where the lost host may
/// have published something else. So the state is made here, of the journal alone, and no tenant runs yet.
struct NewEpoch {
  let tenant: TenantID
  /// The tenant's folder.
  let folder: String
  let journal: SQLiteJournal
  let past: TrimmedPast
  let vault: Vault
  let backupMadeAtMs: Int64
  let by: UserID

  /// - Parameter seen: Signed checkpoints that others know, by file; those of this tenant are taken out.
  /// - Returns: What was restored, for people.
  func begin(seen: inout [String: [UInt8]], mayAct: Bool) async throws -> JSONValue {
    try vault.prepare(.tenant(tenant))
    let path = folder + "/state.db"
    for name in [path, path + "-wal", path + "-journal"] where access(name, F_OK) == 0 {
      throw BackupError.stateThere(path: name)
    }
    let store = try SQLiteStateStore(path: path)
    defer { try? store.close() }
    try await rebuild(store)
    let old = try store.view { try LedgerStage.epoch(in: $0) }
    let signer = try NoteSigner(name: old.origin(of: tenant), seed: try vault.ledgerSeed(.tenant(tenant)))
    let closed = try close(old, signer, store)
    let notes = SeenNote.take(from: &seen, of: tenant, key: signer.key)
    var news = try news(in: notes, known: try store.view { try LedgerStage.beginnings(in: $0) }, signer.key)
    // The open log's newest checkpoint, of all that the backup and the operator know.
    var last = try closed.note.map { try SeenNote($0, of: old, key: signer.key) }
    if let newest = news.filter({ $0.log == old }).max(by: { $0.checkpoint.size < $1.checkpoint.size }) {
      last = newest
      // A smaller one it covers; another one of the same size it does not.
      news.removeAll {
        $0.log == old && ($0.text == newest.text || $0.checkpoint.size < newest.checkpoint.size)
      }
    }
    let publishedSize = last?.checkpoint.size ?? 0
    let number = news.map(\.log.number).reduce(old.number, max) + 1
    let new = LedgerEpoch(number: number, id: Hex.encode(SystemSources.random(8)))
    let beginning = EpochBeginning(
      epoch: new, previous: old, restored: closed.mark, published: last?.text, alsoPublished: news.map(\.text),
      backupMadeAtMs: backupMadeAtMs, by: by)
    try await append(beginning, mayAct: mayAct)
    return [
      "tenant": .string(tenant.rawValue), "log": .string(new.origin(of: tenant)),
      "previous_log": .string(signer.key.name), "restored_size": .integer(Int64(closed.mark.size)),
      "published_size": .integer(Int64(publishedSize)),
      "also_published": .array(
        news.map { ["log": .string($0.checkpoint.origin), "size": .integer(Int64($0.checkpoint.size))] }),
      "lost_entries": .integer(Int64(max(0, publishedSize - closed.mark.size))),
      "vkey": .string(
        try NoteSigner(name: new.origin(of: tenant), seed: try vault.ledgerSeed(.tenant(tenant))).key.vkey),
    ]
  }

  private func rebuild(_ store: any StateStore) async throws {
    let assembly = LoopAssembly()
    var position = try await past.begin(in: store)
    while true {
      let entries = try await journal.read(.tenant(tenant), after: position, countMax: LoopStep.groupCountMax)
      guard let last = entries.last else { return }
      try assembly.apply(entries, to: store)
      position = last.position
    }
  }

  /// Publishes the old log as far as its entries were restored. They are a beginning of what the lost host had, so this
  /// signs nothing that it could have published otherwise.
  private func close(
    _ old: LedgerEpoch, _ signer: NoteSigner, _ store: any StateStore
  ) throws -> (mark: EpochBeginning.Mark, note: [UInt8]?, objects: any ObjectStore) {
    let objects = try FileObjectStore(root: LedgerPublisher.folder(of: old, in: folder + "/ledger"))
    try objects.write([("log.vkey", Array((signer.key.vkey + "\n").utf8))])
    let promised = try LedgerRelease.mark(promisedBy: try objects.read("checkpoint"), of: old, signer: signer)
    let due = try store.view { try LedgerRelease.Due(in: $0, after: promised?.size ?? 0) }
    guard due.tree.size > due.published || due.tree.root == promised?.root ?? MerkleHash.empty else {
      throw LedgerStateError.behindHighWater(
        tenant: tenant.rawValue, size: due.tree.size, published: due.published)
    }
    if !due.isNothing {
      let stored = try journal.entries(at: due.entries.map(\.position), of: .tenant(tenant))
      let release = try LedgerRelease(due, of: old, stored: stored, signer: signer) { try? objects.read($0) }
      try objects.write(release.files)
      try objects.write(release.checkpoint)
    }
    return (.init(size: due.tree.size, root: due.tree.root), try objects.read("checkpoint"), objects)
  }

  /// The notes that say more than what was restored. One that says less must be a beginning of it.
  private func news(in notes: [SeenNote], known: [EpochBeginning], _ key: NoteKey) throws -> [SeenNote] {
    let logs = [.first] + known.map(\.epoch)
    return try notes.filter { note in
      guard logs.contains(note.log) else { return true }
      let objects = try FileObjectStore(root: LedgerPublisher.folder(of: note.log, in: folder + "/ledger"))
      guard let here = try objects.read("checkpoint"),
        note.checkpoint.size <= (try Checkpoint(text: try SignedNote(parsing: here).text).size)
      else { return true }
      let vkey = key.named(note.checkpoint.origin).vkey
      let report = LedgerVerification.verify(checkpoint: here, vkey: vkey, earlier: Array(note.text.utf8)) {
        try? objects.read($0)
      }
      if let finding = report.findings.mostSpecific { throw finding }
      return false
    }
  }

  private func append(_ beginning: EpochBeginning, mayAct: Bool) async throws {
    let nowMs = SystemSources.wallClockMs()
    let partition = Partition.tenant(tenant)
    var entries = [
      NewEntry(
        id: StableID.of("epoch", [beginning.epoch.origin(of: tenant)]), kind: .epoch, cause: nil, recordedAtMs: nowMs,
        body: try JSONValue(encoding: beginning).canonicalBytes)
    ]
    if !mayAct {
      let order = Order(
        verb: .kill, target: "all", argument: "restored from a backup: what was done after it is not known here", by: by
      )
      entries.append(
        NewEntry(
          id: StableID.of("order", [order.verb.rawValue, order.target, Hex.encode(SystemSources.random(16))]),
          kind: .order, cause: nil, recordedAtMs: nowMs, body: try JSONValue(encoding: order).canonicalBytes))
    }
    let epoch = try await journal.acquire(partition)
    _ = try await journal.append(entries, to: partition, epoch: epoch)
  }
}

/// A signed checkpoint that others have seen, of any log of one tenant: the restored one's, or one that another restore began.
private struct SeenNote {
  let log: LedgerEpoch
  let checkpoint: Checkpoint
  let text: String

  /// - Throws: `LedgerError` when this key has not signed it as a checkpoint of that log.
  init(_ bytes: [UInt8], of log: LedgerEpoch, key: NoteKey) throws {
    self.log = log
    checkpoint = try Checkpoint(signed: try SignedNote(parsing: bytes), by: key)
    text = String(decoding: bytes, as: UTF8.self)
  }

  /// Takes those that the tenant's key has signed under the name of one of its logs, each once, by log and size.
  static func take(from seen: inout [String: [UInt8]], of tenant: TenantID, key: NoteKey) -> [SeenNote] {
    var notes: [String: SeenNote] = [:]
    for (file, bytes) in seen {
      let origin = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
      guard let log = LedgerEpoch(origin: origin, of: tenant),
        let note = try? SeenNote(bytes, of: log, key: key.named(origin))
      else { continue }
      seen[file] = nil
      notes[note.text] = note
    }
    return notes.values.sorted {
      ($0.log.number, $0.log.id, $0.checkpoint.size, $0.text) < ($1.log.number, $1.log.id, $1.checkpoint.size, $1.text)
    }
  }
}

/// A tenant's rows of the keystore.
enum TenantKeys {
  /// Removes its keys, its secrets, what replaced them and its webhooks' addresses. What was sealed with them opens for nobody
  /// any more.
  static func destroy(_ tenant: TenantID, in keystore: any Keystore) throws {
    for kind in TenantRow.allCases {
      for name in try keystore.names(withPrefix: kind.prefix(tenant)) { try keystore.remove(name) }
    }
  }
}
