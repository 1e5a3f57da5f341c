import ArgumentParser
import CanonicalJSON
import Domain
import Foundation
import SluiceHost

struct Top: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "What flows, what waits and why, live on a terminal.")

  @OptionGroup var everywhere: Everywhere
  @Option(help: "Seconds between two pictures.") var interval = 1.0
  @Option(help: "What comes first: \(TopPicture.Order.allCases.map(\.rawValue).joined(separator: ", ")).")
  var sort = TopPicture.Order.wait
  @Flag(help: "One picture, counted since the host's start.") var once = false

  func validate() throws {
    guard (0.1...3600).contains(interval) else { throw ValidationError("--interval takes 0.1 to 3600 seconds") }
  }

  func run() async throws {
    if everywhere.json { return try await everywhere.ask("top") }
    var earlier: TopReading?
    let isLive = !once && isatty(STDOUT_FILENO) == 1
    let stop = StopSignals()
    while true {
      let reading = TopReading(
        try await everywhere.answer("top", ["tenant": .string(everywhere.tenant)]),
        atMs: SystemSources.monotonicMs())
      let lines = TopPicture(reading, since: earlier, order: sort).lines
      // From the corner on: lines that are wider than the terminal take more than one of its rows.
      let clear = isLive ? "\u{1B}[H\u{1B}[J" : ""
      StandardStream.output(clear + lines.joined(separator: "\n") + "\n")
      earlier = reading
      guard isLive else { return }
      if await stop.within(.milliseconds(Int(interval * 1000))) { return }
    }
  }
}

/// One answer of `top`, and when it was given.
struct TopReading {
  struct Instance {
    let name, state: String
    let records, bytes, requests, refusals, drops, retries: Int64
    let limit, inFlight, queued, oldestWaitMs: Int64
    /// Why its requests wait for their turn.
    let held: String?
    let halvings: [String: Int64]
    /// Milliseconds by cause.
    let waits: [String: Int64]
  }
  let atMs: Int64
  let uptimeMs: Int64
  let instances: [Instance]
  let unapplied, position, ledger, held, deadLetters: Int64
  let obstacles: [String]

  init(_ answer: JSONValue, atMs: Int64) {
    func number(_ value: JSONValue, _ key: String) -> Int64 { value[key]?.integer ?? 0 }
    self.atMs = atMs
    uptimeMs = number(answer, "uptime_ms")
    unapplied = number(answer, "unapplied")
    position = number(answer, "applied_position")
    ledger = number(answer, "ledger_entries")
    held = number(answer, "held")
    deadLetters = number(answer, "dead_letters")
    obstacles = (answer["obstacles"]?.array ?? []).compactMap { $0.string?.harmless }
    instances = (answer["instances"]?.array ?? []).map { row in
      let throttle = row["throttle"] ?? [:]
      return Instance(
        name: row["instance"]?.string ?? "", state: (row["state"]?.string ?? "").harmless,
        records: number(row, "records"),
        bytes: number(row, "bytes"), requests: number(row, "requests"), refusals: number(row, "refusals"),
        drops: number(row, "drops"), retries: number(row, "retries"), limit: number(throttle, "limit"),
        inFlight: number(throttle, "in_flight"), queued: number(throttle, "queued"),
        oldestWaitMs: number(throttle, "oldest_wait_ms"), held: throttle["held"]?.string,
        halvings: (throttle["halvings"]?.object ?? [:]).compactMapValues(\.integer),
        waits: (row["waits"]?.object ?? [:]).compactMapValues(\.integer))
    }
  }
}

/// A picture of what happened between two readings, or since the host's start.
struct TopPicture {
  enum Order: String, CaseIterable, ExpressibleByArgument { case wait, rate, age, requests, name }

  private struct Row {
    let now: TopReading.Instance
    let recordsPerSecond, requestsPerSecond, kilobytesPerSecond: Double
    /// Times that its limit was halved between the readings, by cause.
    let halvings: [String: Int64]
    let cause: String?
    /// Of the time between the readings.
    let share: Double
    /// Milliseconds between the readings, by cause.
    let waits: [String: Int64]
    var name: String { now.name }
    var state: String { now.state }
    var refused: Int64 { now.refusals + now.drops }
  }

  let lines: [String]

  init(_ now: TopReading, since earlier: TopReading?, order: Order) {
    let spanMs = Double(max(1, earlier.map { now.atMs - $0.atMs } ?? now.uptimeMs))
    let before = Dictionary(uniqueKeysWithValues: (earlier?.instances ?? []).map { ($0.name, $0) })
    let rows = now.instances.map { Self.row($0, since: before[$0.name], spanMs: spanMs) }.sorted {
      switch order {
      case .wait: ($0.share, $1.name) > ($1.share, $0.name)
      case .rate: ($0.recordsPerSecond, $1.name) > ($1.recordsPerSecond, $0.name)
      case .age: ($0.now.oldestWaitMs, $1.name) > ($1.now.oldestWaitMs, $0.name)
      case .requests: ($0.requestsPerSecond, $1.name) > ($1.requestsPerSecond, $0.name)
      case .name: $0.name < $1.name
      }
    }
    var lines = [
      "applied \(now.position), \(now.unapplied) to go   ledger \(now.ledger)   held for people \(now.held)   "
        + "dead letters \(now.deadLetters)", "",
      "INSTANCE".padded(20) + "STATE".padded(28) + "RECORDS/S".padded(11) + "KB/S".padded(9) + "REQUESTS/S".padded(12)
        + "RECORDS".padded(11) + "FLIGHT".padded(9) + "QUEUED".padded(8) + "OLDEST".padded(9) + "RETRIES".padded(9)
        + "REFUSED".padded(9) + "WAITS FOR",
    ]
    for row in rows {
      let waits = row.cause.map { "\(TopPicture.words[$0] ?? $0), \(Int(row.share * 100)) %" } ?? "-"
      lines.append(
        row.name.padded(20) + String(row.state.prefix(26)).padded(28) + Self.rate(row.recordsPerSecond).padded(11)
          + Self.rate(row.kilobytesPerSecond).padded(9) + Self.rate(row.requestsPerSecond).padded(12)
          + "\(row.now.records)".padded(11) + "\(row.now.inFlight)/\(row.now.limit)".padded(9)
          + "\(row.now.queued)".padded(8) + Self.age(row.now).padded(9) + "\(row.now.retries)".padded(9)
          + "\(row.refused)".padded(9) + waits)
    }
    lines += ["", Self.bottleneck(rows, now)]
    self.lines = lines + now.obstacles.map { "IN THE WAY  " + $0 }
  }

  private static func row(_ now: TopReading.Instance, since earlier: TopReading.Instance?, spanMs: Double) -> Row {
    func perSecond(_ value: Int64) -> Double { Double(value) * 1000 / spanMs }
    var all = now.waits
    // A wait is counted once it is over: the one that lasts is seen by its age.
    if now.queued > 0 { all["throttled", default: 0] += min(now.oldestWaitMs, Int64(spanMs)) }
    let waits = all.map { cause, ms in (cause, ms - (earlier?.waits[cause] ?? 0)) }
    let longest = waits.filter { $0.1 > 0 }.max { ($0.1, $1.0) < ($1.1, $0.0) }
    let halvings = now.halvings.map { cause, count in (cause, count - (earlier?.halvings[cause] ?? 0)) }
    return Row(
      now: now, recordsPerSecond: perSecond(now.records - (earlier?.records ?? 0)),
      requestsPerSecond: perSecond(now.requests - (earlier?.requests ?? 0)),
      kilobytesPerSecond: perSecond(now.bytes - (earlier?.bytes ?? 0)) / 1024,
      halvings: Dictionary(uniqueKeysWithValues: halvings.filter { $0.1 > 0 }), cause: longest?.0,
      share: min(1, Double(longest?.1 ?? 0) / spanMs), waits: Dictionary(uniqueKeysWithValues: waits))
  }

  /// What each cause of waiting means to an operator.
  private static let words = [
    "no_credit": "the host's credit", "apply_lag": "the loop to catch up", "throttled": "its request budget",
    "upstream_slow": "the upstream's answer", "token": "an access token", "plugin_slow": "the plugin",
    "storage_slow": "the disk", "intake_limit": "room for its records", "disk_quota": "its disk quota",
  ]

  private static func bottleneck(_ rows: [Row], _ now: TopReading) -> String {
    if let stuck = rows.first(where: { $0.state.hasPrefix("parked") }) {
      return
        "\(stuck.name) is parked until `sluice connector resume \(stuck.name)`, or a new secret where its credential was refused: \(stuck.state)"
    }
    guard let slowest = rows.max(by: { ($0.share, $1.name) < ($1.share, $0.name) }), let cause = slowest.cause,
      slowest.share >= 0.05
    else { return "Nothing waits." }
    return
      "The bottleneck is \(words[cause] ?? cause): \(slowest.name) waited for it \(Int(slowest.share * 100)) % of the time"
      + (reason(cause, slowest).map { ", since \($0)." } ?? ".")
  }

  /// Why it is so, as far as the host can tell.
  private static func reason(_ cause: String, _ row: Row) -> String? {
    switch (cause, row.now.held) {
    case ("throttled", "retry_after"): "the upstream asked for a pause (Retry-After)"
    case ("throttled", "hint"): "the upstream says that little is left of its budget"
    case ("throttled", "rate"): "its requests reach the rate that the manifest allows to all who share the credential"
    case ("throttled", "places"):
      halved(row).map { "only \(row.now.limit) may be under way at once after \($0)" }
        ?? "as many requests are under way as may be"
    case ("upstream_slow", _): halved(row).map { "its upstream is in trouble: \($0)" }
    case ("no_credit", _): notYet(row.waits)
    case ("intake_limit", _): "all sources together have as many bytes on their way as `intake.bytes_max` allows"
    case ("plugin_slow", _): "nothing kept it from sending"
    default: nil
    }
  }

  /// Credit comes back once what was sent is durable, and not too much of it waits to be applied: what that waits for.
  private static func notYet(_ waits: [String: Int64]) -> String {
    let (disk, loop) = (waits["storage_slow"] ?? 0, waits["apply_lag"] ?? 0)
    guard max(disk, loop) * 2 >= waits["no_credit"] ?? 0 else {
      return "what it has sent is not durable and applied yet"
    }
    return loop >= disk
      ? "the loop has not applied yet what it has sent" : "the disk has not written yet what it has sent"
  }

  private static func halved(_ row: Row) -> String? {
    guard let (cause, _) = row.halvings.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return nil }
    return [
      "too_many": "answers of 429", "unavailable": "answers of 502, 503 or 504", "no_answer": "requests without answer",
      "slower": "slower answers",
    ][cause] ?? cause
  }

  private static func age(_ row: TopReading.Instance) -> String {
    row.queued == 0 ? "-" : String(format: "%.1f s", Double(row.oldestWaitMs) / 1000)
  }

  private static func rate(_ value: Double) -> String { String(format: value < 10 ? "%.1f" : "%.0f", value) }
}
