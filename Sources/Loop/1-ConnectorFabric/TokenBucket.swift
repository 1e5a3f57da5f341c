/// A token bucket in whole numbers: `ratePerSecond` tokens a second, at most `burst` saved up.
///
/// Time is milliseconds of any monotonic clock, given by the caller. `pause` is how a `Retry-After` is kept, `lower` how
/// what an upstream says of its budget is: both only ever hold back.
package struct TokenBucket: Sendable, Equatable {
  package private(set) var ratePerSecond: Int
  package private(set) var burst: Int
  private var milliTokens: Int
  private var refilledAtMs: Int64
  private var pausedUntilMs: Int64 = .min
  private var hints: [String: Hint] = [:]

  /// What an endpoint has left until a time.
  private struct Hint: Sendable, Equatable {
    var remaining: Int64
    let untilMs: Int64
    var nextMs: Int64

    mutating func use(_ nowMs: Int64) {
      remaining -= 1
      nextMs = remaining > 0 ? nowMs + (untilMs - nowMs) / (remaining + 1) : untilMs
    }
  }

  package init(ratePerSecond: Int, burst: Int, nowMs: Int64) {
    self.ratePerSecond = ratePerSecond
    self.burst = burst
    milliTokens = burst * 1000
    refilledAtMs = nowMs
  }

  /// Takes one token, for a request to `endpoint`.
  /// - Returns: 0 when it was taken, else how many milliseconds to wait before asking again.
  package mutating func take(nowMs: Int64, endpoint: String = "") -> Int64 {
    if nowMs < pausedUntilMs { return pausedUntilMs - nowMs }
    let hintMs = hintWait(endpoint, nowMs: nowMs)
    guard hintMs == 0 else { return hintMs }
    let waitMs = wait(nowMs: nowMs)
    if waitMs == 0 { spend(endpoint, nowMs: nowMs) }
    return waitMs
  }

  /// How long until there is a token for anybody; 0 when there is one.
  package mutating func wait(nowMs: Int64) -> Int64 {
    if nowMs < pausedUntilMs { return pausedUntilMs - nowMs }
    refill(nowMs)
    guard milliTokens < 1000 else { return 0 }
    let missing = Int64(1000 - milliTokens)
    return (missing + Int64(ratePerSecond) - 1) / Int64(ratePerSecond)
  }

  /// How long a hint holds a request to `endpoint` back; 0 without one.
  /// - Parameter isReserved: Goes while anything is left, ahead of those among whom the rest is spread.
  package func hintWait(_ endpoint: String, isReserved: Bool = false, nowMs: Int64) -> Int64 {
    guard let hint = hints[endpoint], nowMs < hint.untilMs else { return 0 }
    if isReserved { return hint.remaining > 0 ? 0 : hint.untilMs - nowMs }
    return max(0, hint.nextMs - nowMs)
  }

  /// Takes the token that `wait` found.
  package mutating func spend(_ endpoint: String, nowMs: Int64) {
    owe(nowMs: nowMs)
    if let hint = hints[endpoint], nowMs >= hint.untilMs { hints[endpoint] = nil }
    hints[endpoint]?.use(nowMs)
  }

  /// Takes a token whether there is one or not: later ones wait for it.
  package mutating func owe(nowMs: Int64) {
    refill(nowMs)
    milliTokens -= 1000
  }

  package func isPaused(nowMs: Int64) -> Bool { nowMs < pausedUntilMs }

  /// Another rate and burst; what is saved up beyond the burst is lost.
  package mutating func change(ratePerSecond: Int, burst: Int, nowMs: Int64) {
    guard ratePerSecond != self.ratePerSecond || burst != self.burst else { return }
    refill(nowMs)
    self.ratePerSecond = ratePerSecond
    self.burst = burst
    milliTokens = min(milliTokens, burst * 1000)
  }

  /// Until then requests to `endpoint` are spread so that it gets at most `remaining`; then the hint is forgotten. A newer
  /// one takes its place. The rate and burst of the bucket hold as before.
  package mutating func lower(endpoint: String, remaining: Int64, untilMs: Int64, nowMs: Int64) {
    guard untilMs > nowMs else {
      hints[endpoint] = nil
      return
    }
    let nextMs = remaining > 0 ? nowMs : untilMs
    // More than one in a millisecond is no limit, and would round to none.
    hints[endpoint] = Hint(remaining: min(max(remaining, 0), untilMs - nowMs), untilMs: untilMs, nextMs: nextMs)
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
