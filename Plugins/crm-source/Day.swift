/// A day of the proleptic Gregorian calendar, as the CRM stamps changes with: `2017-03-01`.
struct Day: Equatable, Comparable {
  static let ms: Int64 = 86_400_000
  /// Days since 1970-01-01.
  let number: Int64

  init(number: Int64) { self.number = number }

  /// - Returns: nil for what is no day of the calendar, in exactly this form.
  init?(iso: String) {
    let parts = iso.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.map(\.count) == [4, 2, 2] else { return nil }
    let numbers = parts.compactMap { Self.digits($0) }
    guard numbers.count == 3, (1...12).contains(numbers[1]), (1...31).contains(numbers[2]) else { return nil }
    number = Self.daysFromCivil(numbers[0], numbers[1], numbers[2])
    guard self.iso == iso else { return nil }
  }

  private static func digits(_ text: Substring.UTF8View) -> Int64? {
    guard text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return text.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
  }

  /// Howard Hinnant's `days_from_civil`: years start in March, so that the leap day is the last.
  private static func daysFromCivil(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  var iso: String {
    let z = number + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(dayOfYear - (153 * shifted + 2) / 5 + 1, 2))"
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  /// Its first millisecond, UTC, since 1970.
  var startMs: Int64 { number * Self.ms }
  /// Its last millisecond: one before the next day starts.
  var endMs: Int64 { (number + 1) * Self.ms - 1 }

  static func < (left: Day, right: Day) -> Bool { left.number < right.number }
}
