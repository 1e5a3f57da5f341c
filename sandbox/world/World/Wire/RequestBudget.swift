/// A token bucket: so many requests per second, and bursts of twice as many.
package struct RequestBudget: Sendable {
  package struct Verdict: Sendable, Equatable {
    package let granted: Bool
    package let headers: [String: String]
  }

  private let perSecond: Double
  private let burst: Double
  private var tokens: Double
  private var filled: Double?

  /// - Parameter perSecond: 0 for no limit.
  package init(perSecond: Int) {
    self.perSecond = Double(perSecond)
    burst = Double(perSecond) * 2
    tokens = burst
  }

  /// - Parameter now: seconds on a clock that never goes back.
  package mutating func spend(now: Double) -> Verdict {
    guard perSecond > 0 else { return Verdict(granted: true, headers: [:]) }
    if let filled { tokens = min(burst, tokens + max(0, now - filled) * perSecond) }
    filled = now
    let granted = tokens >= 1
    if granted { tokens -= 1 }
    var headers = [
      "X-RateLimit-Limit": String(Int(burst)), "X-RateLimit-Remaining": String(Int(tokens)),
      "X-RateLimit-Reset": String(Self.wholeSeconds((burst - tokens) / perSecond)),
    ]
    if !granted { headers["Retry-After"] = String(max(1, Self.wholeSeconds((1 - tokens) / perSecond))) }
    return Verdict(granted: granted, headers: headers)
  }

  private static func wholeSeconds(_ seconds: Double) -> Int { Int(seconds.rounded(.up)) }
}
