/// What an upstream has said of its budget to those who ask it: a pause (`Retry-After`), or so many requests until a time
/// (`sluice.rate-hint/1`). Both only ever hold back, and end after an hour at the latest.
///
/// Time is milliseconds of any monotonic clock, given by the caller.
package struct UpstreamHints: Sendable, Equatable {
  /// No hint holds longer.
  package static let longestMs: Int64 = 3_600_000

  private struct Budget: Sendable, Equatable {
    var remaining: Int64
    let untilMs: Int64
    var nextMs: Int64
  }

  private var pausedUntilMs: Int64 = .min
  private var budget: Budget?

  package init() {}

  package func isPaused(nowMs: Int64) -> Bool { nowMs < pausedUntilMs }

  /// How long a request is held back; 0 when it may go.
  /// - Parameter isReserved: Goes while anything is left, ahead of those among whom the rest is spread.
  package func wait(isReserved: Bool = false, nowMs: Int64) -> Int64 {
    if nowMs < pausedUntilMs { return pausedUntilMs - nowMs }
    guard let budget, nowMs < budget.untilMs else { return 0 }
    if isReserved { return budget.remaining > 0 ? 0 : budget.untilMs - nowMs }
    return max(0, budget.nextMs - nowMs)
  }

  /// A request goes.
  package mutating func spend(nowMs: Int64) {
    guard var budget else { return }
    guard nowMs < budget.untilMs else {
      self.budget = nil
      return
    }
    budget.remaining -= 1
    budget.nextMs =
      budget.remaining > 0 ? nowMs + (budget.untilMs - nowMs) / (budget.remaining + 1) : budget.untilMs
    self.budget = budget
  }

  /// Nothing goes until then.
  package mutating func pause(untilMs: Int64, nowMs: Int64) {
    pausedUntilMs = max(pausedUntilMs, min(untilMs, nowMs + Self.longestMs))
  }

  /// Until then requests are spread so that at most `remaining` go; then the hint is forgotten. A newer one takes its
  /// place.
  package mutating func lower(remaining: Int64, untilMs: Int64, nowMs: Int64) {
    let untilMs = min(untilMs, nowMs + Self.longestMs)
    guard untilMs > nowMs else {
      budget = nil
      return
    }
    let nextMs = remaining > 0 ? nowMs : untilMs
    // More than one in a millisecond is no limit, and would round to none.
    budget = Budget(remaining: min(max(remaining, 0), untilMs - nowMs), untilMs: untilMs, nextMs: nextMs)
  }
}
