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
