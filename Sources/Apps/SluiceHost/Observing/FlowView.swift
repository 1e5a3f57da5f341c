import Domain

/// Two samples in; what flows, who waits for what, and the bottleneck in words out. `sluice top` and the console show it.
struct FlowView: Sendable {
  struct Row: Sendable {
    /// An instance's name, and its state as the list of connectors says it.
    let name, state: String
    let now: FlowSample.Counts
    /// What happened in the window.
    let recent: FlowSample.Counts
    /// The longest first.
    let waits: [Wait]
  }

  /// What an instance waited for most in the window.
  struct Wait: Sendable, Equatable {
    let cause: String
    /// Of the window. Several requests may wait at a time; it is 100 at most.
    let percent: Int
    /// What it waits for.
    let words: String
    /// Why, as far as the host can tell.
    let reason: String?
    var sentence: String { reason.map { "\(words), since \($0)" } ?? words }
  }

  struct Bottleneck: Sendable, Equatable {
    enum Kind: String { case parked, backlog, waits, rests, nothing }
    let kind: Kind
    let instance: String?
    /// Of the window that it waited; 0 where that says nothing.
    var percent = 0
    let sentence: String
  }

  let windowMs: Int64
  let rows: [Row]
  let bottleneck: Bottleneck

  /// - Parameters:
  ///   - instances: A tenant's, in order.
  ///   - wallMs: The wall time of `now`.
  init(
    _ instances: [(name: String, state: String)], of tenant: TenantID, _ now: FlowSample, since earlier: FlowSample,
    wallMs: Int64
  ) {
    let windowMs = max(1, now.atMs - earlier.atMs)
    self.windowMs = windowMs
    rows = instances.map { name, state in
      let key = "\(tenant)/\(name)"
      let counts = now.instances[key] ?? .init()
      let recent = counts.since(earlier.instances[key] ?? .init())
      return Row(name: name, state: state, now: counts, recent: recent, waits: Wait.all(recent, windowMs: windowMs))
    }
    bottleneck = Self.bottleneck(rows, windowMs: windowMs, wallMs: wallMs)
  }

  private static let percentMin = 5
  /// A delivery that waits for less is only on its way.
  fileprivate static let backlogMinMs: Int64 = 5_000

  private static func bottleneck(_ rows: [Row], windowMs: Int64, wallMs: Int64) -> Bottleneck {
    if let stuck = rows.first(where: { $0.state.hasPrefix("parked") }) {
      let backlog = stuck.backlog(wallMs: wallMs).map { " Meanwhile \($0)." } ?? ""
      return Bottleneck(
        kind: .parked, instance: stuck.name,
        sentence: """
          \(stuck.name) is parked until `sluice connector resume \(stuck.name)`, or a new secret where its credential \
          was refused: \(reason(in: stuck.state))\(backlog)
          """)
    }
    let behind = rows.filter { $0.isBehind(wallMs: wallMs) }.max { $0.now.oldestPushAtMs! > $1.now.oldestPushAtMs! }
    if let row = behind, let backlog = row.backlog(wallMs: wallMs) {
      return Bottleneck(kind: .backlog, instance: row.name, sentence: "\(row.behind): \(backlog).")
    }
    let waiting = rows.compactMap { row in row.waits.first.map { (row, $0) } }.filter { $0.1.percent >= percentMin }
    if let (row, wait) = waiting.max(by: { ($0.1.percent, $1.0.name) < ($1.1.percent, $0.0.name) }) {
      return Bottleneck(
        kind: .waits, instance: row.name, percent: wait.percent,
        sentence: """
          The bottleneck is \(wait.place(of: row.name)): \(row.name) waited \(wait.percent) % of the last \
          \(seconds(windowMs)) for \(wait.sentence).
          """)
    }
    if let resting = rows.first(where: { $0.state.hasPrefix("waiting") }) {
      return Bottleneck(
        kind: .rests, instance: resting.name,
        sentence: "\(resting.name) rests, and is tried again by itself: \(reason(in: resting.state))")
    }
    return Bottleneck(kind: .nothing, instance: nil, sentence: "Nothing waits.")
  }

  /// "parked: The token was refused." without its first word.
  private static func reason(in state: String) -> String {
    state.split(separator: ": ", maxSplits: 1).dropFirst().first.map(String.init) ?? "no reason is known."
  }

  fileprivate static func seconds(_ ms: Int64) -> String { "\(max(1, (ms + 500) / 1000)) s" }
}

extension FlowView.Row {
  /// Whether deliveries wait for nothing but its plugin, or for a person.
  fileprivate func isBehind(wallMs: Int64) -> Bool {
    guard let atMs = now.oldestPushAtMs, wallMs - atMs >= FlowView.backlogMinMs else { return false }
    return !state.hasPrefix("waiting") && (waits.first?.percent ?? 0) < 50
  }

  /// Why deliveries wait for it.
  fileprivate var behind: String {
    switch state.prefix(while: { $0 != ":" && $0 != " " }) {
    case "receive", "pull": "The bottleneck is the plugin of \(name), which takes less than senders give"
    case "idle": "\(name) failed at deliveries and is given them again by itself"
    case "paused": "\(name) is paused until `sluice connector resume \(name)`"
    default: "\(name) takes no deliveries, as it is \(state)"
    }
  }

  /// "3 deliveries wait for it, the oldest for 12 s"; nil when there is none.
  fileprivate func backlog(wallMs: Int64) -> String? {
    guard now.pushed > 0, let atMs = now.oldestPushAtMs else { return nil }
    let told =
      now.pushed == 1 ? "1 delivery has waited for it for" : "\(now.pushed) deliveries wait for it, the oldest for"
    return "\(told) \(FlowView.seconds(max(0, wallMs - atMs)))"
  }
}

extension FlowView.Wait {
  fileprivate static func all(_ recent: FlowSample.Counts, windowMs: Int64) -> [Self] {
    recent.waits.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { cause, ms in
      Self(
        cause: cause, percent: Int(min(100, ms * 100 / windowMs)), words: words[cause] ?? cause,
        reason: reason(cause, recent))
    }
  }

  /// What each cause of waiting means to an operator.
  private static let words = [
    "no_credit": "the host's credit", "apply_lag": "the loop to catch up", "throttled": "its turn",
    "upstream_slow": "an answer", "token": "an access token", "plugin_slow": "its plugin",
    "storage_slow": "the disk", "intake_limit": "room for its records", "disk_quota": "room within its disk quota",
  ]

  /// Where all is held up.
  func place(of instance: String) -> String {
    switch cause {
    case "throttled": "the request budget of \(instance)"
    case "upstream_slow": "the upstream of \(instance)"
    case "token": "the token endpoint of \(instance)"
    case "plugin_slow": "the plugin of \(instance)"
    case "no_credit", "apply_lag": "the host, which takes less than \(instance) gives"
    case "storage_slow": "the disk"
    case "intake_limit": "the host's room for records"
    case "disk_quota": "the tenant's disk quota"
    default: cause
    }
  }

  private static func reason(_ cause: String, _ recent: FlowSample.Counts) -> String? {
    switch (cause, recent.held) {
    case ("throttled", "retry_after"): "the upstream asked for a pause (Retry-After)"
    case ("throttled", "hint"): "the upstream says that little is left of its budget"
    case ("throttled", "rate"): "its requests reach the rate that its limits allow to all who share the credential"
    case ("throttled", "places"):
      halved(recent).map { "only \(recent.limit) may be under way at once after \($0)" }
        ?? "as many requests are under way as may be"
    case ("upstream_slow", _): halved(recent).map { "its upstream is in trouble: \($0)" }
    case ("no_credit", _): notYet(recent)
    case ("intake_limit", _): "all sources together have as many bytes on their way as `intake.bytes_max` allows"
    case ("plugin_slow", _): "nothing kept it from sending"
    case ("storage_slow", _): "what it brought is not durable yet"
    default: nil
    }
  }

  /// Credit comes back once what was sent is durable, and not too much of it waits to be applied: what that waits for.
  private static func notYet(_ recent: FlowSample.Counts) -> String {
    let (disk, loop) = (recent.waits["storage_slow"] ?? 0, recent.waits["apply_lag"] ?? 0)
    let most = recent.waits["no_credit"] ?? 0
    guard max(disk, loop) * 2 >= most else { return "what it has sent is not durable and applied yet" }
    return loop >= disk
      ? "the loop has not applied yet what it has sent" : "the disk has not written yet what it has sent"
  }

  private static func halved(_ recent: FlowSample.Counts) -> String? {
    let halvings = recent.halvings.filter { $0.value > 0 }
    guard let (cause, _) = halvings.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return nil }
    return [
      "too_many": "answers of 429", "unavailable": "answers of 502, 503 or 504", "no_answer": "requests without answer",
      "slower": "slower answers",
    ][cause] ?? cause
  }
}
