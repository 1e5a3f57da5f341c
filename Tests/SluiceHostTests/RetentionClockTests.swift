import SluiceHost
import Testing

@Suite struct `The clock by which old entries are let go` {
  private static let day: Int64 = 86_400_000
  private static let start: Int64 = 1_767_571_200_000

  private func clock(newestDaysAgo days: Int64?) -> RetentionClock {
    RetentionClock(newestMs: days.map { Self.start - $0 * Self.day }, wallMs: Self.start, steadyMs: 500)
  }

  private func believes(_ clock: inout RetentionClock, wallMs: Int64, steadyMs: Int64) -> Bool {
    clock.isBelieved(wallMs: wallMs, steadyMs: steadyMs)
  }

  @Test func `is believed at once in a new folder, and when the newest entry is of today`() {
    for days in [nil, 0] as [Int64?] {
      var clock = clock(newestDaysAgo: days)
      #expect(believes(&clock, wallMs: Self.start + 10, steadyMs: 510))
      #expect(believes(&clock, wallMs: Self.start + 40 * Self.day, steadyMs: 500 + 40 * Self.day))
    }
  }

  @Test func `is not believed for a day when it says at the start that much time has passed`() {
    var clock = clock(newestDaysAgo: 4_000)
    #expect(!believes(&clock, wallMs: Self.start, steadyMs: 500))
    #expect(!believes(&clock, wallMs: Self.start + Self.day - 1, steadyMs: 499 + Self.day))
    #expect(believes(&clock, wallMs: Self.start + Self.day, steadyMs: 500 + Self.day))
  }

  @Test(arguments: [4_000, -4_000] as [Int64])
  func `is not believed for a day after it has leapt while the host ran, nor after it has leapt back`(days: Int64) {
    var clock = clock(newestDaysAgo: 0)
    let leapt = Self.start + days * Self.day
    #expect(!believes(&clock, wallMs: leapt, steadyMs: 500))
    #expect(!believes(&clock, wallMs: leapt + 3_600_000, steadyMs: 500 + 3_600_000))
    // Right again: from then on it has to be so for a day.
    #expect(!believes(&clock, wallMs: Self.start + 7_200_000, steadyMs: 500 + 7_200_000))
    #expect(!believes(&clock, wallMs: Self.start + Self.day, steadyMs: 500 + Self.day))
    #expect(believes(&clock, wallMs: Self.start + Self.day + 7_200_000, steadyMs: 500 + Self.day + 7_200_000))
  }
}
