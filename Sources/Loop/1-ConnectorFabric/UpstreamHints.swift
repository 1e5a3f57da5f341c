/// A pause that an upstream has asked for (`Retry-After`). It holds everything back, and ends after an hour at the latest.
///
/// Time is milliseconds of any monotonic clock, given by the caller.
package struct UpstreamPause: Sendable, Equatable {
  private var untilMs: Int64 = .min

  package init() {}

  /// How long a request is held back; 0 when it may go.
  package func wait(nowMs: Int64) -> Int64 { nowMs < untilMs ? untilMs - nowMs : 0 }

  /// Nothing goes until then.
  package mutating func begin(untilMs: Int64, nowMs: Int64) {
    self.untilMs = max(self.untilMs, min(untilMs, nowMs + UpstreamBudget.longestMs))
  }
}

/// What an upstream says is left for one endpoint: so many requests until a time (`sluice.rate-hint/1`, ABI-6.6). It only
/// ever holds back, and ends after an hour at the latest.
///
/// Time is milliseconds of any monotonic clock, given by the caller.
package struct UpstreamBudget: Sendable, Equatable {
  /// No hint holds longer.
  package static let longestMs: Int64 = 3_600_000

  private struct Window: Sendable, Equatable {
    var remaining: Int64
    let untilMs: Int64
    var nextMs: Int64
  }

  private var window: Window?
  /// When the last request went: a hint that follows each answer must not let the next one go at once.
  private var spentAtMs: Int64?

  package init() {}

  /// Whether there is a hint that holds still.
  package func holds(nowMs: Int64) -> Bool { window.map { nowMs < $0.untilMs } ?? false }

  /// How long a request is held back; 0 when it may go.
  /// - Parameter isReserved: Goes while anything is left, ahead of those among whom the rest is spread.
  package func wait(isReserved: Bool = false, nowMs: Int64) -> Int64 {
    guard let window, nowMs < window.untilMs else { return 0 }
    if isReserved { return window.remaining > 0 ? 0 : window.untilMs - nowMs }
    return max(0, window.nextMs - nowMs)
  }

  /// A request goes.
  package mutating func spend(nowMs: Int64) {
    spentAtMs = nowMs
    guard var window else { return }
    guard nowMs < window.untilMs else {
      self.window = nil
      return
    }
    window.remaining -= 1
    window.nextMs = Self.next(after: nowMs, window.remaining, window.untilMs)
    self.window = window
  }

  /// Until then requests are spread so that at most `remaining` go; then the hint is forgotten. A newer one takes its
  /// place.
  package mutating func lower(remaining: Int64, untilMs: Int64, nowMs: Int64) {
    let untilMs = min(untilMs, nowMs + Self.longestMs)
    guard untilMs > nowMs else {
      window = nil
      return
    }
    // More than one in a millisecond is no limit, and would round to none.
    let remaining = min(max(remaining, 0), untilMs - nowMs)
    let nextMs = remaining > 0 ? spentAtMs.map { Self.next(after: $0, remaining, untilMs) } ?? nowMs : untilMs
    window = Window(remaining: remaining, untilMs: untilMs, nextMs: nextMs)
  }

  /// When the next of `remaining` requests goes so that all are spread evenly from that one on.
  private static func next(after ms: Int64, _ remaining: Int64, _ untilMs: Int64) -> Int64 {
    remaining > 0 ? ms + (untilMs - ms) / (remaining + 1) : untilMs
  }
}
