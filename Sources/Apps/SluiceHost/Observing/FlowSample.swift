import Domain

/// What is counted of each instance at one moment: two of them say what happened between.
struct FlowSample: Sendable, Equatable {
  /// All edges of one instance together, since the host began.
  struct Counts: Sendable, Equatable {
    var records: Int64 = 0
    var bytes: Int64 = 0
    var requests: Int64 = 0
    /// Requests that were not let out.
    var refusals: Int64 = 0
    /// Deliveries that were not taken.
    var drops: Int64 = 0
    var retries: Int64 = 0
    /// Milliseconds by cause.
    var waits: [String: Int64] = [:]
    /// Times that a limit was halved, by cause.
    var halvings: [String: Int64] = [:]

    // What holds at that moment.
    /// Records that may be sent before the next batch is durable; nil while no operation is under way.
    var credit: Int64?
    var limit: Int64 = 0
    var inFlight: Int64 = 0
    var queued: Int64 = 0
    /// Wall time; nil when no request waits for its turn.
    var oldestWaitAtMs: Int64?
    /// Why requests wait for their turn.
    var held: String?
    /// Deliveries that its plugin has not received yet.
    var pushed: Int64 = 0
    /// Wall time at which the first of them came.
    var oldestPushAtMs: Int64?
  }

  /// By the steady clock.
  let atMs: Int64
  /// By `TENANT/INSTANCE`.
  let instances: [String: Counts]

  init(atMs: Int64, instances: [String: Counts] = [:]) {
    self.atMs = atMs
    self.instances = instances
  }

  /// All instances of all tenants in one pass: with a thousand of them there are tens of thousands of samples.
  init(_ metrics: Metrics) {
    atMs = metrics.clock.monotonicMs()
    var instances: [String: Counts] = [:]
    metrics.samples(of: Self.names) { name, labels, value in
      guard let instance = labels["instance"] else { return }
      instances[instance, default: Counts()].take(name, labels, value)
    }
    self.instances = instances
  }

  private static let names: Set = [
    "sluice_records_total", "sluice_record_bytes_total", "sluice_requests_total", "sluice_requests_refused_total",
    "sluice_throttle_refused_total", "sluice_deliveries_total", "sluice_retries_total", "sluice_wait_seconds_total",
    "sluice_throttle_halvings_total", "sluice_credit_records", "sluice_throttle_limit", "sluice_throttle_in_flight",
    "sluice_throttle_queued", "sluice_throttle_oldest_wait_timestamp_seconds", "sluice_throttle_held",
    "sluice_deliveries_waiting", "sluice_deliveries_oldest_wait_timestamp_seconds",
  ]
}

extension FlowSample.Counts {
  fileprivate mutating func take(_ name: String, _ labels: [String: String], _ value: Int64) {
    let cause = labels["cause"] ?? ""
    switch name {
    case "sluice_records_total": records += value
    case "sluice_record_bytes_total": bytes += value
    case "sluice_requests_total": requests += value
    case "sluice_requests_refused_total", "sluice_throttle_refused_total": refusals += value
    case "sluice_deliveries_total":
      if !["accepted", "challenge"].contains(labels["outcome"]) { drops += value }
    case "sluice_retries_total": retries += value
    case "sluice_wait_seconds_total": waits[cause, default: 0] += value
    case "sluice_throttle_halvings_total": halvings[cause, default: 0] += value
    case "sluice_credit_records": credit = (credit ?? 0) + value
    case "sluice_throttle_limit": limit += value
    case "sluice_throttle_in_flight": inFlight += value
    case "sluice_throttle_queued": queued += value
    case "sluice_throttle_oldest_wait_timestamp_seconds": oldestWaitAtMs = min(oldestWaitAtMs ?? value, value)
    case "sluice_deliveries_waiting": pushed = value
    case "sluice_deliveries_oldest_wait_timestamp_seconds": oldestPushAtMs = value
    case "sluice_throttle_held": held = min(held ?? cause, cause)
    default: break
    }
  }

  /// What was counted after `earlier`; what holds, holds. Where nobody waits for a turn just now, what held them then says why.
  func since(_ earlier: Self) -> Self {
    var recent = self
    recent.records -= earlier.records
    recent.bytes -= earlier.bytes
    recent.requests -= earlier.requests
    recent.refusals -= earlier.refusals
    recent.drops -= earlier.drops
    recent.retries -= earlier.retries
    recent.waits.merge(earlier.waits) { $0 - $1 }
    recent.halvings.merge(earlier.halvings) { $0 - $1 }
    recent.held = held ?? earlier.held
    return recent
  }
}
