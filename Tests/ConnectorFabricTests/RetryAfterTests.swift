import Domain
import TestKit
import Testing

@testable import ConnectorFabric

@Suite struct `A pause that an upstream asks for` {
  /// Sun, 06 Nov 1994 08:49:37 GMT.
  private let now: Int64 = 784_111_777_000

  @Test func `is seconds, rounded up, an hour at most`() {
    for (text, ms) in [
      ("0", 0), ("1", 1_000), ("120", 120_000), ("3600", 3_600_000), ("7200", 3_600_000),
      ("99999999999999999999999999", 3_600_000), ("0.5", 500), ("1.2345", 1_235), ("1.25", 1_250),
      ("3600.9", 3_600_000),
    ] as [(String, Int64)] {
      #expect(RetryAfter.pauseMs(text, date: nil, nowMs: now) == ms, "\(text)")
    }
  }

  @Test func `is a date in each form that HTTP knows, counted from our clock`() {
    for text in [
      "Sun, 06 Nov 1994 08:50:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994",
    ] {
      #expect(RetryAfter.pauseMs(text, date: nil, nowMs: now) == 60_000, "\(text)")
    }
    #expect(HTTPDate.ms("Wed Nov 16 08:49:37 1994", nowMs: now) == now + 10 * 86_400_000)
    // A year of two digits that would be more than 50 years ahead has been.
    #expect(HTTPDate.ms("Saturday, 06-Nov-44 08:49:37 GMT", nowMs: now).map { $0 > now } == true)
    #expect(HTTPDate.ms("Monday, 06-Nov-45 08:49:37 GMT", nowMs: now).map { $0 < now } == true)
  }

  @Test func `is counted from the answer's own date where it has one, so that clocks may differ`() {
    let until = "Sun, 06 Nov 1994 08:50:37 GMT"
    #expect(RetryAfter.pauseMs(until, date: "Sun, 06 Nov 1994 08:50:07 GMT", nowMs: 0) == 30_000)
    #expect(RetryAfter.pauseMs(until, date: "yesterday", nowMs: now) == 60_000)
    // What is over is no pause, what is far away an hour.
    #expect(RetryAfter.pauseMs(until, date: nil, nowMs: now + 600_000) == 0)
    #expect(RetryAfter.pauseMs("Fri, 31 Dec 9999 23:59:59 GMT", date: nil, nowMs: now) == 3_600_000)
  }

  @Test func `is nothing else`() {
    for text in [
      "", "-1", "+1", "1e3", "inf", "nan", "0x10", ".5", "1.", "1.2.3", "１２", " 1", "soon",
      "Sun, 06 Nov 1994 08:50:37 UTC",
      "Sun, 6 Nov 1994 08:50:37 GMT", "Sun, 31 Feb 1994 08:50:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 0000 08:50:37 GMT", "Son, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:50 GMT",
    ] {
      #expect(RetryAfter.pauseMs(text, date: nil, nowMs: now) == nil, "\(text)")
    }
  }

  @Test func `is from nothing to an hour, whatever stands there and whatever the time is`() {
    let parts = [
      "Sun,", "Sunday,", "Sun", "06", "6", "31", "Nov", "06-Nov-94", "1994", "9999", "08:49:37", "GMT", "", "-", "1",
    ]
    for seed in 1...20_000 as ClosedRange<UInt64> {
      var chance = SplitMix64(seed: seed)
      func text() -> String {
        guard Bool.random(using: &chance) else {
          return String(
            decoding: (0..<Int.random(in: 0...45, using: &chance)).map { _ in UInt8.random(in: 0...255, using: &chance)
            },
            as: UTF8.self)
        }
        return (0..<Int.random(in: 1...7, using: &chance)).map { _ in parts.randomElement(using: &chance)! }
          .joined(separator: " ")
      }
      let (value, date) = (text(), Bool.random(using: &chance) ? text() : nil)
      let now = [0, self.now, .max / 2, .random(in: 0...(1 << 50), using: &chance)].randomElement(using: &chance)!
      guard let ms = RetryAfter.pauseMs(value, date: date, nowMs: now) else { continue }
      #expect((0...3_600_000).contains(ms), "\(value) at \(now)")
    }
  }
}
