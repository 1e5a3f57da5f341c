import ConnectorFabric
import Domain
import Foundation
import SluiceHost
import Testing

@Suite struct `When a source is pulled` {
  private func clock(_ schedule: JSONValue, random: UInt8 = 0) throws -> PullClock {
    let reader = DocumentReader(SourceDocument(name: "t", value: schedule, marks: [:]))
    return try PullClock(try PullSchedule(reader), random: { [UInt8](repeating: random, count: $0) })
  }
  private func ms(_ text: String) -> Int64 {
    Int64((try! Date(text, strategy: .iso8601)).timeIntervalSince1970 * 1000)
  }
  private func text(_ ms: Int64) -> String { Date(timeIntervalSince1970: Double(ms) / 1000).formatted(.iso8601) }

  @Test(
    arguments: [
      ("30 2 * * *", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z"),  // 02:30 does not exist on that Sunday
      ("30 2 * * *", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
      ("30 2 * * *", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),  // 02:30 comes twice; the first counts
      ("30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
      ("0 6 * * MON-FRI", "2026-11-27T05:00:00Z", "2026-11-30T05:00:00Z"),
    ])
  func `by the clocks of a zone, each time once, also when they are changed`(
    cron: String, planned: String, next: String
  ) throws {
    let clock = try clock(["cron": .string(cron), "time_zone": "Europe/Berlin"])
    #expect(text(clock.next(afterPull: ms(planned), nowMs: ms(planned) + 1)) == next)
  }

  @Test func `makes up for what was missed once, or not at all`() throws {
    let (planned, now) = (ms("2026-11-25T06:00:00Z"), ms("2026-11-25T09:30:00Z"))
    let once = try clock(["cron": "0 * * * *"])
    #expect(once.next(afterPull: planned, nowMs: now) == now && once.first(nowMs: now) == now)
    let skip = try clock(["cron": "0 * * * *", "catch_up": "skip"])
    #expect(text(skip.next(afterPull: planned, nowMs: now)) == "2026-11-25T10:00:00Z")
    #expect(text(skip.first(nowMs: now)) == "2026-11-25T10:00:00Z")
  }

  @Test func `spreads by a jitter that never passes its bound`() throws {
    let schedule: JSONValue = ["interval_ms": 1000, "jitter_ms": 300]
    for byte in [0, 1, 77, 255] as [UInt8] {
      let next = try clock(schedule, random: byte).next(afterPull: 5_000, nowMs: 5_100)
      #expect((6_000...6_300).contains(next))
    }
  }

  @Test(
    arguments: [
      (["interval_ms": 1, "cron": "@daily"], ""), ([:], ""), (["cron": "61 * * * *"], "cron"),
      (["interval_ms": 5, "time_zone": "UTC"], "time_zone"), (["cron": "@daily", "catch_up": "all"], "catch_up"),
      (["interval_ms": 0], "interval_ms"), (["every": 5], "every"),
    ] as [(JSONValue, String)])
  func `and a schedule that tells no times is refused by its key`(schedule: JSONValue, path: String) {
    var found: String?
    do throws(DocumentError) {
      _ = try PullSchedule(DocumentReader(SourceDocument(name: "t", value: schedule, marks: [:])))
    } catch { found = error.path }
    #expect(found == path)
  }

  @Test func `an unknown zone is refused by name`() {
    #expect(throws: ScheduleError.unknownTimeZone(name: "Mars/Base")) {
      try clock(["cron": "@daily", "time_zone": "Mars/Base"])
    }
  }
}
