import ConnectorFabric
import Domain
import Identity
import Perception
import TrustLedger

extension HostCommand {
  static let topCommands: [HostCommand] = [
    HostCommand("top", "Show what flows, what waits and why", role: .auditor) { call in
      let tenant = try call.tenant()
      let runtime = try await call.host.tenant(tenant)
      let tree = try runtime.view { try LedgerStage.tree(in: $0) }
      return [
        "uptime_ms": .integer(SystemSources.monotonicMs() - call.host.startedMs),
        "instances": try await call.host.flow(tenant), "applied_position": .integer(Int64(runtime.appliedNumber)),
        "journal_position": .integer(Int64(runtime.appliedNumber + runtime.lag)),
        "unapplied": .integer(Int64(runtime.lag)), "ledger_entries": .integer(Int64(tree.size)),
        "held": .integer(Int64(try await call.host.heldCount(tenant))),
        "dead_letters": .integer(
          Int64(
            try runtime.view { view in
              try PerceptionQueries(view).deadLetters(countMax: 10_000).count
                + FabricStage.deadDeliveries(in: view, countMax: 10_000).count
            })),
        "obstacles": .array(await call.host.obstacles().map { .string($0) }),
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
      members["bytes"] = .integer(metrics.sum("sluice_record_bytes_total", where: ("instance", key)))
      members["requests"] = .integer(metrics.sum("sluice_requests_total", where: ("instance", key)))
      members["refusals"] = .integer(metrics.sum("sluice_requests_refused_total", where: ("instance", key)))
      let deliveries = metrics.sums("sluice_deliveries_total", by: "outcome", where: ("instance", key))
      members["drops"] = .integer(deliveries.filter { $0.key != "accepted" }.values.reduce(0, +))
      members["waits"] = .object(
        metrics.sums("sluice_wait_seconds_total", by: "cause", where: ("instance", key))
          .mapValues { .integer($0) })
      rows.append(.object(members))
    }
    return .array(rows)
  }
}
