import Domain
import Identity
import TrustLedger

extension HostCommand {
  static let topCommands: [HostCommand] = [
    HostCommand("top", "Show what flows, what waits and why", role: .auditor) { call in
      let tenant = try call.tenant()
      let runtime = try await call.host.tenant(tenant)
      let tree = try runtime.view { try LedgerStage.tree(in: $0) }
      return [
        "instances": try await call.host.flow(tenant), "applied_position": .integer(Int64(runtime.appliedNumber)),
        "unapplied": .integer(Int64(runtime.lag)), "ledger_entries": .integer(Int64(tree.size)),
      ]
    }
  ]
}

extension RunningHost {
  /// Each instance with its counts and its waits by cause, the longest first.
  func flow(_ tenant: TenantID) async throws -> JSONValue {
    var rows: [JSONValue] = []
    for row in try await connectorRows(tenant).array ?? [] {
      guard case .object(var members) = row, let name = row["instance"]?.string else { continue }
      let key = "\(tenant)/\(name)"
      members["records"] = .integer(metrics.sum("sluice_records_total", where: ("instance", key)))
      members["requests"] = .integer(metrics.sum("sluice_requests_total", where: ("instance", key)))
      members["waits"] = .object(
        metrics.sums("sluice_wait_seconds_total", by: "cause", where: ("instance", key))
          .mapValues { .integer($0) })
      rows.append(.object(members))
    }
    return .array(rows)
  }
}
