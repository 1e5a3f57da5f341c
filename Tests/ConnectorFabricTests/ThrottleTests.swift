import TestKit
import Testing

@testable import ConnectorFabric

/// Callers that want requests, a throttle, and an upstream, in virtual time by the millisecond.
private struct Flood {
  struct Caller {
    let member: Throttle.Member
    let limits: Throttle.Limits
    /// How many of its requests are under way or wait at once; 0 is a caller that wants nothing.
    var wants: Int
    var served = 0
    var longestWaitMs: Int64 = 0
  }
  /// What the upstream says to a request at a time: status (nil for none) and after how long.
  typealias Upstream = (_ nowMs: Int64, _ inFlight: Int) -> (status: Int?, ms: Int64)

  var throttle: Throttle
  var callers: [Caller]
  var now: Int64 = 0
  var sent: [Int64] = []
  var mostInFlight = 0
  private var number = 0
  private var underWay: [(caller: Int, sentAtMs: Int64, endsAtMs: Int64, status: Int?)] = []
  private var owners: [Int: Int] = [:]

  init(_ callers: [Caller]) {
    self.callers = callers
    throttle = Throttle(callers[0].limits, nowMs: 0)
  }

  private mutating func want() {
    for index in callers.indices {
      let mine = underWay.filter { $0.caller == index }.count + throttle.waiting(of: callers[index].member).count
      for _ in 0..<max(0, callers[index].wants - mine) {
        number += 1
        owners[number] = index
        throttle.add(number, callers[index].member, callers[index].limits, scope: "crm", nowMs: now)
      }
    }
  }

  /// Jumps from event to event until `ms` have passed.
  mutating func run(ms: Int64, _ upstream: Upstream) {
    let end = now + ms
    while now < end {
      for done in underWay where done.endsAtMs <= now {
        throttle.ended(callers[done.caller].member, nowMs: now)
        _ = throttle.heard(done.status, sentAtMs: done.sentAtMs, nowMs: now)
        if done.status == 200 { callers[done.caller].served += 1 }
      }
      underWay.removeAll { $0.endsAtMs <= now }
      want()
      var next = end
      sending: while true {
        switch throttle.next(nowMs: now) {
        case .goes(let waiting):
          let caller = owners.removeValue(forKey: waiting.number)!
          callers[caller].longestWaitMs = max(callers[caller].longestWaitMs, now - waiting.sinceMs)
          let answer = upstream(now, underWay.count + 1)
          underWay.append((caller, now, now + max(1, answer.ms), answer.status))
          sent.append(now)
          mostInFlight = max(mostInFlight, underWay.count)
        case .wait(let ms):
          next = min(next, now + ms)
          break sending
        case .nobody: break sending
        }
      }
      next = min(next, underWay.map(\.endsAtMs).min() ?? end)
      now = max(now + 1, next)
    }
  }

  /// Most requests that left in any second.
  var mostInASecond: Int {
    var (first, most) = (0, 0)
    for last in sent.indices {
      while sent[last] - sent[first] >= 1_000 { first += 1 }
      most = max(most, last - first + 1)
    }
    return most
  }
}

private func caller(
  _ tenant: String, _ wants: Int, executor: Bool = false, rate: Int = 100, burst: Int = 20, places: Int = 8
) -> Flood.Caller {
  Flood.Caller(
    member: Throttle.Member(tenant: tenant, instance: executor ? "crm-actions" : "crm", isExecutor: executor),
    limits: Throttle.Limits(ratePerSecond: rate, burst: burst, concurrency: places), wants: wants)
}

/// Jain, Chiu and Hawe: 1 when all have the same, 1/n when one has all.
private func jain(_ served: [Int]) -> Double {
  let sum = Double(served.reduce(0, +))
  return sum * sum / (Double(served.count) * served.reduce(0) { $0 + Double($1) * Double($1) })
}

@Suite("A throttle") struct ThrottleTests {
  @Test
  func
    `never lets more out than the lowest limits of those who share it, whoever floods and whatever the upstream says`()
  {
    for seed in 1...40 as ClosedRange<UInt64> {
      var chance = SplitMix64(seed: seed)
      let callers = (0..<Int.random(in: 1...6, using: &chance)).map { number in
        caller(
          "t\(number)", Int.random(in: 1...30, using: &chance), executor: Bool.random(using: &chance),
          rate: Int.random(in: 1...200, using: &chance), burst: Int.random(in: 1...50, using: &chance),
          places: Int.random(in: 1...12, using: &chance))
      }
      var flood = Flood(callers)
      flood.run(ms: 20_000) { _, _ in
        let status = [200, 200, 200, 200, 500, 429, 503, nil].randomElement(using: &chance)!
        return (status, Int64.random(in: 1...400, using: &chance))
      }
      let rate = callers.map(\.limits.ratePerSecond).min()!
      let burst = callers.map(\.limits.burst).min()!
      #expect(flood.mostInFlight <= callers.map(\.limits.concurrency).min()!, "seed \(seed)")
      #expect(flood.mostInASecond <= burst + rate + 1, "seed \(seed)")
      #expect(flood.sent.count <= burst + rate * 20 + 1, "seed \(seed)")
      #expect(flood.callers.allSatisfy { $0.served > 0 }, "seed \(seed): \(flood.callers.map(\.served))")
    }
  }

  @Test func `gives tenants the same, though one floods: Jain's index is at least 0.95`() {
    var flood = Flood([caller("loud", 500), caller("a", 4), caller("b", 4), caller("c", 4), caller("d", 4)])
    flood.run(ms: 60_000) { _, _ in (200, 60) }
    let served = flood.callers.map(\.served)
    #expect(jain(served) >= 0.95, "\(served)")
    // Five tenants at 100 a second: a turn comes round after 50 ms; a tenant waits for the few of its own before it.
    for quiet in flood.callers.dropFirst() { #expect(quiet.longestWaitMs <= 600, "\(quiet)") }
    #expect(served.reduce(0, +) >= 5_900, "\(served): the rate is not used")
  }

  @Test func `is fair by places too, where they are what is short`() {
    var flood = Flood([caller("loud", 100, places: 4), caller("a", 2, places: 4), caller("b", 2, places: 4)])
    flood.run(ms: 60_000) { _, _ in (200, 500) }
    #expect(jain(flood.callers.map(\.served)) >= 0.95, "\(flood.callers.map(\.served))")
  }

  @Test func `keeps places and turns for actions while reads flood`() {
    var flood = Flood([caller("a", 200), caller("b", 200), caller("a", 1, executor: true)])
    flood.run(ms: 5_000) { _, _ in (200, 400) }
    flood.callers[2].longestWaitMs = 0
    flood.run(ms: 60_000) { _, _ in (200, 400) }
    // A place of theirs is free: they wait for a token of the rate at most.
    #expect(flood.callers[2].longestWaitMs <= 20, "\(flood.callers[2])")
    #expect(flood.callers[2].served >= 140)
    // And the other way round: actions that flood leave reads every other turn.
    var busy = Flood([caller("a", 4), caller("a", 200, executor: true)])
    busy.run(ms: 60_000) { _, _ in (200, 60) }
    #expect(jain(busy.callers.map(\.served)) >= 0.95, "\(busy.callers.map(\.served))")
  }

  @Test func `asks one at a time while an upstream is down for an hour, and is back at its limit seconds after it`() {
    for status in [503, nil] as [Int?] {
      var flood = Flood([caller("a", 30), caller("b", 30)])
      flood.run(ms: 60_000) { _, _ in (200, 50) }
      #expect(flood.throttle.limit >= 5)
      let before = flood.sent.count
      let answerMs: Int64 = status == nil ? 60_000 : 50
      flood.run(ms: 3_600_000) { _, _ in (status, answerMs) }
      #expect(
        flood.throttle.limit == 1 && flood.throttle.adaptive.trouble == (status == nil ? .noAnswer : .unavailable))
      let asked = flood.sent.count - before
      #expect(asked <= 3_600_000 / Int(answerMs) + 20, "\(asked) requests in the hour")
      // What was under way when it came back may still run into its time-out.
      flood.run(ms: answerMs) { _, _ in (200, 50) }
      let served = flood.callers.reduce(0) { $0 + $1.served }
      flood.run(ms: 10_000) { _, _ in (200, 50) }
      #expect(flood.callers.reduce(0) { $0 + $1.served } - served >= 900)
      #expect(jain(flood.callers.map(\.served)) >= 0.99)
    }
  }

  @Test func `keeps a Retry-After for all who share it, for an hour at most, and says so`() {
    var throttle = Throttle(caller("a", 1).limits, nowMs: 0)
    throttle.pause(untilMs: 30_000, nowMs: 0)
    throttle.add(1, caller("a", 1).member, caller("a", 1).limits, scope: "crm", nowMs: 0)
    throttle.add(2, caller("b", 1, executor: true).member, caller("b", 1).limits, scope: "crm", nowMs: 0)
    #expect(throttle.next(nowMs: 10_000) == .wait(ms: 20_000) && throttle.hold(nowMs: 10_000) == .retryAfter)
    guard case .goes(let first) = throttle.next(nowMs: 30_000) else { return #expect(Bool(false), "nobody goes") }
    #expect(first.number == 2 && throttle.hold(nowMs: 30_000) == .places)
    throttle.pause(untilMs: .max, nowMs: 40_000)
    throttle.ended(first.member, nowMs: 40_000)
    #expect(throttle.next(nowMs: 40_000) == .wait(ms: 3_600_000))
  }

  @Test func `holds by a hint only those of its scope, and lets actions have what is left first`() {
    let (mine, theirs, action) = (caller("a", 1), caller("b", 1), caller("a", 1, executor: true))
    var throttle = Throttle(mine.limits, nowMs: 0)
    // Grown, so that places are not what is short.
    for number in 0..<10 {
      throttle.add(100 + number, mine.member, mine.limits, scope: "other", nowMs: 0)
      if case .goes(let gone) = throttle.next(nowMs: 0) {
        _ = throttle.heard(200, sentAtMs: 0, nowMs: 0)
        throttle.ended(gone.member, nowMs: 0)
      }
    }
    throttle.lower(scope: "a crm", remaining: 1, untilMs: 10_000, nowMs: 0)
    throttle.add(1, action.member, action.limits, scope: "a crm", nowMs: 1_000)
    guard case .goes(let first) = throttle.next(nowMs: 1_000) else { return #expect(Bool(false), "nobody goes") }
    throttle.ended(first.member, nowMs: 1_000)
    throttle.add(2, mine.member, mine.limits, scope: "a crm", nowMs: 1_000)
    #expect(throttle.next(nowMs: 1_000) == .wait(ms: 9_000) && throttle.hold(nowMs: 1_000) == .hint)
    throttle.add(3, theirs.member, theirs.limits, scope: "b crm", nowMs: 1_000)
    guard case .goes(let other) = throttle.next(nowMs: 1_000) else { return #expect(Bool(false), "nobody goes") }
    #expect(first.number == 1 && other.number == 3)
  }

  @Test func `counts a request that leaves again, and forgets who has asked for nothing for an hour`() {
    let (narrow, wide) = (caller("a", 1, rate: 1, burst: 1, places: 1), caller("b", 1))
    var throttle = Throttle(narrow.limits, nowMs: 0)
    throttle.add(1, narrow.member, narrow.limits, scope: "crm", nowMs: 0)
    guard case .goes(let gone) = throttle.next(nowMs: 0) else { return #expect(Bool(false), "nobody goes") }
    throttle.leavesAgain(nowMs: 0)
    throttle.ended(gone.member, nowMs: 0)
    throttle.add(2, wide.member, wide.limits, scope: "crm", nowMs: 0)
    #expect(throttle.next(nowMs: 0) == .wait(ms: 2_000) && throttle.cap == 1)
    throttle.remove(2)
    #expect(throttle.queued == 0 && !throttle.isForgotten(nowMs: 3_600_000) && throttle.isForgotten(nowMs: 3_600_001))
    throttle.add(3, wide.member, wide.limits, scope: "crm", nowMs: 3_700_000)
    #expect(throttle.cap == 8)
  }
}
