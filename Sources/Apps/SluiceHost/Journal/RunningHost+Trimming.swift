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
  /// Lets go what was recorded more days ago than the tenant's rule keeps.
  /// - Parameters:
  ///   - days: In place of the rule of `sluice.yaml`.
  ///   - by: Who asks; nil for the rule.
  /// - Returns: What went; nil when there was nothing.
  func trimNow(_ tenant: TenantID, days: Int?, by: UserID?) async throws -> Trim? {
    let partition = Partition.tenant(tenant)
    guard !trimming.contains(tenant), !turning.contains(tenant) else { return nil }
    trimming.insert(tenant)
    defer { trimming.remove(tenant) }
    let open = try opened(tenant)
    try await open.runtime.settle()
    // An order that is journaled and was not carried out: a host died over it.
    if let left = try open.runtime.view({ try LoopAssembly.trimmed($0) }),
      Position(left.firstKept) > journal.firstKept(of: partition)
    {
      try await carryOut(left, tenant)
    }
    guard let days = days ?? options.settings.rawDays(of: tenant) else { return nil }
    let limitMs = SystemSources.wallClockMs() - Int64(days) * 86_400_000
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

  /// Makes the snapshot durable, and the order that names it.
  private func prepare(
    _ last: Position, rule: String, _ tenant: TenantID, by: UserID?
  ) async throws -> (trim: Trim, order: NewEntry) {
    let partition = Partition.tenant(tenant)
    if let shortage = reserve.shortage() { throw shortage }
    let (position, made) = try self.tenant(tenant).view { view in
      let position = try LoopAssembly.applied(view)
      return (position, try StateSnapshot.make(of: view, partition, at: position, sealer: vault))
    }
    options.crash.reach(.trimBeforeSnapshot)
    try objects.write([(StateSnapshot.path(partition, position), made.bytes)])
    options.crash.reach(.trimAfterSnapshot)
    let firstKept = last.number + 1
    let trim = Trim(
      firstKept: firstKept, entries: Int(firstKept - journal.firstKept(of: partition).number),
      packs: await packer.packs(of: partition, through: last), rule: rule, snapshot: position.number,
      digest: made.digest)
    let order = Order(
      verb: .trim, target: Trim.target, argument: try JSONValue(encoding: trim).canonicalText, by: by)
    let entry = NewEntry(
      id: StableID.of("order", [order.verb.rawValue, order.target, Hex.encode(SystemSources.random(16))]),
      kind: .order, cause: nil, recordedAtMs: SystemSources.wallClockMs(),
      body: try JSONValue(encoding: order).canonicalBytes)
    return (trim, entry)
  }

  private func carryOut(_ trim: Trim, _ tenant: TenantID) async throws {
    let partition = Partition.tenant(tenant)
    let past = past(of: tenant)
    // From now on nothing else gives the state of before.
    try past.check(trim)
    let before = journal.firstKept(of: partition)
    let gone = try await packer.trim(partition, through: Position(trim.firstKept - 1))
    for path in try objects.list(StateSnapshot.folder(partition))
    where path != StateSnapshot.path(partition, Position(trim.snapshot)) {
      try objects.remove(path)
    }
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
