/// Says whether a wall clock may be believed when entries are let go for their age, which nothing brings back.
///
/// A clock that leaps, or that a machine has wrong when it starts, is not believed until it has gone evenly for a day. A host
/// that stood still for longer than that waits a day too.
package struct RetentionClock: Sendable {
  package static let leapMs: Int64 = 86_400_000
  package static let restMs: Int64 = 86_400_000

  /// What a clock that goes evenly shows beyond the steady one.
  private var offsetMs: Int64
  private var believedFromMs: Int64

  /// - Parameters:
  ///   - newestMs: When the newest entry was recorded that stood in the journal at the start; nil without any.
  ///   - wallMs: Milliseconds since 1970.
  ///   - steadyMs: Milliseconds that never go back.
  package init(newestMs: Int64?, wallMs: Int64, steadyMs: Int64) {
    offsetMs = wallMs - steadyMs
    let hasLeapt = newestMs.map { wallMs - $0 > Self.leapMs } ?? false
    believedFromMs = hasLeapt ? steadyMs + Self.restMs : steadyMs
  }

  /// Asked at least every few hours; what leaps between is found at the next time.
  package mutating func isBelieved(wallMs: Int64, steadyMs: Int64) -> Bool {
    let now = wallMs - steadyMs
    if abs(now - offsetMs) > Self.leapMs { believedFromMs = steadyMs + Self.restMs }
    offsetMs = now
    return steadyMs >= believedFromMs
  }
}
