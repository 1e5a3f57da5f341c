import CanonicalJSON
package import Domain
import Perception

// What the demo, `sluice top` and the console tell of a tenant.
extension RunningHost {
  /// Returns when the day's tick and everything that followed from it has been applied, and nothing is left to do.
  package func whenProcessed(_ tenant: TenantID, _ day: BusinessDay) async throws {
    let runtime = try self.tenant(tenant)
    try await runtime.when { try PerceptionQueries($0).tickedDay().map { $0 >= day } ?? false }
    try await runtime.settle()
  }

  package func signalCounts(_ tenant: TenantID) async throws -> [String: Int] {
    try self.tenant(tenant).view { try PerceptionQueries($0).signalCounts() }
  }

  /// The fields of the independent check, with the same meaning, and what the loop did.
  package func summary(_ tenant: TenantID) async throws -> JSONValue {
    try JSONValue(encoding: try self.tenant(tenant).view { try PipelineSummary($0) })
  }
}
