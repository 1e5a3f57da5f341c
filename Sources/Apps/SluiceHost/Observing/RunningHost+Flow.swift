import ConnectorFabric
import Domain
import Perception

// What `sluice top`, the console and the metrics show of a tenant's instances.
extension RunningHost {
  /// Each instance with its counts, what happened of late, and what it waits for.
  func flow(_ tenant: TenantID, _ letters: [String: Int64]) async throws -> (view: FlowView, instances: JSONValue) {
    let connectors = (try await connectorRows(tenant).array ?? []).compactMap(\.object)
    let names = connectors.map { ($0["instance"]?.string ?? "", $0["state"]?.string ?? "") }
    countBacklog(of: tenant)
    let wallMs = metrics.clock.wallMs()
    let view = FlowView(names, of: tenant, FlowSample(metrics), since: flowWatch.earlier, wallMs: wallMs)
    let rows = zip(connectors, view.rows).map { connector, row -> JSONValue in
      var members = connector.merging(row.now.counted) { $1 }
      members["recent"] = .object(row.recent.counted)
      members["credit"] = row.now.credit.map { .integer($0) } ?? .null
      members["throttle"] = row.now.throttle(wallMs: wallMs)
      members["deliveries"] = row.now.backlog(wallMs: wallMs)
      members["dead_letters"] = .integer(letters[row.name] ?? 0)
      members["waits_for"] = .array(
        row.waits.map { wait in
          [
            "cause": .string(wait.cause), "percent": .integer(Int64(wait.percent)), "words": .string(wait.words),
            "reason": wait.reason.map { .string($0) } ?? .null,
          ]
        })
      return .object(members)
    }
    return (view, .array(rows))
  }

  /// As many deliveries of an instance are counted as waiting.
  private static let backlogMax = 10_000

  /// What waits of a tenant's deliveries, counted when somebody asks.
  private func countBacklog(of tenant: TenantID) {
    guard let runtime = try? self.tenant(tenant),
      let rows = try? runtime.view({ try FabricStage.backlog(in: $0, countMax: Self.backlogMax) })
    else { return }
    func labels(_ instance: String) -> [(String, String)] { [("instance", "\(tenant)/\(instance)")] }
    metrics.replace("sluice_deliveries_waiting", of: tenant, with: rows.map { (labels($0.instance), $0.count) })
    metrics.replace(
      "sluice_deliveries_oldest_wait_timestamp_seconds", of: tenant,
      with: rows.compactMap { row in row.oldestAtMs.map { (labels(row.instance), Int($0)) } })
  }

  /// For the metrics: counts of what stands in the databases and on the disk, taken when somebody asks. A tenant that cannot
  /// be read now keeps the counts of before.
  func countWhatStands() {
    metrics.set("sluice_disk_short_bytes", reserve.shortage().map { $0.neededBytes - $0.freeBytes } ?? 0)
    for tenant in tenantNames() {
      countBacklog(of: tenant)
      guard let letters = try? self.tenant(tenant).deadLetters() else { continue }
      metrics.replace(
        "sluice_dead_letters", of: tenant,
        with: letters.map { (labels: [("instance", "\(tenant)/\($0.key)")], value: Int($0.value)) })
    }
  }
}

extension TenantRuntime {
  /// How many dead letters there are of each instance that is enabled or was, or whose address a delivery came to. At most
  /// 10,000 deliveries are counted.
  nonisolated func deadLetters() throws -> [String: Int64] {
    try view { view in
      var counts = Dictionary(uniqueKeysWithValues: try view.scan(FabricStage.instances).map { ($0.0, Int64(0)) })
      counts.merge(try PerceptionQueries(view).deadLetterCounts(), uniquingKeysWith: +)
      for (instance, count) in try FabricStage.deadDeliveryCounts(in: view, countMax: 10_000) {
        counts[instance, default: 0] += Int64(count)
      }
      return counts
    }
  }
}

extension FlowSample.Counts {
  /// What only grows.
  fileprivate var counted: [String: JSONValue] {
    [
      "records": .integer(records), "bytes": .integer(bytes), "requests": .integer(requests),
      "refusals": .integer(refusals), "drops": .integer(drops), "retries": .integer(retries),
      "waits": .object(waits.filter { $0.value > 0 }.mapValues { .integer($0) }),
    ]
  }

  /// Deliveries that its plugin has not received yet.
  fileprivate func backlog(wallMs: Int64) -> JSONValue {
    [
      "waiting": .integer(pushed), "oldest_wait_ms": oldestPushAtMs.map { .integer(max(0, wallMs - $0)) } ?? .null,
    ]
  }

  /// An instance's turns at its upstreams, all endpoints together.
  fileprivate func throttle(wallMs: Int64) -> JSONValue {
    [
      "limit": .integer(limit), "in_flight": .integer(inFlight), "queued": .integer(queued),
      "oldest_wait_ms": oldestWaitAtMs.map { .integer(max(0, wallMs - $0)) } ?? .null,
      "held": held.map { .string($0) } ?? .null, "halvings": .object(halvings.mapValues { .integer($0) }),
    ]
  }
}
