import Domain

/// `Retry-After` (RFC 9110, 10.2.3): how long an upstream asks to be left alone, as seconds or as a date.
package enum RetryAfter {
  /// - Parameters:
  ///   - value: The header's text.
  ///   - date: The `Date` header of the same answer. A date is counted from there where it can be read, so that the
  ///     upstream's clock need not be ours.
  ///   - nowMs: Our own clock, in milliseconds since 1970.
  /// - Returns: Milliseconds from 0 to an hour; nil for what is neither.
  package static func pauseMs(_ value: String, date: String?, nowMs: Int64) -> Int64? {
    if let ms = seconds(value) { return ms }
    guard let until = HTTPDate.ms(value, nowMs: nowMs) else { return nil }
    let from = date.flatMap { HTTPDate.ms($0, nowMs: nowMs) } ?? nowMs
    return min(max(until - from, 0), UpstreamBudget.longestMs)
  }

  /// Whole seconds as the standard has them; some write a fraction, which is rounded up.
  private static func seconds(_ value: String) -> Int64? {
    let parts = value.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, !whole.isEmpty, parts.allSatisfy({ $0.allSatisfy(isDigit) }) else { return nil }
    let fraction = parts.count > 1 ? parts[1] : ""[...].utf8
    guard parts.count == 1 || !fraction.isEmpty else { return nil }
    guard let number = Int64(Substring(whole)), number <= UpstreamBudget.longestMs / 1000 else {
      return UpstreamBudget.longestMs
    }
    let thousandths = fraction.prefix(3).reduce(Int64(0)) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    let scale = [Int64(0), 100, 10, 1][min(fraction.count, 3)]
    let rest = fraction.dropFirst(3).contains { $0 != UInt8(ascii: "0") } ? Int64(1) : 0
    return min(number * 1000 + thousandths * scale + rest, UpstreamBudget.longestMs)
  }
}

/// A date as HTTP writes it (RFC 9110, 5.6.7): the one form of today and the two of old, all in GMT.
package enum HTTPDate {
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  private static let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
  private static let longDays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

  /// Milliseconds since 1970. The day's name is not compared with the date.
  /// - Parameter nowMs: For a year of two digits, which lies in the past if it would be more than 50 years ahead.
  package static func ms(_ text: String, nowMs: Int64) -> Int64? {
    guard text.utf8.count <= 40, text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return nil }
    let parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    let isGMT = parts.last == "GMT"
    switch parts.count {
    case 6 where isGMT && parts[0].last == "," && days.contains(String(parts[0].dropLast())):
      // Sun, 06 Nov 1994 08:49:37 GMT
      return ms(day: number(parts[1], 2), month: parts[2], year: number(parts[3], 4), time: parts[4])
    case 4 where isGMT && parts[0].last == "," && longDays.contains(String(parts[0].dropLast())):
      // Sunday, 06-Nov-94 08:49:37 GMT
      let date = parts[1].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
      guard date.count == 3, let short = number(date[2], 2) else { return nil }
      let thisYear = BusinessDay(number: Int(clamping: nowMs / 86_400_000)).civil.year
      var year = thisYear - thisYear % 100 + short
      if year > thisYear + 50 { year -= 100 }
      if year <= thisYear - 50 { year += 100 }
      return ms(day: number(date[0], 2), month: date[1], year: year, time: parts[2])
    case 5 where days.contains(parts[0]):
      // Sun Nov 16 08:49:37 1994
      return ms(day: number(parts[2], 2), month: parts[1], year: number(parts[4], 4), time: parts[3])
    case 6 where days.contains(parts[0]) && parts[2].isEmpty:
      // Sun Nov  6 08:49:37 1994
      return ms(day: number(parts[3], 1), month: parts[1], year: number(parts[5], 4), time: parts[4])
    default: return nil
    }
  }

  private static func ms(day: Int?, month: String, year: Int?, time: String) -> Int64? {
    let clock = time.split(separator: ":", omittingEmptySubsequences: false).map { number(String($0), 2) }
    guard let day, let year, let month = months.firstIndex(of: month), clock.count == 3, let hour = clock[0],
      let minute = clock[1], let second = clock[2], hour < 24, minute < 60, second <= 60,
      let date = BusinessDay(year: year, month: month + 1, day: day)
    else { return nil }
    return (Int64(date.number) * 86_400 + Int64(hour) * 3_600 + Int64(minute) * 60 + Int64(second)) * 1000
  }

  /// Exactly so many digits.
  private static func number(_ text: String, _ count: Int) -> Int? {
    text.utf8.count == count && text.utf8.allSatisfy(isDigit) ? Int(text) : nil
  }
}

private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
