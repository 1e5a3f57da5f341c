import CanonicalJSON
import Domain

/// How values are written for people. What is missing is "–".
enum Words {
  static let missing = "–"

  /// "$1,234.50", "−$3.00".
  static func money(cents: Int64) -> String {
    let amount = cents.magnitude
    let rest = amount % 100
    return "\(cents < 0 ? "−" : "")$\(grouped(amount / 100)).\(rest < 10 ? "0" : "")\(rest)"
  }
  static func money(_ value: JSONValue?) -> String { value?.integer.map { money(cents: $0) } ?? missing }

  static func number(_ value: Int64) -> String { (value < 0 ? "−" : "") + grouped(value.magnitude) }

  private static func grouped(_ number: UInt64) -> String {
    let digits = Array(String(number))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index).isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return text
  }

  /// Parts per million as percent with one decimal: 131410 is "13.1".
  static func percent(ppm: Int64) -> String {
    let tenths = (ppm.magnitude + 500) / 1_000
    return "\(ppm < 0 ? "−" : "")\(tenths / 10).\(tenths % 10)"
  }

  /// "850 ms", "12.3 s", "4 min 5 s", "3 h 12 min".
  static func duration(ms: Int64) -> String {
    switch ms {
    case ..<1_000: "\(ms) ms"
    case ..<60_000: "\(ms / 1_000).\(ms % 1_000 / 100) s"
    case ..<3_600_000: "\(ms / 60_000) min \(ms % 60_000 / 1_000) s"
    default: "\(ms / 3_600_000) h \(ms % 3_600_000 / 60_000) min"
    }
  }

  /// "7 s"; never none.
  static func seconds(ms: Int64) -> String { "\(max(1, (ms + 500) / 1_000)) s" }

  /// What came in so many milliseconds, for each second, with one decimal below ten: "0.4", "1,250".
  /// - Parameter unit: How many make one of what is shown.
  static func rate(_ count: Int64, unit: Int64 = 1, ms: Int64) -> String {
    let tenths = (Double(count) * 10_000 / Double(unit) / Double(ms)).rounded()
    guard tenths >= 0, tenths < 1e15 else { return missing }
    let whole = Int64(tenths) / 10
    return whole >= 10 ? number(Int64((tenths / 10).rounded())) : "\(whole).\(Int64(tenths) % 10)"
  }

  /// Milliseconds since 1970 as "09:05:07 UTC".
  static func time(ms: Int64) -> String {
    let second = ((ms / 1_000) % 86_400 + 86_400) % 86_400
    let parts = [second / 3_600, second / 60 % 60, second % 60]
    return parts.map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":") + " UTC"
  }

  /// Milliseconds since 1970 as "2026-03-04 09:05 UTC".
  static func moment(ms: Int64) -> String {
    let minutes = Int(ms >= 0 ? ms / 60_000 : (ms - 59_999) / 60_000)
    let day = minutes >= 0 ? minutes / 1_440 : (minutes - 1_439) / 1_440
    guard abs(day) < 3_000_000 else { return "\(ms) ms since 1970" }
    let (hour, minute) = ((minutes - day * 1_440) / 60, (minutes - day * 1_440) % 60)
    return "\(BusinessDay(number: day)) \(hour < 10 ? "0" : "")\(hour):\(minute < 10 ? "0" : "")\(minute) UTC"
  }

  /// A name with underscores as words: "close_value" is "close value".
  static func spaced(_ name: String) -> String { String(name.map { $0 == "_" ? " " : $0 }) }

  /// A value as it is: a text without quotes, everything else as JSON.
  static func exact(_ value: JSONValue?) -> String {
    switch value {
    case nil: missing
    case .null: "(nothing)"
    case .string(""): "(empty text)"
    case .string(let text): text
    case .integer(let number): String(number)
    case let other?: String(decoding: other.canonicalBytes, as: UTF8.self)
    }
  }

  /// A value under a name that may say its unit: `list_cents` is money, `rate_ppm` a share.
  static func measured(_ value: JSONValue?, named name: String) -> String {
    guard let number = value?.integer else { return exact(value) }
    if name.hasSuffix("_cents") { return money(cents: number) }
    if name.hasSuffix("_ppm") { return "\(percent(ppm: number)) %" }
    return exact(value)
  }

  /// A fact's name in words, without the unit that `measured` has used.
  static func label(_ name: String) -> String {
    for unit in ["_cents", "_ppm"] where name.hasSuffix(unit) && name != unit {
      return spaced(String(name.dropLast(unit.count)))
    }
    return spaced(name)
  }

  /// The beginning of a long text, for lists; the whole is on the page of the thing.
  static func brief(_ text: String, charactersMax: Int = 160) -> String {
    guard text.count > charactersMax else { return text }
    return "\(text.prefix(charactersMax))… (\(text.count) characters)"
  }

  /// "opportunity/1C1I7A6R" of {"type": …, "id": …}, or of a text.
  static func subject(_ value: JSONValue?) -> String {
    if let text = value?.string { return text }
    guard let type = value?["type"]?.string, let id = value?["id"]?.string else { return missing }
    return "\(type)/\(id)"
  }

  static func count(_ number: Int, _ one: String, _ many: String) -> String { "\(number) \(number == 1 ? one : many)" }
}
