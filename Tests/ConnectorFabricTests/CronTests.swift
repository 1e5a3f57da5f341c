import ConnectorFabric
import Domain
import Testing

@Suite struct `Cron times` {
  private func minute(_ text: String) -> LocalMinute {
    let parts = text.split(separator: " ")
    let clock = parts[1].split(separator: ":").map { Int($0)! }
    return LocalMinute(day: BusinessDay(parts[0])!, minute: clock[0] * 60 + clock[1])
  }
  private func written(_ time: LocalMinute) -> String {
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(time.day) \(two(time.minute / 60)):\(two(time.minute % 60))"
  }

  @Test(
    arguments: [
      ("* * * * *", "2026-11-25 12:00", "2026-11-25 12:01"),
      ("0 6 * * MON-FRI", "2026-11-27 06:00", "2026-11-30 06:00"),
      ("*/15 9-17 * * *", "2026-11-25 17:45", "2026-11-26 09:00"),
      ("5,35 0 1 jan *", "2026-01-01 00:05", "2026-01-01 00:35"),
      ("0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"),
      ("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00"),
      ("30 4 1,15 * 5", "2026-11-15 04:30", "2026-11-20 04:30"),
      ("0 0 13 * 5", "2026-11-13 00:00", "2026-11-20 00:00"), ("0 0 * * 7", "2026-11-25 10:00", "2026-11-29 00:00"),
      ("10/20 23 31 12 *", "2026-12-31 23:50", "2027-12-31 23:10"), ("@hourly", "2026-12-31 23:59", "2027-01-01 00:00"),
      ("@weekly", "2026-11-29 00:00", "2026-12-06 00:00"), ("59 23 * * *", "2026-11-25 23:59", "2026-11-26 23:59"),
    ])
  func `come as crontab says`(text: String, after: String, next: String) throws {
    #expect(written(try Cron(text).next(after: minute(after))) == next)
  }

  @Test(
    arguments: [
      ("", ""), ("* * * *", "* * * *"), ("60 * * * *", "60"), ("* 24 * * *", "24"), ("* * 0 * *", "0"),
      ("* * * 13 *", "13"), ("* * * * 8", "8"), ("5-1 * * * *", "5-1"), ("*/0 * * * *", "*/0"),
      ("1,,2 * * * *", ""), ("a * * * *", "a"), ("1-2-3 * * * *", "1-2-3"), ("* * * FEBR *", "FEBR"),
      ("0 0 30 2 *", "0 0 30 2 *"), ("0 0 31 2,4,6,9,11 *", "0 0 31 2,4,6,9,11 *"), ("-5 * * * *", "-5"),
      ("*/2/2 * * * *", "*/2/2"), ("@never", "@never"), ("+1 * * * *", "+1"),
    ])
  func `that never come, or say nothing, are refused with the part that is wrong`(text: String, part: String) {
    var found: String?
    do throws(Cron.Fault) { _ = try Cron(text) } catch { found = error.part }
    #expect(found == part)
  }

  @Test func `come in order and each once, over a year`() throws {
    let cron = try Cron("7 */6 * * 1-5")
    var time = minute("2027-01-01 00:00")
    var count = 0
    while true {
      let next = cron.next(after: time)
      #expect(next > time)
      time = next
      guard time.day < BusinessDay("2028-01-01")! else { break }
      count += 1
    }
    #expect(count == 261 * 4)
  }
}
