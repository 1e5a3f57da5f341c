/// A token bucket in whole numbers: `ratePerSecond` tokens a second, at most `burst` saved up.
///
/// Time is milliseconds of any monotonic clock, given by the caller. `pause` is how a `Retry-After` is kept.
package struct TokenBucket: Sendable, Equatable {
  package let ratePerSecond: Int
  package let burst: Int
  private var milliTokens: Int
  private var refilledAtMs: Int64
  private var pausedUntilMs: Int64 = .min

  package init(ratePerSecond: Int, burst: Int, nowMs: Int64) {
    self.ratePerSecond = ratePerSecond
    self.burst = burst
    milliTokens = burst * 1000
    refilledAtMs = nowMs
  }

  /// Takes one token.
  /// - Returns: 0 when it was taken, else how many milliseconds to wait before asking again.
  package mutating func take(nowMs: Int64) -> Int64 {
    if nowMs < pausedUntilMs { return pausedUntilMs - nowMs }
    refill(nowMs)
    guard milliTokens >= 1000 else {
      let missing = Int64(1000 - milliTokens)
      return (missing + Int64(ratePerSecond) - 1) / Int64(ratePerSecond)
    }
    milliTokens -= 1000
    return 0
  }

  /// Nothing is taken until then, however full the bucket is.
  package mutating func pause(untilMs: Int64) { pausedUntilMs = max(pausedUntilMs, untilMs) }

  private mutating func refill(_ nowMs: Int64) {
    guard nowMs > refilledAtMs else { return }
    // One second fills at most ratePerSecond tokens; longer rests are capped before they can overflow.
    let elapsed = min(nowMs - refilledAtMs, 1000 * Int64(burst) / Int64(ratePerSecond) + 1000)
    milliTokens = min(burst * 1000, milliTokens + Int(elapsed) * ratePerSecond)
    refilledAtMs = nowMs
  }
}
