/// How long an instance whose upstream is in trouble leaves it alone: ever longer pauses, up to a minute, or up to its own
/// interval where that is shorter. It goes on for as long as the trouble lasts.
package struct UpstreamBackOff: Sendable, Equatable {
  private let pauseMsMax: Int64
  package private(set) var failures = 0

  /// - Parameter intervalMs: Between pulls when all is well; nil where they go by a calendar, or there are none.
  package init(intervalMs: Int64?) { pauseMsMax = min(max(intervalMs ?? .max, 5_000), 60_000) }

  package mutating func succeed() { failures = 0 }

  /// - Returns: How many milliseconds to wait before the next try.
  package mutating func fail() -> Int64 {
    failures += 1
    return min(500 << Int64(min(failures - 1, 10)), pauseMsMax)
  }
}

/// How an instance is kept running: faults lead to longer pauses, and too many in a row to parking, with the reason.
package struct CrashLoop: Sendable, Equatable {
  package struct Rules: Sendable, Equatable {
    package var pauseMsMin: Int64 = 500
    package var pauseMsMax: Int64 = 60_000
    package var faultsMax = 6
    package init() {}
  }

  package enum Next: Sendable, Equatable {
    case retry(afterMs: Int64)
    case park(reason: String)
  }

  private let rules: Rules
  package private(set) var faults = 0

  package init(rules: Rules = Rules()) { self.rules = rules }

  /// An operation ended well.
  package mutating func succeed() { faults = 0 }

  /// An operation failed, a worker died or did not stop in time.
  package mutating func fail(_ reason: String) -> Next {
    faults += 1
    guard faults < rules.faultsMax else {
      return .park(reason: "\(faults) failures in a row; the last: \(reason)")
    }
    let pause = rules.pauseMsMin << Int64(min(faults - 1, 20))
    return .retry(afterMs: min(pause, rules.pauseMsMax))
  }
}
