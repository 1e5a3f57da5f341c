import CanonicalJSON
import Cryptography
import Domain
import Perception
import TestKit
import Testing

@Suite struct `Stalled deals` {
  /// Thirty deals that were closed at ages of 1 to 30 days, and one that stays open.
  private func bench(percent: Int64?) throws -> Bench {
    let bench = try Bench()
    if let percent { try bench.activate(thresholds: ["sluice": 1, "stall": ["percent": .integer(percent)]]) }
    try bench.stock()
    try bench.take("deals", [deal("OPEN")] + (1...30).map { deal("D\($0)") })
    try bench.complete(start)
    for age in 1...30 {
      try bench.take(
        "deals",
        [deal("D\(age)", version: 2, on: age, ["stage": "Won", "closed": .string(day(age).description)])])
      try bench.complete(day(age))
    }
    return bench
  }

  private func stalledOn(_ bench: Bench, _ days: ClosedRange<Int>) -> [Int] {
    days.filter { bench.kinds($0).contains("deal.stalled") }
  }

  @Test func `are older than any deal of their product was when it closed`() throws {
    let bench = try bench(percent: nil)
    try bench.complete(day(32))
    #expect(stalledOn(bench, 0...32) == [31])
    #expect(bench.signals(31).first?.facts["limit_days"] == 30)
  }

  @Test(arguments: [(100, 31, 30), (99, 31, 30), (90, 30, 27), (50, 30, 15), (1, 30, 1)] as [(Int64, Int, Int64)])
  func `or than the percent of them that thresholds name`(percent: Int64, on: Int, limit: Int64) throws {
    let bench = try bench(percent: percent)
    try bench.complete(day(32))
    #expect(stalledOn(bench, 0...32) == [on])
    #expect(bench.signals(on).first { $0.kind == "deal.stalled" }?.facts["limit_days"] == .integer(limit))
  }

  @Test func `are said again once they were closed and reopened`() throws {
    let bench = try bench(percent: nil)
    try bench.complete(day(32))
    try bench.take(
      "deals", [deal("OPEN", version: 2, on: 33, ["stage": "Lost", "closed": .string(day(33).description)])])
    try bench.complete(day(33))
    // Its own long life counts as a closed one's now: at 34 days it is older again.
    try bench.take("deals", [deal("OPEN", version: 3, on: 34)])
    try bench.complete(day(34))
    try bench.take("deals", [deal("OPEN", version: 4, on: 35, ["owner": "Bob"])])
    try bench.complete(day(36))
    #expect(stalledOn(bench, 0...36) == [31, 34])
  }

  @Test func `are said once, whatever the thresholds become`() throws {
    let bench = try bench(percent: 50)
    try bench.activate(thresholds: ["sluice": 1, "stall": ["percent": 100]])
    try bench.complete(day(40))
    try bench.activate(thresholds: ["sluice": 1, "stall": ["percent": 20]])
    try bench.complete(day(41))
    #expect(stalledOn(bench, 0...41) == [30])
  }

  private static func bounds(_ more: String) -> String {
    #"{"enabled": true, "stall_percent_min": 80, "stall_percent_max": 100, \#(more)}"#
  }

  @Test(
    arguments: [
      (#"{"enabled": true, "stall_percent_min": 80, "stall_percent_max": 100}"#, nil),
      (#"{"enabled": true, "stall_percent_min": 90, "stall_percent_max": 80}"#, "learning.stall_percent_max"),
      (#"{"enabled": true, "stall_percent_min": 80}"#, "learning.stall_percent_max"),
      (#"{"enabled": 1, "stall_percent_min": 80, "stall_percent_max": 100}"#, "learning.enabled"),
      (#"{"enabled": true, "stall_percent_min": 0, "stall_percent_max": 100}"#, "learning.stall_percent_min"),
      (#"{"enabled": true, "write_policy": true}"#, "learning.write_policy"),
      (bounds(#""outcomes_min": 10, "step_percent": 20"#), nil),
      (bounds(#""outcomes_min": 9"#), "learning.outcomes_min"),
      (bounds(#""step_percent": 0"#), "learning.step_percent"),
      (bounds(#""later_share_milli": 600, "earlier_share_milli": 601"#), "learning.earlier_share_milli"),
      (bounds(#""later_share_milli": 199"#), "learning.later_share_milli"),
      (bounds(#""later_share_milli": 1000"#), "learning.later_share_milli"),
    ] as [(String, String?)])
  func `and what may be learned of them is checked`(learning: String, fault: String?) throws {
    let document: JSONValue = ["sluice": 1, "learning": try JSONValue(parsing: learning)]
    var path: String?
    do throws(DocumentError) { _ = try Thresholds(SourceDocument(name: "t", value: document, marks: [:])) } catch {
      path = error.path
    }
    #expect(path == fault)
  }
}

extension Bench {
  func activate(thresholds document: JSONValue) throws {
    try apply(
      journal.append(
        .activation,
        Activation(
          kind: .thresholds, name: "thresholds.yaml", hash: SHA256.digest(document.canonicalBytes), document: document,
          by: nil)))
  }
}
