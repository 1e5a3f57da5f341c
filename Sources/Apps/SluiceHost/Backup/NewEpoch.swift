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
  let vault: Vault
  let backupMadeAtMs: Int64
  let by: UserID

  /// - Parameter seen: Signed checkpoints that others know, by file; those of this tenant are taken out.
  /// - Returns: What was restored, for people.
  func begin(seen: inout [String: [UInt8]], mayAct: Bool) async throws -> JSONValue {
    try vault.prepare(.tenant(tenant))
    let store = try SQLiteStateStore(path: folder + "/state.db")
    defer { try? store.close() }
    try await rebuild(store)
    let old = try store.view { try LedgerStage.epoch(in: $0) }
    let signer = try NoteSigner(name: old.origin(of: tenant), seed: try vault.ledgerSeed(.tenant(tenant)))
    let closed = try close(old, signer, store)
    let last = try lastPublished(closed.note, closed.objects, signer, seen: &seen)
    let published = try last.map { try Checkpoint(signed: try SignedNote(parsing: $0), by: signer.key) }
    let new = LedgerEpoch(number: old.number + 1, id: Hex.encode(SystemSources.random(8)))
    let beginning = EpochBeginning(
      epoch: new, previous: old, restored: closed.mark, published: last.map { String(decoding: $0, as: UTF8.self) },
      backupMadeAtMs: backupMadeAtMs, by: by)
    try await append(beginning, mayAct: mayAct)
    return [
      "tenant": .string(tenant.rawValue), "log": .string(new.origin(of: tenant)),
      "previous_log": .string(signer.key.name), "restored_size": .integer(Int64(closed.mark.size)),
      "published_size": .integer(Int64(published?.size ?? 0)),
      "lost_entries": .integer(Int64(max(0, (published?.size ?? 0) - closed.mark.size))),
      "vkey": .string(
        try NoteSigner(name: new.origin(of: tenant), seed: try vault.ledgerSeed(.tenant(tenant))).key.vkey),
    ]
  }

  private func rebuild(_ store: any StateStore) async throws {
    let assembly = LoopAssembly()
    var position = Position.origin
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
      let stored = try due.entries.map { try journal.entry(at: $0.position, of: .tenant(tenant)) }
      let release = try LedgerRelease(due, of: old, stored: stored, signer: signer) { try? objects.read($0) }
      try objects.write(release.files)
      try objects.write(release.checkpoint)
    }
    return (.init(size: due.tree.size, root: due.tree.root), try objects.read("checkpoint"), objects)
  }

  /// The newest of what the backup and the operator know. An older one must be a beginning of what was restored.
  private func lastPublished(
    _ closed: [UInt8]?, _ objects: any ObjectStore, _ signer: NoteSigner, seen: inout [String: [UInt8]]
  ) throws -> [UInt8]? {
    var last = closed
    var size = try closed.map { try Checkpoint(signed: try SignedNote(parsing: $0), by: signer.key).size } ?? 0
    for (file, note) in seen.sorted(by: { $0.key < $1.key }) {
      guard let checkpoint = try? Checkpoint(signed: try SignedNote(parsing: note), by: signer.key) else { continue }
      seen[file] = nil
      if checkpoint.size > size {
        (last, size) = (note, checkpoint.size)
      } else if let closed {
        let report = LedgerVerification.verify(checkpoint: closed, vkey: signer.key.vkey, earlier: note) {
          try? objects.read($0)
        }
        if let finding = report.findings.mostSpecific { throw finding }
      }
    }
    return last
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

/// A tenant's rows of the keystore.
enum TenantKeys {
  /// Removes its keys, its secrets and its webhooks' addresses. What was sealed with them opens for nobody any more.
  static func destroy(_ tenant: TenantID, in keystore: any Keystore) throws {
    for prefix in ["key", "secret", "hook"] {
      for name in try keystore.names(withPrefix: "\(prefix)/\(tenant)/") { try keystore.remove(name) }
    }
  }
}
