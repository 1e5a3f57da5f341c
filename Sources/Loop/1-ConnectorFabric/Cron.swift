package import Domain

/// A minute of somebody's wall clock, without a time zone.
package struct LocalMinute: Equatable, Comparable, Sendable {
  package let day: BusinessDay
  /// 0…1439.
  package let minute: Int
  package init(day: BusinessDay, minute: Int) {
    self.day = day
    self.minute = minute
  }
  package static func < (left: LocalMinute, right: LocalMinute) -> Bool {
    (left.day, left.minute) < (right.day, right.minute)
  }
}

/// Times in the five fields of crontab(5): minute, hour, day of month, month, day of week.
///
/// Lists, ranges, steps and the names JAN…DEC and SUN…SAT are understood, 7 is Sunday as 0 is, and `@hourly`, `@daily`,
/// `@weekly`, `@monthly` and `@yearly` stand for their usual fields. When both days are restricted, either one is enough.
package struct Cron: Equatable, Sendable, CustomStringConvertible {
  package let description: String
  private let minutes, hours, days, months, weekdays: Set<Int>
  private let isEitherDay: Bool

  /// Why a text gives no times.
  package struct Fault: Error, Equatable {
    /// The part that is wrong.
    package let part: String
    package let allowed: String
  }

  package init(_ text: String) throws(Fault) {
    description = text
    let fields = (Self.named[text] ?? text).split(separator: " ").map(String.init)
    guard fields.count == 5 else {
      throw Fault(part: text, allowed: "five fields: minute hour day month weekday")
    }
    minutes = try Self.values(fields[0], 0...59)
    hours = try Self.values(fields[1], 0...23)
    days = try Self.values(fields[2], 1...31)
    months = try Self.values(fields[3], 1...12, names: Self.monthNames)
    weekdays = Set(try Self.values(fields[4], 0...7, names: Self.weekdayNames).map { $0 % 7 })
    // crontab(5): a field that begins with a star does not count as restricted.
    isEitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
    let exists = months.contains { month in days.contains { $0 <= Self.longest[month - 1] } }
    guard isEitherDay || exists else { throw Fault(part: text, allowed: "a day that some year has") }
  }

  /// The first time after `time`.
  package func next(after time: LocalMinute) -> LocalMinute {
    var day = time.day
    var from = time.minute + 1
    // Every combination of date and weekday comes within 28 years, but for the 29th of February around a century: 40.
    for _ in 0..<(40 * 366) {
      if matches(day), let minute = first(from: from) { return LocalMinute(day: day, minute: minute) }
      day = day.advanced(byDays: 1)
      from = 0
    }
    preconditionFailure("the days of \(description) were checked when it was read")
  }

  private func first(from: Int) -> Int? {
    guard from < 1440 else { return nil }
    return (from..<1440).first { hours.contains($0 / 60) && minutes.contains($0 % 60) }
  }

  private func matches(_ day: BusinessDay) -> Bool {
    let (_, month, dayOfMonth) = day.civil
    guard months.contains(month) else { return false }
    // 1970-01-01 was a Thursday.
    let weekday = ((day.number + 4) % 7 + 7) % 7
    let (isDay, isWeekday) = (days.contains(dayOfMonth), weekdays.contains(weekday))
    return isEitherDay ? isDay || isWeekday : isDay && isWeekday
  }

  // MARK: - Reading

  private static let named = [
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
  ]
  private static let longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  private static let monthNames = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
  private static let weekdayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]

  private static func values(_ field: String, _ range: ClosedRange<Int>, names: [String] = []) throws(Fault) -> Set<Int>
  {
    let allowed = "\(range.lowerBound) to \(range.upperBound), lists, ranges and steps, such as 0,15 or 9-17 or */5"
    var values: Set<Int> = []
    for part in field.split(separator: ",", omittingEmptySubsequences: false) {
      let fault = Fault(part: String(part), allowed: allowed)
      let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
      guard (1...2).contains(pieces.count) else { throw fault }
      var step = 1
      if pieces.count == 2 {
        guard let given = Int(pieces[1]), given > 0 else { throw fault }
        step = given
      }
      guard let span = span(pieces[0], range, names, isOpen: pieces.count == 2) else { throw fault }
      values.formUnion(stride(from: span.lowerBound, through: span.upperBound, by: step))
    }
    return values
  }

  /// - Parameter isOpen: A single value with a step means from there on.
  private static func span(
    _ text: Substring, _ range: ClosedRange<Int>, _ names: [String], isOpen: Bool
  ) -> ClosedRange<Int>? {
    if text == "*" { return range }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { end -> Int? in
      let number =
        names.firstIndex(of: end.uppercased()).map { $0 + range.lowerBound }
        ?? (end.allSatisfy(\.isNumber) ? Int(end) : nil)
      return number.flatMap { range.contains($0) ? $0 : nil }
    }
    switch ends.count {
    case 1: return ends[0].map { $0...(isOpen ? range.upperBound : $0) }
    case 2:
      guard let low = ends[0], let high = ends[1], low <= high else { return nil }
      return low...high
    default: return nil
    }
  }
}
