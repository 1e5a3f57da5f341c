import ConnectorFabric

extension Metrics {
  /// What can be seen of one instance's way to its upstream: by one endpoint, with one credential.
  struct Edge {
    let limit, inFlight, queued: Int
    /// Wall time; nil when nobody waits.
    let oldestWaitAtMs: Int64?
    let hold: Throttle.Hold?
  }

  /// - Parameter edge: nil when it is gone.
  func show(_ edge: Edge?, of member: Throttle.Member) {
    let labels = member.labels
    func put(_ name: String, _ value: Int?, _ more: [(String, String)] = []) {
      if let value { set(name, value, labels + more) } else { remove(name, labels + more) }
    }
    put("sluice_throttle_limit", edge?.limit)
    put("sluice_throttle_in_flight", edge?.inFlight)
    put("sluice_throttle_queued", edge?.queued)
    // A time and no age: it stays true without being written again.
    put("sluice_throttle_oldest_wait_timestamp_seconds", edge?.oldestWaitAtMs.map { Int($0) })
    for hold in Throttle.Hold.allCases {
      put("sluice_throttle_held", edge?.hold == hold ? 1 : nil, [("cause", hold.rawValue)])
    }
  }

  func request(at edge: Throttle.Member, status: Int) {
    add("sluice_requests_total", 1, edge.labels + [("status", status == 0 ? "none" : "\(status)")])
  }

  func retry(at edge: Throttle.Member, cause: String) {
    add("sluice_retries_total", 1, edge.labels + [("cause", cause)])
  }

  func retry(instance: String, cause: String) {
    add("sluice_retries_total", 1, [("instance", instance), ("cause", cause)])
  }
}
