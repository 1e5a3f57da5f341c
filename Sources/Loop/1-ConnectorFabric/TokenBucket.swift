/// A token bucket in whole numbers: `ratePerSecond` tokens a second, at most `burst` saved up.
///
/// Time is milliseconds of any monotonic clock, given by the caller.
package struct TokenBucket: Sendable, Equatable {
  package private(set) var ratePerSecond: Int
  package private(set) var burst: Int
  private var milliTokens: Int
  private var refilledAtMs: Int64

  package init(ratePerSecond: Int, burst: Int, nowMs: Int64) {
    self.ratePerSecond = ratePerSecond
    self.burst = burst
    milliTokens = burst * 1000
    refilledAtMs = nowMs
  }

  /// Takes one token.
  /// - Returns: 0 when it was taken, else how many milliseconds to wait before asking again.
  package mutating func take(nowMs: Int64) -> Int64 {
    let waitMs = wait(nowMs: nowMs)
    if waitMs == 0 { spend(nowMs: nowMs) }
    return waitMs
  }

  /// How long until there is a token; 0 when there is one.
  package func wait(nowMs: Int64) -> Int64 {
    let missing = Int64(1000 - milliTokens(atMs: nowMs))
    return missing <= 0 ? 0 : (missing + Int64(ratePerSecond) - 1) / Int64(ratePerSecond)
  }

  /// Takes the token that `wait` found.
  package mutating func spend(nowMs: Int64) {
    refill(nowMs)
    milliTokens -= 1000
  }

  /// Another rate and burst; what is saved up beyond the burst is lost.
  package mutating func change(ratePerSecond: Int, burst: Int, nowMs: Int64) {
    guard ratePerSecond != self.ratePerSecond || burst != self.burst else { return }
    refill(nowMs)
    self.ratePerSecond = ratePerSecond
    self.burst = burst
    milliTokens = min(milliTokens, burst * 1000)
  }

  private mutating func refill(_ nowMs: Int64) {
    milliTokens = milliTokens(atMs: nowMs)
    refilledAtMs = max(refilledAtMs, nowMs)
  }

  private func milliTokens(atMs nowMs: Int64) -> Int {
    guard nowMs > refilledAtMs else { return milliTokens }
    // One second fills at most ratePerSecond tokens; longer rests are capped before they can overflow.
    let elapsed = min(nowMs - refilledAtMs, 1000 * Int64(burst) / Int64(ratePerSecond) + 1000)
    return min(burst * 1000, milliTokens + Int(elapsed) * ratePerSecond)
  }
}
