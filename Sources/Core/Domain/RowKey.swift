/// Keys of state rows: parts joined by `/`, which within a part is written `%2F`.
package enum RowKey {
  package static func of(_ parts: String...) -> String { parts.map(escaped).joined(separator: "/") }
  /// The beginning of all keys that continue these parts.
  package static func prefix(_ parts: String...) -> String { parts.map(escaped).joined(separator: "/") + "/" }
  package static func parts(_ key: String) -> [String] {
    key.split(separator: "/", omittingEmptySubsequences: false).map(unescaped)
  }
  /// 20 digits, so that numbers sort as text.
  package static func number(_ value: UInt64) -> String {
    let digits = String(value)
    return String(repeating: "0", count: 20 - digits.utf8.count) + digits
  }

  private static func escaped(_ part: String) -> String {
    guard part.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "%") }) else { return part }
    var out: [UInt8] = []
    for byte in part.utf8 {
      switch byte {
      case UInt8(ascii: "/"): out += "%2F".utf8
      case UInt8(ascii: "%"): out += "%25".utf8
      default: out.append(byte)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
  private static func unescaped(_ part: Substring) -> String {
    guard part.utf8.contains(UInt8(ascii: "%")) else { return String(part) }
    var out: [UInt8] = []
    var rest = Array(part.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%"), rest.count >= 2 else {
        out.append(byte)
        continue
      }
      out.append(rest[rest.startIndex + 1] == UInt8(ascii: "F") ? UInt8(ascii: "/") : UInt8(ascii: "%"))
      rest = rest.dropFirst(2)
    }
    return String(decoding: out, as: UTF8.self)
  }
}
