/// One whole day of business time, in the proleptic Gregorian calendar. It has no hour and no time zone.
package struct BusinessDay: Hashable, Comparable, Sendable {
  /// Days since 1970-01-01.
  package let number: Int

  package init(number: Int) { self.number = number }

  /// - Returns: `nil` when the calendar has no such day.
  package init?(year: Int, month: Int, day: Int) {
    guard (1...9999).contains(year), (1...12).contains(month), day >= 1 else { return nil }
    guard day <= Self.daysIn(month: month, year: year) else { return nil }
    number = Self.number(year: year, month: month, day: day)
  }

  /// Reads `2016-10-20`.
  package init?(iso text: some StringProtocol) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].utf8.count == 4, parts[1].utf8.count == 2, parts[2].utf8.count == 2 else {
      return nil
    }
    self.init(year: parts[0], month: parts[1], day: parts[2])
  }

  /// Reads `10/20/2016`, as the exports write it.
  package init?(slashed text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[2].utf8.count == 4 else { return nil }
    self.init(year: parts[2], month: parts[0], day: parts[1])
  }

  private init?(year: some StringProtocol, month: some StringProtocol, day: some StringProtocol) {
    func number(_ digits: some StringProtocol) -> Int? {
      digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(digits) : nil
    }
    guard let year = number(year), let month = number(month), let day = number(day) else { return nil }
    self.init(year: year, month: month, day: day)
  }

  package static func < (left: Self, right: Self) -> Bool { left.number < right.number }

  package func later(by days: Int) -> Self { Self(number: number + days) }

  /// `2016-10-20`
  package var iso: String {
    let (year, month, day) = civil
    return "\(Self.padded(year, to: 4))-\(Self.padded(month, to: 2))-\(Self.padded(day, to: 2))"
  }

  /// `10/20/2016`, without leading zeros, as the exports write it.
  package var slashed: String {
    let (year, month, day) = civil
    return "\(month)/\(day)/\(Self.padded(year, to: 4))"
  }

  private static func padded(_ value: Int, to width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private static func daysIn(month: Int, year: Int) -> Int {
    switch month {
    case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  // Both conversions count in eras of 400 years that begin on 1 March
  // (https://howardhinnant.github.io/date_algorithms.html), so the leap day is the last of its year.
  private static func number(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private var civil: (year: Int, month: Int, day: Int) {
    let shifted = number + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
  }
}
