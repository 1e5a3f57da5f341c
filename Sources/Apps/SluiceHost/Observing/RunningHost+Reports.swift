import Action
import CanonicalJSON
package import Domain
import Perception

// What the demo, `sluice top` and the console tell of a tenant.
extension RunningHost {
  /// Returns when the day's tick and everything that followed from it has been applied, and nothing is left to do.
  package func whenProcessed(_ tenant: TenantID, _ day: BusinessDay) async throws {
    let runtime = try self.tenant(tenant)
    try await runtime.when { try PerceptionQueries($0).tickedDay().map { $0 >= day } ?? false }
    let open = try opened(tenant)
    // What an action changes may make another one ready.
    while true {
      try await runtime.settle()
      await open.actions.poke()
      await open.actions.whenIdle()
      if runtime.lag == 0 { return }
    }
  }

  /// Pulls every stream of an instance to its end, from now, and returns when all of it is applied.
  package func pullOnce(_ tenant: TenantID, _ instance: InstanceID) async throws {
    let source = try self.instance(tenant, instance)
    await source.poke()
    // The round under way may have begun before now: the next one has not.
    try await whenPulled(tenant, instance, rounds: await source.completedRounds + 1)
    await source.poke()
    try await whenPulled(tenant, instance, rounds: await source.completedRounds + 1)
  }

  /// Calls that wait for a person.
  package func heldCount(_ tenant: TenantID) async throws -> Int {
    try self.tenant(tenant).view { try ActionStage.pending(in: $0, nowMs: SystemSources.wallClockMs()).count }
  }

  /// Returns when no call waits for a person any more.
  package func whenNothingIsHeld(_ tenant: TenantID) async throws {
    try await self.tenant(tenant).when {
      try ActionStage.pending(in: $0, nowMs: SystemSources.wallClockMs()).isEmpty
    }
  }

  /// The fields of the independent check, with the same meaning, and what the loop did.
  package func summary(_ tenant: TenantID) async throws -> JSONValue {
    try JSONValue(encoding: try self.tenant(tenant).view { try PipelineSummary($0) })
  }
}
