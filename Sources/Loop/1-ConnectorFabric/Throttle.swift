/// What one credential may ask of one upstream, shared by all who use it: tokens for the rate, places for how many at
/// once, turns between those who wait.
///
/// The hard cap is the lowest of the reviewed limits of those who share it; what adapts stays below. A quarter of the
/// places, and every other turn, is kept for executors once there are any. Times are milliseconds of any monotonic clock.
package struct Throttle: Sendable {
  package struct Limits: Sendable, Equatable {
    package let ratePerSecond: Int
    package let burst: Int
    package let concurrency: Int
    package init(ratePerSecond: Int, burst: Int, concurrency: Int) {
      self.ratePerSecond = ratePerSecond
      self.burst = burst
      self.concurrency = concurrency
    }
  }

  /// Who shares it: an instance of a tenant.
  package struct Member: Sendable, Hashable {
    package let tenant: String
    package let instance: String
    package let isExecutor: Bool
    package init(tenant: String, instance: String, isExecutor: Bool) {
      self.tenant = tenant
      self.instance = instance
      self.isExecutor = isExecutor
    }
  }

  package struct Waiting: Sendable, Equatable {
    package let number: Int
    package let member: Member
    package let sinceMs: Int64
    /// What a hint of its upstream's budget is kept by.
    let scope: String
  }

  package enum Turn: Sendable, Equatable {
    case goes(Waiting)
    /// Nobody goes before that many milliseconds have passed, unless somebody ends.
    case wait(ms: Int64)
    /// Nobody waits, or all wait for a place.
    case nobody
  }

  /// Why those who wait do.
  package enum Hold: String, Sendable, CaseIterable {
    case retryAfter = "retry_after"
    case rate
    case hint
    case places
  }

  private var bucket: TokenBucket
  package private(set) var adaptive: AdaptiveConcurrency
  private var queue = FairQueue<Waiting>()
  private var members: [Member: (limits: Limits, usedAtMs: Int64)] = [:]
  private var inFlightBy: [Member: Int] = [:]
  package private(set) var lastUsedMs: Int64

  /// Who has asked for nothing for so long does not count any more. No pause and no hint lasts longer.
  package static let memoryMs: Int64 = 3_600_000

  package init(_ limits: Limits, nowMs: Int64) {
    bucket = TokenBucket(ratePerSecond: limits.ratePerSecond, burst: limits.burst, nowMs: nowMs)
    adaptive = AdaptiveConcurrency(cap: limits.concurrency)
    lastUsedMs = nowMs
  }

  package var inFlight: Int { inFlightBy.values.reduce(0, +) }
  package var queued: Int { queue.count }
  package func inFlight(of member: Member) -> Int { inFlightBy[member] ?? 0 }
  package func waiting(of member: Member) -> [Waiting] { queue.all.filter { $0.member == member } }
  package var oldestSinceMs: Int64? { queue.all.map(\.sinceMs).min() }
  package var cap: Int { adaptive.cap }
  package var limit: Int { adaptive.limit }
  package var usedBy: some Collection<Member> { members.keys }
  package func isForgotten(nowMs: Int64) -> Bool {
    inFlight == 0 && queued == 0 && nowMs - lastUsedMs > Self.memoryMs
  }

  /// - Parameter number: The caller's, for `remove`; each once.
  package mutating func add(_ number: Int, _ member: Member, _ limits: Limits, scope: String, nowMs: Int64) {
    lastUsedMs = nowMs
    members[member] = (limits, nowMs)
    agree(nowMs)
    queue.add(
      Waiting(number: number, member: member, sinceMs: nowMs, scope: scope), tenant: member.tenant,
      isAction: member.isExecutor)
  }

  /// Takes back what has not gone yet.
  package mutating func remove(_ number: Int) { queue.remove { $0.number == number } }

  /// The hard cap of all who share it.
  private mutating func agree(_ nowMs: Int64) {
    members = members.filter { nowMs - $0.value.usedAtMs <= Self.memoryMs || inFlight(of: $0.key) > 0 }
    let limits = members.values.map(\.limits)
    bucket.change(
      ratePerSecond: limits.map(\.ratePerSecond).min()!, burst: limits.map(\.burst).min()!, nowMs: nowMs)
    let concurrency = limits.map(\.concurrency).min()!
    if concurrency != adaptive.cap { adaptive.change(cap: concurrency) }
  }

  /// Places that reads leave to actions.
  private var reserved: Int {
    adaptive.limit > 1 && members.keys.contains { $0.isExecutor } ? max(1, adaptive.limit / 4) : 0
  }

  /// Lets the next one go.
  package mutating func next(nowMs: Int64) -> Turn {
    guard queue.count > 0, inFlight < adaptive.limit else { return .nobody }
    let waitMs = bucket.wait(nowMs: nowMs)
    guard waitMs == 0 else { return .wait(ms: waitMs) }
    let reads = inFlightBy.reduce(0) { $1.key.isExecutor ? $0 : $0 + $1.value }
    var hintMs = Int64.max
    let bucket = bucket
    let taken = queue.take(readsMayGo: reads < adaptive.limit - reserved) { waiting in
      let ms = bucket.hintWait(waiting.scope, isReserved: waiting.member.isExecutor, nowMs: nowMs)
      if ms > 0 { hintMs = min(hintMs, ms) }
      return ms == 0
    }
    guard let taken else { return hintMs == .max ? .nobody : .wait(ms: hintMs) }
    self.bucket.spend(taken.scope, nowMs: nowMs)
    inFlightBy[taken.member, default: 0] += 1
    lastUsedMs = nowMs
    adaptive.sent(inFlight: inFlight)
    return .goes(taken)
  }

  /// Why those who wait now do; nil when nobody waits.
  package mutating func hold(nowMs: Int64) -> Hold? {
    guard queue.count > 0 else { return nil }
    if bucket.isPaused(nowMs: nowMs) { return .retryAfter }
    if inFlight >= adaptive.limit { return .places }
    if bucket.wait(nowMs: nowMs) > 0 { return .rate }
    let isHinted = queue.all.contains {
      bucket.hintWait($0.scope, isReserved: $0.member.isExecutor, nowMs: nowMs) > 0
    }
    return isHinted ? .hint : .places
  }

  /// One has ended and gives its place back.
  package mutating func ended(_ member: Member, nowMs: Int64) {
    let left = inFlight(of: member) - 1
    precondition(left >= 0, "a request ended that never left")
    inFlightBy[member] = left > 0 ? left : nil
    lastUsedMs = nowMs
  }

  /// The same request leaves once more, on the place that it holds; those behind it wait for its token.
  package mutating func leavesAgain(nowMs: Int64) { bucket.owe(nowMs: nowMs) }

  /// What came of a request: a status, or nil when there was no answer.
  /// - Returns: What the limit was halved for, or kept at 1.
  package mutating func heard(_ status: Int?, sentAtMs: Int64, nowMs: Int64) -> AdaptiveConcurrency.Trouble? {
    let trouble: AdaptiveConcurrency.Trouble? =
      switch status {
      case 429: .tooMany
      case 503: .unavailable
      case nil: .noAnswer
      default: nil
      }
    guard let trouble else {
      return adaptive.answered(sentAtMs: sentAtMs, nowMs: nowMs) ? .slower : nil
    }
    return adaptive.failed(trouble, sentAtMs: sentAtMs, nowMs: nowMs) ? trouble : nil
  }

  /// `Retry-After`, at most an hour.
  package mutating func pause(untilMs: Int64, nowMs: Int64) {
    bucket.pause(untilMs: min(untilMs, nowMs + Self.memoryMs))
    lastUsedMs = max(lastUsedMs, nowMs)
  }

  /// What a plugin read of its upstream's budget, for the requests of one scope; at most an hour.
  package mutating func lower(scope: String, remaining: Int64, untilMs: Int64, nowMs: Int64) {
    bucket.lower(
      endpoint: scope, remaining: remaining, untilMs: min(untilMs, nowMs + Self.memoryMs), nowMs: nowMs)
    lastUsedMs = nowMs
  }
}
