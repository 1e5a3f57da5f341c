import CanonicalJSON
import Cryptography
import Domain
import Foundation
import SQLiteStorage
import TrustLedger
import WholeLoop

// Letting old packs go. First there is a snapshot of the state, then the ledger proves an order that names its digest and the
// positions that go, then the journal forgets them, then the objects are removed. Whoever dies between goes on from there.
extension RunningHost {
  /// Lets go what was recorded more days ago than that.
  /// - Parameters:
  ///   - days: nil finishes only what was ordered and not carried out.
  ///   - by: Who asks; nil for the rule of `sluice.yaml`.
  /// - Returns: What went; nil when there was nothing.
  func trimNow(_ tenant: TenantID, days: Int?, by: UserID?) async throws -> Trim? {
    let partition = Partition.tenant(tenant)
    guard !trimming.contains(tenant), !turning.contains(tenant) else { return nil }
    let open = try opened(tenant)
    // Whoever comes by without anything to do keeps nobody from erasing the tenant.
    guard try days != nil || leftTrim(tenant, open.runtime) != nil else { return nil }
    trimming.insert(tenant)
    defer { trimming.remove(tenant) }
    try await open.runtime.settle()
    try await finishTrim(tenant, open.runtime)
    guard let days else { return nil }
    let limitMs = options.clock.wallMs() - Int64(days) * 86_400_000
    guard let last = await packer.lastPacked(of: partition, recordedBeforeMs: limitMs) else { return nil }
    // Nothing goes that a log still has to publish.
    try await open.ledger.publishNow()
    let isPublished = try await open.ledger.hasPublished(through: last)
    guard isPublished, open.runtime.appliedNumber >= last.number else { return nil }
    let (trim, order) = try await prepare(last, rule: "raw_days \(days)", tenant, by: by)
    try await open.runtime.append([order])
    try await open.runtime.settle()
    try await open.ledger.publishNow()
    options.crash.reach(.trimAfterOrder)
    try await carryOut(trim, tenant)
    return trim
  }

  /// An order that is journaled, over which a host died before it was carried out.
  private func leftTrim(_ tenant: TenantID, _ runtime: TenantRuntime) throws -> Trim? {
    guard let left = try runtime.view({ try LoopAssembly.trimmed($0) }),
      Position(left.firstKept) > journal.firstKept(of: .tenant(tenant))
    else { return nil }
    return left
  }

  private func finishTrim(_ tenant: TenantID, _ runtime: TenantRuntime) async throws {
    guard let left = try leftTrim(tenant, runtime) else { return }
    do { try await carryOut(left, tenant) } catch let error as SnapshotError {
      // All entries are still there, so nothing is lost but the order: the next one makes a snapshot of its own.
      log.warning(error.code, error.message, ["tenant": "\(tenant)", "trim": "left undone"])
    }
  }

  /// Makes the snapshot durable, and the order that names it.
  private func prepare(
    _ last: Position, rule: String, _ tenant: TenantID, by: UserID?
  ) async throws -> (trim: Trim, order: NewEntry) {
    let partition = Partition.tenant(tenant)
    if let shortage = reserve.shortage() { throw shortage }
    let store = try self.tenant(tenant).store
    let (position, digest) = try await longWork.run { [vault, objects, crash = options.crash] _ in
      try store.viewApart { view in
        let position = try LoopAssembly.applied(view)
        let written = try StateSnapshot.write(
          of: view, partition, at: position, to: objects, sealer: vault, crash: crash)
        return (position, written.digest)
      }
    }
    let firstKept = last.number + 1
    let trim = Trim(
      firstKept: firstKept, entries: Int(firstKept - journal.firstKept(of: partition).number),
      packs: await packer.packs(of: partition, through: last), rule: rule, snapshot: position.number,
      digest: digest)
    let order = Order(
      verb: .trim, target: Trim.target, argument: try JSONValue(encoding: trim).canonicalText, by: by)
    let entry = NewEntry(
      id: StableID.of("order", [order.verb.rawValue, order.target, Hex.encode(SystemSources.random(16))]),
      kind: .order, cause: nil, recordedAtMs: options.clock.wallMs(),
      body: try JSONValue(encoding: order).canonicalBytes)
    return (trim, entry)
  }

  private func carryOut(_ trim: Trim, _ tenant: TenantID) async throws {
    let partition = Partition.tenant(tenant)
    let past = past(of: tenant)
    // From now on nothing else gives the state of before.
    try await longWork.run { _ in try past.check(trim) }
    let before = journal.firstKept(of: partition)
    let gone = try await packer.trim(
      partition, through: Position(trim.firstKept - 1), keeping: Position(trim.snapshot))
    metrics.add(
      "sluice_journal_trimmed_entries_total", Int(trim.firstKept - before.number), [("tenant", tenant.rawValue)])
    try self.tenant(tenant).use?.measureSnapshots()
    countPacks()
    log.info(
      "journal.trimmed", "Old entries were let go.",
      [
        "tenant": tenant.rawValue, "rule": trim.rule, "first_kept": "\(trim.firstKept)", "packs": "\(gone.packs)",
        "bytes": "\(gone.bytes)", "snapshot": "\(trim.snapshot)",
      ])
  }
}
