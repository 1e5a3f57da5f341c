import TestKit
import Testing

@testable import ConnectorFabric

/// Callers that want requests, a throttle, and an upstream, in virtual time by the millisecond.
private struct Flood {
  struct Caller {
    let member: Throttle.Member
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
  var mostInFlightOf: [Int: Int] = [:]
  var sentBy: [Int: Int] = [:]
  /// Called after each answer.
  var heard: (inout Throttle, _ nowMs: Int64) -> Void = { _, _ in }
  private var number = 0
  private var underWay: [(caller: Int, sentAtMs: Int64, endsAtMs: Int64, status: Int?)] = []
  private var owners: [Int: Int] = [:]

  init(_ callers: [Caller]) {
    self.callers = callers
    throttle = Throttle(callers[0].member.limits, nowMs: 0)
  }

  private mutating func want() {
    for index in callers.indices {
      let mine = underWay.filter { $0.caller == index }.count + throttle.waiting(of: callers[index].member).count
      for _ in 0..<max(0, callers[index].wants - mine) {
        number += 1
        owners[number] = index
        _ = throttle.add(number, callers[index].member, nowMs: now)
      }
    }
  }

  /// Jumps from event to event until `ms` have passed.
  mutating func run(ms: Int64, _ upstream: Upstream) {
    let end = now + ms
    while now < end {
      for done in underWay where done.endsAtMs <= now {
        _ = throttle.heard(
          done.status, by: callers[done.caller].member, sentAtMs: done.sentAtMs, nowMs: now)
        throttle.ended(callers[done.caller].member, nowMs: now)
        if done.status == 200 { callers[done.caller].served += 1 }
        heard(&throttle, now)
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
          mostInFlightOf[caller] = max(mostInFlightOf[caller] ?? 0, throttle.inFlight(of: waiting.member))
          sentBy[caller, default: 0] += 1
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
  _ tenant: String, _ wants: Int, executor: Bool = false, connector: String? = nil, rate: Int = 100, burst: Int = 20,
  places: Int = 8, base: String = "https://crm.example", endpoint: String = "crm", isToken: Bool = false
) -> Flood.Caller {
  Flood.Caller(
    member: Throttle.Member(
      tenant: tenant, instance: executor ? "crm-actions" : "crm", endpoint: endpoint, slot: "api", base: base,
      connector: connector ?? (executor ? "crm-actions" : "crm"),
      limits: Throttle.Limits(ratePerSecond: rate, burst: burst, concurrency: places), isExecutor: executor,
      isToken: isToken),
    wants: wants)
}

/// Jain, Chiu and Hawe: 1 when all have the same, 1/n when one has all.
private func jain(_ served: [Int]) -> Double {
  let sum = Double(served.reduce(0, +))
  return sum * sum / (Double(served.count) * served.reduce(0) { $0 + Double($1) * Double($1) })
}

@Suite("A throttle") struct ThrottleTests {
  @Test
  func
    `never lets more out than each manifest's limits, and together than the widest, whoever floods and whatever is said`()
  {
    for seed in 1...40 as ClosedRange<UInt64> {
      var chance = SplitMix64(seed: seed)
      let callers = (0..<Int.random(in: 1...6, using: &chance)).map { number in
        caller(
          "t\(number)", Int.random(in: 1...30, using: &chance), executor: Bool.random(using: &chance),
          connector: "c\(number)", rate: Int.random(in: 1...200, using: &chance),
          burst: Int.random(in: 1...50, using: &chance), places: Int.random(in: 1...12, using: &chance))
      }
      var flood = Flood(callers)
      flood.run(ms: 20_000) { _, _ in
        let status = [200, 200, 200, 200, 500, 429, 503, nil].randomElement(using: &chance)!
        return (status, Int64.random(in: 1...400, using: &chance))
      }
      let limits = callers.map(\.member.limits)
      let (rate, burst) = (limits.map(\.ratePerSecond).max()!, limits.map(\.burst).max()!)
      #expect(flood.mostInFlight <= limits.map(\.concurrency).max()!, "seed \(seed)")
      #expect(flood.mostInASecond <= burst + rate + 1, "seed \(seed)")
      for (index, own) in limits.enumerated() {
        #expect(flood.mostInFlightOf[index, default: 0] <= own.concurrency, "seed \(seed), caller \(index)")
        #expect(
          flood.sentBy[index, default: 0] <= own.burst + own.ratePerSecond * 20 + 1, "seed \(seed), caller \(index)")
      }
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

  @Test func `leaves a place to others whoever opens answers and never ends them`() {
    var flood = Flood([
      caller("greedy", 0, rate: 1_000, burst: 1_000, places: 4),
      caller("modest", 1, rate: 1_000, burst: 1_000, places: 4),
    ])
    // Both are known there, and the limit has grown to all four places.
    flood.callers[0].wants = 8
    flood.run(ms: 2_000) { _, _ in (200, 5) }
    let served = flood.callers[1].served
    #expect(served > 0)
    // From now on what the greedy one opens has no end.
    flood.callers[0].wants = 100
    flood.callers[1].wants = 0
    flood.run(ms: 2_000) { _, _ in (200, 3_600_000) }
    #expect(flood.throttle.inFlight(of: flood.callers[0].member) == 3)
    flood.callers[1].wants = 1
    flood.run(ms: 2_000) { _, _ in (200, 5) }
    #expect(flood.callers[1].served > served + 100)
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

  @Test func `lets an action go beside a read that holds the only place that trouble has left`() {
    func waits(places: Int) -> (read: Bool, action: Bool, another: Bool) {
      let (read, action) = (
        caller("a", 1, places: places).member, caller("a", 1, executor: true, places: places).member
      )
      var throttle = Throttle(read.limits, nowMs: 0)
      func goes(_ number: Int, _ member: Throttle.Member) -> Bool {
        _ = throttle.add(number, member, nowMs: 0)
        if case .goes = throttle.next(nowMs: 0) { return true }
        return false
      }
      return (goes(1, read), goes(2, action), goes(3, action))
    }
    // The limit begins at one place, whatever the manifest allows.
    #expect(waits(places: 4) == (true, true, false))
    // The manifest's own bound is kept by everybody.
    #expect(waits(places: 1) == (true, false, false))
  }

  @Test
  func
    `asks one at a time for each tenant while an upstream is down for an hour, and is back at its limit seconds after it`()
  {
    for status in [503, nil] as [Int?] {
      var flood = Flood([caller("a", 30), caller("b", 30)])
      flood.run(ms: 60_000) { _, _ in (200, 50) }
      let members = flood.callers.map(\.member)
      #expect(members.allSatisfy { flood.throttle.limit(of: $0) >= 4 })
      let before = flood.sent.count
      let answerMs: Int64 = status == nil ? 60_000 : 50
      flood.run(ms: 3_600_000) { _, _ in (status, answerMs) }
      for member in members {
        #expect(flood.throttle.limit(of: member) == 1)
        #expect(flood.throttle.trouble(of: member) == (status == nil ? .noAnswer : .unavailable))
      }
      let asked = flood.sent.count - before
      #expect(asked <= 2 * 3_600_000 / Int(answerMs) + 20, "\(asked) requests in the hour")
      // What was under way when it came back may still run into its time-out.
      flood.run(ms: answerMs) { _, _ in (200, 50) }
      let served = flood.callers.reduce(0) { $0 + $1.served }
      flood.run(ms: 10_000) { _, _ in (200, 50) }
      #expect(flood.callers.reduce(0) { $0 + $1.served } - served >= 900)
      #expect(jain(flood.callers.map(\.served)) >= 0.99)
    }
  }

  @Test func `lets reads have more though an executor that wants nothing has places kept`() {
    var flood = Flood([caller("a", 30), caller("a", 1, executor: true)])
    flood.run(ms: 1_000) { _, _ in (200, 50) }
    flood.callers[1].wants = 0
    flood.run(ms: 10_000) { _, _ in (200, 50) }
    #expect(flood.throttle.limit(of: flood.callers[0].member) == 8)
    #expect(flood.mostInFlightOf[0] == 6)
  }

  @Test func `believes a Retry-After, a 429 and a hint only for the tenant and the address that they came from`() {
    let (mine, action) = (caller("a", 1).member, caller("a", 1, executor: true).member)
    let (theirs, elsewhere) = (caller("b", 1).member, caller("a", 1, base: "https://crm.example/eu").member)
    for pause in [true, false] {
      var throttle = Throttle(mine.limits, nowMs: 0)
      for (number, member) in [mine, theirs, elsewhere, action].enumerated() {
        _ = throttle.add(number, member, nowMs: 0)
      }
      if pause {
        throttle.pause(mine, untilMs: 30_000, nowMs: 0)
      } else {
        throttle.lower(mine, remaining: 0, untilMs: 30_000, nowMs: 0)
      }
      var gone: [Throttle.Member] = []
      while case .goes(let waiting) = throttle.next(nowMs: 10_000) {
        gone.append(waiting.member)
        _ = throttle.heard(waiting.member == theirs ? 429 : 200, by: waiting.member, sentAtMs: 10_000, nowMs: 10_001)
      }
      #expect(Set(gone) == [theirs, elsewhere])
      #expect(throttle.hold(of: mine, nowMs: 10_000) == (pause ? .retryAfter : .hint))
      #expect(throttle.trouble(of: theirs) == .tooMany && throttle.trouble(of: elsewhere) == nil)
      let first = throttle.next(nowMs: 10_000)
      // At most an hour, whatever is said.
      throttle.pause(mine, untilMs: .max, nowMs: 10_000)
      let then = throttle.next(nowMs: 10_000)
      #expect(first == .wait(ms: 20_000) && then == .wait(ms: 3_600_000))
    }
  }

  @Test func `lets actions have what is left of a budget first`() {
    let (mine, action) = (caller("a", 1).member, caller("a", 1, executor: true).member)
    var throttle = Throttle(mine.limits, nowMs: 0)
    _ = throttle.add(1, mine, nowMs: 0)
    guard case .goes = throttle.next(nowMs: 0) else { return #expect(Bool(false), "nobody goes") }
    throttle.ended(mine, nowMs: 0)
    throttle.lower(mine, remaining: 1, untilMs: 10_000, nowMs: 0)
    let both = [throttle.add(3, mine, nowMs: 1_000), throttle.add(4, action, nowMs: 1_000)]
    #expect(both == [true, true])
    guard case .goes(let first) = throttle.next(nowMs: 1_000) else { return #expect(Bool(false), "nobody goes") }
    throttle.ended(first.member, nowMs: 1_000)
    let then = throttle.next(nowMs: 1_000)
    #expect(first.member == action && then == .wait(ms: 9_000))
  }

  @Test func `holds back by a hint only the endpoint that it is for, though another is at the same address`() {
    let mine = caller("a", 1).member
    let other = caller("a", 1, endpoint: "reports").member
    var throttle = Throttle(mine.limits, nowMs: 0)
    for (number, member) in [mine, other].enumerated() { _ = throttle.add(number, member, nowMs: 0) }
    throttle.lower(other, remaining: 0, untilMs: 30_000, nowMs: 0)
    guard case .goes(let first) = throttle.next(nowMs: 0) else { return #expect(Bool(false), "nobody goes") }
    throttle.ended(first.member, nowMs: 0)
    let then = throttle.next(nowMs: 0)
    #expect(first.member == mine && then == .wait(ms: 30_000))
    #expect(throttle.hold(of: other, nowMs: 0) == .hint)
  }

  @Test func `spreads a budget over its window also when the plugin tells of it after every answer`() {
    for told in [1, 5, 100_000] {
      var flood = Flood([caller("a", 4)])
      let member = flood.callers[0].member
      var budget: Int64 = 60
      flood.run(ms: 1) { _, _ in (200, 20) }
      // The upstream counts what it gets, and its answers say what is left until the minute is over.
      var answers = 0
      flood.heard = { throttle, now in
        budget -= 1
        answers += 1
        if answers % told == 1 || told == 1 { throttle.lower(member, remaining: budget, untilMs: 60_000, nowMs: now) }
      }
      flood.run(ms: 59_998) { _, _ in (200, 20) }
      #expect((55...61).contains(flood.sent.count), "told after every \(told): \(flood.sent.count)")
      let gaps = zip(flood.sent.dropFirst(2), flood.sent.dropFirst()).map(-)
      #expect((gaps.max() ?? 0) <= 3_000 && flood.mostInASecond <= 4, "told after every \(told): \(gaps)")
    }
  }

  @Test func `lets who asks for a token go first, in places of reads, and within every bound`() {
    let reads = caller("a", 1, places: 1)
    let token = caller("a", 1, places: 1, isToken: true).member
    var throttle = Throttle(token.limits, nowMs: 0)
    for number in 1...3 { _ = throttle.add(number, reads.member, nowMs: 0) }
    _ = throttle.add(4, token, nowMs: 0)
    var gone: [Int] = []
    for _ in 1...4 {
      guard case .goes(let one) = throttle.next(nowMs: 0) else { return #expect(Bool(false), "nobody goes") }
      gone.append(one.number)
      #expect(throttle.next(nowMs: 0) == .nobody)
      throttle.ended(one.member, nowMs: 0)
    }
    #expect(gone == [4, 1, 2, 3])
    // What the token endpoint asks for holds.
    _ = throttle.add(5, token, nowMs: 0)
    throttle.pause(token, untilMs: 7_000, nowMs: 0)
    let held = throttle.next(nowMs: 0)
    #expect(held == .wait(ms: 7_000) && throttle.hold(of: token, nowMs: 0) == .retryAfter)
    throttle.remove(5)
    #expect(throttle.queued == 0)
  }

  @Test func `lets so many of a tenant wait and no more, and actions have a queue of their own`() {
    let (mine, action) = (caller("a", 1).member, caller("a", 1, executor: true).member)
    var throttle = Throttle(mine.limits, nowMs: 0)
    for number in 0..<Throttle.waitingMax { _ = throttle.add(number, mine, nowMs: 0) }
    #expect(throttle.queued == Throttle.waitingMax)
    var taken = [mine, action, caller("b", 1).member].enumerated().map { throttle.add(1_000 + $0, $1, nowMs: 0) }
    throttle.remove(0)
    taken.append(throttle.add(2_000, mine, nowMs: 0))
    #expect(taken == [false, true, true, true])
  }

  @Test func `forgets who has asked for nothing for an hour, with what bounded it`() {
    let (narrow, wide) = (caller("a", 1, rate: 1, burst: 1, places: 1).member, caller("b", 1, places: 6).member)
    var throttle = Throttle(narrow.limits, nowMs: 0)
    var taken = [throttle.add(1, wide, nowMs: 0)]
    #expect(throttle.cap == 6)
    throttle.remove(1)
    #expect(throttle.queued == 0 && !throttle.isForgotten(nowMs: 3_600_000) && throttle.isForgotten(nowMs: 3_600_001))
    taken.append(throttle.add(2, narrow, nowMs: 3_700_000))
    #expect(taken == [true, true] && throttle.cap == 1 && throttle.usedBy == [narrow])
  }
}
