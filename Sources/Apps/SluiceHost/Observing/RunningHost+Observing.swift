package import Domain
import SQLiteStorage

// What tests and `sluice top` wait for: events, never time.
extension RunningHost {
  package func journalEntries(_ tenant: TenantID) async throws -> [Entry] {
    var entries: [Entry] = []
    let before = Position(journal.firstKept(of: .tenant(tenant)).number - 1)
    while true {
      let more = try await journal.read(.tenant(tenant), after: entries.last?.position ?? before, countMax: 500)
      if more.isEmpty { return entries }
      entries += more
    }
  }

  package func workerProcessIDs() async -> [Int32] { await pool.processIDs() }

  /// Returns when the instance has pulled every stream to its end `rounds` times, and all of it is applied.
  package func whenPulled(_ tenant: TenantID, _ instance: InstanceID, rounds: Int) async throws {
    try await self.instance(tenant, instance).whenCompleted(rounds: rounds)
    try await self.tenant(tenant).settle()
  }

  /// Returns the reason when the instance waits or is parked because of a fault.
  package func whenStuck(_ tenant: TenantID, _ instance: InstanceID) async throws -> String {
    try await self.instance(tenant, instance).whenStuck()
  }

  /// Returns when that many workers are running.
  package func whenSpawned(atLeast count: Int) async throws {
    while await pool.processIDs().count < count { await Task.yield() }
  }
}
