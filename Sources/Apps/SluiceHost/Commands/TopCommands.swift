import ConnectorFabric
import Domain
import Identity
import Perception
import Synchronization
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
        "dead_letters": .integer(Int64(try runtime.deadLetterCount())),
        "obstacles": .array(await call.host.obstacles().map { .string($0) }),
      ]
    },
    HostCommand("host.ready", "Say what is in the host's way", role: nil) { call in
      [
        "address": call.host.servedAt.withLock { $0.map { .string($0) } ?? .null },
        "obstacles": .array(await call.host.obstacles().map { .string($0) }),
      ]
    },
  ]
}

extension TenantRuntime {
  /// Of deliveries at most 10,000.
  nonisolated func deadLetterCount() throws -> Int {
    try view { view in
      try Int(PerceptionQueries(view).deadLetterCounts().values.reduce(0, +))
        + FabricStage.deadDeliveryCounts(in: view, countMax: 10_000).values.reduce(0, +)
    }
  }
}

extension RunningHost {
  /// For the metrics: a count of what stands in the databases, taken when somebody asks. A tenant that cannot be read now
  /// keeps the count of before.
  func countDeadLetters() {
    for tenant in tenantNames() {
      guard let count = try? self.tenant(tenant).deadLetterCount() else { continue }
      metrics.set("sluice_dead_letters", count, [("tenant", tenant.rawValue)])
    }
  }

  /// Each instance with its counts and its waits by cause, the longest first.
  func flow(_ tenant: TenantID) async throws -> JSONValue {
    var rows: [JSONValue] = []
    for row in try await connectorRows(tenant).array ?? [] {
      guard case .object(var members) = row, let name = row["instance"]?.string else { continue }
      let key = "\(tenant)/\(name)"
      members["records"] = .integer(metrics.sum("sluice_records_total", where: ("instance", key)))
      members["bytes"] = .integer(metrics.sum("sluice_record_bytes_total", where: ("instance", key)))
      members["requests"] = .integer(metrics.sum("sluice_requests_total", where: ("instance", key)))
      let refused = ["sluice_requests_refused_total", "sluice_throttle_refused_total"]
      members["refusals"] = .integer(refused.reduce(0) { $0 + metrics.sum($1, where: ("instance", key)) })
      let deliveries = metrics.sums("sluice_deliveries_total", by: "outcome", where: ("instance", key))
      members["drops"] = .integer(
        deliveries.filter { !["accepted", "challenge"].contains($0.key) }.values.reduce(0, +))
      members["retries"] = .integer(metrics.sum("sluice_retries_total", where: ("instance", key)))
      members["credit"] = .integer(metrics.sum("sluice_credit_records", where: ("instance", key)))
      members["throttle"] = throttle(key)
      members["waits"] = .object(
        metrics.sums("sluice_wait_seconds_total", by: "cause", where: ("instance", key))
          .mapValues { .integer($0) })
      rows.append(.object(members))
    }
    return .array(rows)
  }

  /// An instance's turns at its upstreams, all endpoints together.
  private func throttle(_ key: String) -> JSONValue {
    func sum(_ name: String) -> Int64 { metrics.sum(name, where: ("instance", key)) }
    let held = metrics.sums("sluice_throttle_held", by: "cause", where: ("instance", key)).filter { $0.value > 0 }
    let oldest = metrics.least("sluice_throttle_oldest_wait_timestamp_seconds", where: ("instance", key))
    let halvings = metrics.sums("sluice_throttle_halvings_total", by: "cause", where: ("instance", key))
    return [
      "limit": .integer(sum("sluice_throttle_limit")), "in_flight": .integer(sum("sluice_throttle_in_flight")),
      "queued": .integer(sum("sluice_throttle_queued")),
      "oldest_wait_ms": oldest.map { .integer(max(0, SystemSources.wallClockMs() - $0)) } ?? .null,
      "held": held.keys.min().map { .string($0) } ?? .null,
      "halvings": .object(halvings.mapValues { .integer($0) }),
    ]
  }
}
