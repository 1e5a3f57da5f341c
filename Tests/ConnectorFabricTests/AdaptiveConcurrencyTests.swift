import TestKit
import Testing

@testable import ConnectorFabric

@Suite("What an upstream is asked at once") struct AdaptiveConcurrencyTests {
  /// One round in which all places are in use, each answered after `rttMs`.
  private func round(_ adaptive: inout AdaptiveConcurrency, rttMs: Int64, _ now: inout Int64) {
    let sentAt = now
    now += rttMs
    for place in 1...adaptive.limit {
      adaptive.sent(inFlight: place)
      adaptive.answered(sentAtMs: sentAt, nowMs: now)
    }
  }

  @Test func `grows by one for each round trip while all places are in use, and stops at the cap`() {
    var adaptive = AdaptiveConcurrency(cap: 6)
    var now: Int64 = 0
    var limits: [Int] = []
    for _ in 0..<8 {
      limits.append(adaptive.limit)
      round(&adaptive, rttMs: 100, &now)
    }
    #expect(limits == [1, 2, 3, 4, 5, 6, 6, 6])
  }

  @Test func `does not grow while places are free`() {
    var adaptive = AdaptiveConcurrency(cap: 6)
    var now: Int64 = 0
    for _ in 0..<3 { round(&adaptive, rttMs: 100, &now) }
    let before = adaptive.limit
    for _ in 0..<50 {
      adaptive.sent(inFlight: 1)
      adaptive.answered(sentAtMs: now, nowMs: now + 100)
      now += 100
    }
    #expect(before == 4 && adaptive.limit == 4)
  }

  @Test(arguments: [AdaptiveConcurrency.Trouble.tooMany, .unavailable, .noAnswer])
  func `is halved by trouble, once for all requests that were under way`(trouble: AdaptiveConcurrency.Trouble) {
    var adaptive = AdaptiveConcurrency(cap: 16)
    var now: Int64 = 0
    while adaptive.limit < 16 { round(&adaptive, rttMs: 100, &now) }
    let sentAt = now
    for _ in 0..<16 { adaptive.failed(trouble, sentAtMs: sentAt, nowMs: now + 10) }
    #expect(adaptive.limit == 8 && adaptive.trouble == trouble)
    // An answer to a request of before says nothing of the new limit.
    for _ in 0..<100 { adaptive.answered(sentAtMs: sentAt, nowMs: now + 20) }
    #expect(adaptive.limit == 8)
    adaptive.failed(trouble, sentAtMs: now + 10, nowMs: now + 30)
    #expect(adaptive.limit == 4)
  }

  @Test
  func `is halved when whole rounds become slower, not by one slow page, and a lasting slowness is the new normal`() {
    var adaptive = AdaptiveConcurrency(cap: 8)
    var now: Int64 = 0
    for _ in 0..<40 { round(&adaptive, rttMs: 100, &now) }
    #expect(adaptive.limit == 8)
    for place in 1...8 {
      adaptive.sent(inFlight: place)
      adaptive.answered(sentAtMs: now, nowMs: now + (place == 1 ? 700 : 100))
    }
    #expect(adaptive.limit == 8)
    now += 1_000
    round(&adaptive, rttMs: 600, &now)
    #expect(adaptive.limit == 4 && adaptive.trouble == .slower)
    for _ in 0..<60 { round(&adaptive, rttMs: 600, &now) }
    #expect(adaptive.limit == 8 && adaptive.trouble == nil)
  }

  @Test func `stays between 1 and the cap, whatever happens`() {
    for seed in 1...300 as ClosedRange<UInt64> {
      var chance = SplitMix64(seed: seed)
      var adaptive = AdaptiveConcurrency(cap: Int.random(in: 1...40, using: &chance))
      var now: Int64 = 0
      for _ in 0..<400 {
        now += Int64.random(in: 0...500, using: &chance)
        let sentAt = now - Int64.random(in: 0...1_000, using: &chance)
        switch Int.random(in: 0...20, using: &chance) {
        case 0:
          adaptive.failed(
            AdaptiveConcurrency.Trouble.allCases.randomElement(using: &chance)!, sentAtMs: sentAt, nowMs: now)
        case 1: adaptive.change(cap: Int.random(in: -1...40, using: &chance))
        case 2: adaptive.answered(sentAtMs: .min / 4, nowMs: now)
        default:
          adaptive.sent(inFlight: Int.random(in: 0...50, using: &chance))
          adaptive.answered(sentAtMs: sentAt, nowMs: now)
        }
        #expect((1...max(1, adaptive.cap)).contains(adaptive.limit), "seed \(seed)")
      }
    }
  }
}

@Suite("Turns") struct FairQueueTests {
  @Test func `go round among tenants, and in order within one`() {
    var queue = FairQueue<String>()
    for number in 1...4 { queue.add("a\(number)", tenant: "a", isAction: false) }
    queue.add("b1", tenant: "b", isAction: false)
    queue.add("b2", tenant: "b", isAction: false)
    var order: [String] = []
    while let next = queue.take({ _ in true }) { order.append(next) }
    #expect(order == ["a1", "b1", "a2", "b2", "a3", "a4"])
    #expect(queue.count == 0)
  }

  @Test func `are not saved up while nothing is wanted`() {
    var queue = FairQueue<String>()
    for number in 1...100 {
      queue.add("a\(number)", tenant: "a", isAction: false)
      if number <= 50 { _ = queue.take { _ in true } }
    }
    for number in 1...50 { queue.add("b\(number)", tenant: "b", isAction: false) }
    let next = (0..<10).compactMap { _ in queue.take { _ in true } }
    #expect(next.filter { $0.hasPrefix("b") }.count == 5)
  }

  @Test func `alternate between actions and reads, and who may not go keeps its turn`() {
    var queue = FairQueue<String>()
    for number in 1...3 {
      queue.add("r\(number)", tenant: "t", isAction: false)
      queue.add("w\(number)", tenant: "t", isAction: true)
    }
    #expect(queue.take { $0 != "w1" && $0.hasPrefix("w") } == "w2")
    #expect(queue.take { _ in false } == nil)
    let rest = (0..<4).compactMap { _ in queue.take { _ in true } }
    #expect(rest == ["r1", "w1", "r2", "w3"])
    queue.remove { $0 == "r3" }
    #expect(queue.count == 0 && queue.take { _ in true } == nil)
  }
}
