import Domain

extension Cedar {
  /// A number with four digits after the point, in 64 bits
  /// ([decimal](https://docs.cedarpolicy.com/policies/syntax-datatypes.html#datatype-decimal)).
  package struct Decimal: Hashable, Sendable, Comparable {
    package let tenThousandths: Int64

    package init(tenThousandths: Int64) { self.tenThousandths = tenThousandths }

    /// `-12.3456`: a point with digits before it and one to four after it.
    package init?(_ text: String) {
      let bytes = Array(text.utf8)
      let negative = bytes.first == UInt8(ascii: "-")
      let parts = bytes[(negative ? 1 : 0)...].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, (1...4).contains(parts[1].count) else { return nil }
      var value: Int64 = 0
      for digit in Array(parts[0] + parts[1]) + Array(repeating: 0x30, count: 4 - parts[1].count) {
        guard (0x30...0x39).contains(digit) else { return nil }
        let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
        // Counted downwards, so that the least value fits.
        let (next, beyond) = tens.subtractingReportingOverflow(Int64(digit - 0x30))
        guard !overflow, !beyond else { return nil }
        value = next
      }
      guard negative || value != .min else { return nil }
      tenThousandths = negative ? value : -value
    }

    package static func < (left: Decimal, right: Decimal) -> Bool { left.tenThousandths < right.tenThousandths }
  }

  /// Readings of [datetime and duration](https://docs.cedarpolicy.com/policies/syntax-datatypes.html#datatype-datetime).
  enum Time {
    static let day: Int64 = 86_400_000

    /// Milliseconds since the midnight before.
    static func withinDay(_ time: Int64) -> Int64 {
      let rest = time % day
      return rest < 0 ? rest + day : rest
    }

    /// `YYYY-MM-DD`, and after it `Thh:mm:ss`, `.SSS` or nothing, and `Z`, `+hhmm` or `-hhmm`.
    static func datetime(_ text: String) -> Int64? {
      var rest = Array(text.utf8)[...]
      func number(_ digits: Int) -> Int64? {
        let part = rest.prefix(digits)
        guard part.count == digits, part.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest = rest.dropFirst(digits)
        return part.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
      }
      func take(_ character: Unicode.Scalar) -> Bool {
        guard let byte = rest.first, byte == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
      }
      guard let year = number(4), take("-"), let month = number(2), take("-"), let dayOfMonth = number(2),
        let days = dayNumber(year: Int(year), month: Int(month), day: Int(dayOfMonth))
      else { return nil }
      var time = days * day
      if rest.isEmpty { return time }
      guard take("T"), let hour = number(2), take(":"), let minute = number(2), take(":"), let second = number(2),
        hour < 24, minute < 60, second < 60
      else { return nil }
      time += hour * 3_600_000 + minute * 60_000 + second * 1000
      if take(".") {
        guard let millisecond = number(3) else { return nil }
        time += millisecond
      }
      if take("Z") { return rest.isEmpty ? time : nil }
      let east = take("+")
      guard east || take("-"), let hours = number(2), let minutes = number(2), hours < 24, minutes < 60, rest.isEmpty
      else { return nil }
      let offset = hours * 3_600_000 + minutes * 60_000
      return east ? time - offset : time + offset
    }

    /// Days since 1970-01-01. Domain's `BusinessDay` begins at year 1, Cedar's calendar at year 0, a leap year.
    private static func dayNumber(year: Int, month: Int, day: Int) -> Int64? {
      if year > 0 { return BusinessDay(year: year, month: month, day: day).map { Int64($0.number) } }
      // 400 years, which repeat the calendar exactly, have 146,097 days.
      return BusinessDay(year: 400, month: month, day: day).map { Int64($0.number) - 146_097 }
    }

    /// `-1d2h3m4s5ms`: units in this order, each at most once, at least one.
    static func duration(_ text: String) -> Int64? {
      var rest = Array(text.utf8)[...]
      let negative = rest.first == UInt8(ascii: "-")
      if negative { rest = rest.dropFirst() }
      guard !rest.isEmpty else { return nil }
      var units: [(String, Int64)] = [
        ("d", day), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
      ]
      var total: Int64 = 0
      while !rest.isEmpty {
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        rest = rest.dropFirst(digits.count)
        let letters = rest.prefix { !(0x30...0x39).contains($0) }
        rest = rest.dropFirst(letters.count)
        let unit = String(decoding: letters, as: UTF8.self)
        guard let place = units.firstIndex(where: { $0.0 == unit }),
          let count = Int64("-" + String(decoding: digits, as: UTF8.self))
        else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: units[place].1)
        let (sum, beyond) = total.addingReportingOverflow(product)
        guard !overflow, !beyond else { return nil }
        total = sum
        units.removeSubrange(...place)
      }
      guard negative || total != .min else { return nil }
      return negative ? total : -total
    }
  }
}
