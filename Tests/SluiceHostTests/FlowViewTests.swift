import ConnectorFabric
import Domain
import Synchronization
import Testing
import UVLoop

@testable import SluiceHost

/// A clock that stands where a test puts it.
private final class HandClock: HostClock {
  private let now = Mutex(Int64(0))
  func monotonicMs() -> Int64 { now.withLock { $0 } }
  func wallMs() -> Int64 { monotonicMs() }
  func timer(_ loop: EventLoop) -> any HostTimer { LoopTimer(loop) }
  func put(_ ms: Int64) { now.withLock { $0 = ms } }
}

private typealias Counts = FlowSample.Counts
private let tenant = TenantID(rawValue: "demo")!

/// What a look after ten seconds says, in which each instance went from the one count to the other.
private func view(_ instances: [(name: String, state: String, from: Counts, to: Counts)]) -> FlowView {
  func sample(_ atMs: Int64, _ counts: (Int) -> Counts) -> FlowSample {
    FlowSample(
      atMs: atMs,
      instances: Dictionary(uniqueKeysWithValues: instances.indices.map { ("demo/\(instances[$0].name)", counts($0)) }))
  }
  return FlowView(
    instances.map { ($0.name, $0.state) }, of: tenant, sample(17_000) { instances[$0].to },
    since: sample(7_000) { instances[$0].from }, wallMs: 900_000)
}

private func sentence(_ waits: [String: Int64], held: String? = nil, halvings: [String: Int64] = [:]) -> String {
  var to = Counts()
  (to.waits, to.held, to.halvings, to.limit) = (waits, held, halvings, 2)
  return view([("crm", "pull deals", Counts(), to)]).bottleneck.sentence
}

@Suite struct `What flows now` {
  @Test func `is what happened between two samples, not since the host began`() {
    var (from, to) = (Counts(), Counts())
    (from.records, from.bytes, from.requests, from.retries, from.refusals, from.drops) = (1_000, 9_000, 40, 3, 2, 1)
    (to.records, to.bytes, to.requests, to.retries, to.refusals, to.drops) = (1_500, 19_000, 45, 3, 4, 2)
    (from.waits, to.waits) = (
      ["throttled": 90_000, "upstream_slow": 5_000], ["throttled": 90_000, "upstream_slow": 6_000]
    )
    to.credit = 12
    let view = view([("crm", "pull deals", from, to)])
    #expect(view.windowMs == 10_000)
    let recent = view.rows[0].recent
    #expect((recent.records, recent.bytes, recent.requests, recent.retries) == (500, 10_000, 5, 0))
    #expect((recent.refusals, recent.drops, recent.credit) == (2, 1, 12))
    // Its ninety seconds of before are over.
    #expect(view.rows[0].waits.map(\.cause) == ["upstream_slow"] && view.rows[0].waits[0].percent == 10)
    #expect(view.bottleneck.instance == "crm" && view.bottleneck.percent == 10)
  }

  @Test func `counts an instance that is new from nothing, and of another tenant nothing`() {
    var counts = Counts()
    counts.records = 70
    let view = FlowView(
      [("crm", "idle")], of: tenant, FlowSample(atMs: 2_000, instances: ["demo/crm": counts, "north/crm": Counts()]),
      since: FlowSample(atMs: 1_000), wallMs: 0)
    #expect(view.rows.count == 1 && view.rows[0].recent.records == 70)
  }

  @Test func `names the bottleneck, who waits how much of the time, and why, in one sentence`() {
    #expect(
      sentence(["throttled": 9_300, "upstream_slow": 600], held: "retry_after")
        == "The bottleneck is the request budget of crm: crm waited 93 % of the last 10 s for its turn, since the upstream asked for a pause (Retry-After)."
    )
    #expect(
      sentence(["throttled": 6_000], held: "rate").contains("its requests reach the rate that its limits allow"))
    #expect(sentence(["throttled": 6_000], held: "hint").contains("little is left of its budget"))
    #expect(sentence(["throttled": 6_000], held: "places").contains("as many requests are under way as may be"))
    #expect(
      sentence(["throttled": 6_000], held: "places", halvings: ["too_many": 3, "slower": 1])
        .contains("only 2 may be under way at once after answers of 429"))
    #expect(
      sentence(["upstream_slow": 10_000])
        == "The bottleneck is the upstream of crm: crm waited 100 % of the last 10 s for an answer.")
    #expect(
      sentence(["upstream_slow": 9_000], halvings: ["no_answer": 1]).contains("in trouble: requests without answer"))
    #expect(sentence(["plugin_slow": 700]).hasPrefix("The bottleneck is the plugin of crm: crm waited 7 % of"))
    #expect(sentence(["intake_limit": 5_000]).contains("`intake.bytes_max`"))
  }

  @Test(arguments: WaitCause.allCases)
  func `has words for each cause there is`(cause: WaitCause) {
    let sentence = sentence([cause.rawValue: 5_000])
    #expect(sentence.hasPrefix("The bottleneck is ") && sentence.contains("crm waited 50 % of the last 10 s for "))
    // A token is called one.
    #expect(!sentence.contains(cause.rawValue) || cause == .token)
  }

  @Test func `looks behind missing credit: at the disk, or at the loop`() {
    let held =
      "The bottleneck is the host, which takes less than crm gives: crm waited 90 % of the last 10 s for the host's credit, since "
    #expect(
      sentence(["no_credit": 9_000, "storage_slow": 8_000]) == held + "the disk has not written yet what it has sent.")
    #expect(
      sentence(["no_credit": 9_000, "apply_lag": 8_000]) == held + "the loop has not applied yet what it has sent.")
    #expect(
      sentence(["no_credit": 9_000, "apply_lag": 100]) == held + "what it has sent is not durable and applied yet.")
  }

  @Test func `puts who is parked before who waits, who waits before who rests, and else says that nothing waits`() {
    var waiting = Counts()
    waiting.waits = ["throttled": 9_000]
    let (parked, resting) = ("parked: The token was refused.", "waiting: The plugin crashed.")
    let all = view([("a", resting, .init(), .init()), ("b", "idle", .init(), waiting), ("c", parked, .init(), .init())])
    #expect(all.bottleneck.kind == .parked && all.bottleneck.instance == "c")
    #expect(all.bottleneck.sentence.contains("`sluice connector resume c`"))
    #expect(all.bottleneck.sentence.hasSuffix("The token was refused."))
    #expect(view([("a", resting, .init(), .init()), ("b", "idle", .init(), waiting)]).bottleneck.instance == "b")
    let rests = view([("a", resting, .init(), .init()), ("b", "idle", .init(), .init())]).bottleneck
    #expect(rests.kind == .rests && rests.sentence == "a rests, and is tried again by itself: The plugin crashed.")
    // A twentieth of the time is nobody's bottleneck.
    waiting.waits = ["throttled": 400]
    let nothing = view([("b", "idle", .init(), waiting)]).bottleneck
    #expect(nothing.kind == .nothing && nothing.sentence == "Nothing waits.")
  }

  @Test func `says for whom deliveries wait, how many, since when, and what they wait for`() {
    func sentence(_ state: String, _ count: Int64 = 320, ageMs: Int64 = 41_000, waits: [String: Int64] = [:]) -> String
    {
      var counts = Counts()
      (counts.pushed, counts.oldestPushAtMs, counts.waits) = (count, 900_000 - ageMs, waits)
      return view([("crm", state, .init(), counts)]).bottleneck.sentence
    }
    let backlog = "320 deliveries wait for it, the oldest for 41 s"
    let slow = "The bottleneck is the plugin of crm, which takes less than senders give: \(backlog)."
    #expect(sentence("receive") == slow && sentence("receive", waits: ["storage_slow": 900]) == slow)
    // Where it waits for something most of the time, that is why.
    #expect(sentence("receive", waits: ["storage_slow": 5_100]).hasPrefix("The bottleneck is the disk"))
    #expect(sentence("receive", ageMs: 4_999) == "Nothing waits.")
    #expect(
      sentence("paused: migration", 1)
        == "crm is paused until `sluice connector resume crm`: 1 delivery has waited for it for 41 s.")
    #expect(sentence("disabled") == "crm takes no deliveries, as it is disabled: \(backlog).")
    #expect(sentence("idle").hasPrefix("crm failed at deliveries and is given them again by itself: "))
    #expect(sentence("parked: The token was refused.").hasSuffix("The token was refused. Meanwhile \(backlog)."))
    #expect(sentence("waiting: The plugin crashed.").hasPrefix("crm rests"))
  }

  @Test
  func `takes several requests that wait at a time for the whole time at most, and who waits most for the bottleneck`()
  {
    var (three, half) = (Counts(), Counts())
    (three.waits, half.waits) = (["throttled": 30_000], ["upstream_slow": 5_000])
    let view = view([("a", "idle", .init(), half), ("b", "idle", .init(), three)])
    #expect(view.bottleneck.instance == "b" && view.bottleneck.percent == 100)
  }
}

@Suite struct `A wait` {
  private let clock = HandClock()

  @Test func `is counted while it lasts, and once`() {
    let metrics = Metrics(clock: clock)
    func waited() -> Int64 { metrics.sums("sluice_wait_seconds_total", by: "cause")["no_credit"] ?? 0 }
    let wait = metrics.wait(.noCredit, instance: "demo/crm")
    clock.put(1_500)
    #expect(waited() == 1_500)
    #expect(
      metrics.text().contains("sluice_wait_seconds_total{instance=\"demo/crm\",cause=\"no_credit\"} 1.500\n"))
    clock.put(2_000)
    wait.end()
    clock.put(9_000)
    wait.end()
    #expect(waited() == 2_000)
    // Again, by the same instance, beside another that nobody ends.
    wait.begin()
    do {
      let other = metrics.wait(.noCredit, instance: "demo/crm")
      clock.put(9_100)
      withExtendedLifetime(other) { #expect(waited() == 2_200) }
    }
    clock.put(9_200)
    wait.end()
    #expect(waited() == 2_300)
  }

  @Test func `that is to begin later counts from then on`() {
    let metrics = Metrics(clock: clock)
    let wait = metrics.idleWait(.pluginSlow, instance: "demo/crm")
    wait.last(sinceMs: 100)
    clock.put(90)
    #expect(FlowSample(metrics).instances["demo/crm"] == nil)
    clock.put(130)
    #expect(FlowSample(metrics).instances["demo/crm"]?.waits == ["plugin_slow": 30])
    wait.last(sinceMs: 230)
    #expect(FlowSample(metrics).instances["demo/crm"]?.waits == ["plugin_slow": 30])
    withExtendedLifetime(wait) {}
  }
}

@Suite struct `A sample` {
  @Test func `has all edges of an instance together, and none of another's`() {
    let clock = HandClock()
    let metrics = Metrics(clock: clock)
    clock.put(5_000)
    for endpoint in ["api", "files"] {
      let labels = [("instance", "demo/crm"), ("endpoint", endpoint), ("slot", "token")]
      metrics.set("sluice_throttle_limit", 4, labels)
      metrics.set("sluice_throttle_queued", 3, labels)
      metrics.set("sluice_throttle_oldest_wait_timestamp_seconds", endpoint == "api" ? 700 : 900, labels)
    }
    metrics.set("sluice_deliveries_waiting", 5, [("instance", "demo/crm")])
    metrics.set("sluice_deliveries_oldest_wait_timestamp_seconds", 800, [("instance", "demo/crm")])
    for (name, labels) in [
      ("sluice_requests_total", [("status", "200")]), ("sluice_requests_total", [("status", "404")]),
      ("sluice_deliveries_total", [("outcome", "accepted")]), ("sluice_deliveries_total", [("outcome", "too_large")]),
      ("sluice_requests_refused_total", [("reason", "x")]), ("sluice_throttle_refused_total", [("endpoint", "api")]),
    ] { metrics.add(name, 1, [("instance", "demo/crm")] + labels) }
    metrics.add("sluice_records_total", 9, [("instance", "demo/crm-2")])
    let sample = FlowSample(metrics)
    #expect(sample.atMs == 5_000)
    let crm = sample.instances["demo/crm"]!
    #expect((crm.limit, crm.queued, crm.oldestWaitAtMs) == (8, 6, 700))
    #expect((crm.pushed, crm.oldestPushAtMs) == (5, 800))
    #expect((crm.requests, crm.drops, crm.refusals, crm.records, crm.credit) == (2, 1, 2, 0, nil))
    #expect(sample.instances["demo/crm-2"]?.records == 9 && sample.instances.count == 2)
  }

  @Test
  func `is kept until there are two younger ones: so a look sees five seconds at least, and the beginning at first`() {
    let clock = HandClock()
    clock.put(1_000)
    let watch = FlowWatch(Metrics(clock: clock))
    #expect(watch.earlier.atMs == 1_000)
    var seen: [Int64] = []
    // Of two that were taken at about the same time the earlier one may come last: it is not kept.
    for atMs in [6_000, 11_000, 16_000, 15_999, 21_000] as [Int64] {
      watch.keep(FlowSample(atMs: atMs))
      seen.append(watch.earlier.atMs)
    }
    #expect(seen == [1_000, 6_000, 11_000, 11_000, 16_000])
  }
}
