/// Addresses of the internet protocol that share a prefix: `10.0.0.0/8`, `2001:db8::/32`, or one address.
package struct IPRange: Sendable, Equatable {
  /// As it was written.
  package let text: String
  /// 4 or 16 bytes, zero behind the prefix.
  private let bytes: [UInt8]
  private let bits: Int

  /// - Returns: nil for what is no address, alone or with `/` and the length of its prefix.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let address = Self.address(parts[0]) else { return nil }
    self.text = String(text)
    bits = parts.count == 2 ? Self.number(parts[1], radix: 10, digitsMax: 3) ?? -1 : address.count * 8
    guard (0...address.count * 8).contains(bits) else { return nil }
    bytes = Self.masked(address, bits)
  }

  /// Whether `text` is an address in this range. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is the same address.
  package func contains(_ text: some StringProtocol) -> Bool {
    guard let address = Self.address(text), address.count == bytes.count else { return false }
    return Self.masked(address, bits) == bytes
  }

  private static func masked(_ address: [UInt8], _ bits: Int) -> [UInt8] {
    address.indices.map { index in
      let kept = min(max(bits - index * 8, 0), 8)
      return kept == 0 ? 0 : address[index] & (0xFF << UInt8(8 - kept))
    }
  }

  private static func address(_ text: some StringProtocol) -> [UInt8]? {
    guard text.contains(":") else { return dotted(text) }
    guard let bytes = colons(text) else { return nil }
    let mapped: [UInt8] = Array(repeating: 0, count: 10) + [0xFF, 0xFF]
    return Array(bytes.prefix(12)) == mapped ? Array(bytes.suffix(4)) : bytes
  }

  /// Four decimal numbers, without leading zeros: some would read those as octal.
  private static func dotted(_ text: some StringProtocol) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { number($0, radix: 10, digitsMax: 3) }.compactMap { UInt8(exactly: $0) }
    let hasLeadingZero = parts.contains { $0.count > 1 && $0.hasPrefix("0") }
    return parts.count == 4 && numbers.count == 4 && !hasLeadingZero ? numbers : nil
  }

  /// RFC 4291, 2.2.
  private static func colons(_ text: some StringProtocol) -> [UInt8]? {
    let halves = String(text).components(around: "::")
    guard halves.count <= 2 else { return nil }
    var groups: [[UInt8]] = []
    for (index, half) in halves.enumerated() {
      var bytes: [UInt8] = []
      let parts = half.isEmpty ? [] : half.split(separator: ":", omittingEmptySubsequences: false)
      for (place, part) in parts.enumerated() {
        if part.contains("."), index == halves.count - 1, place == parts.count - 1, let tail = dotted(part) {
          bytes += tail
        } else if let group = number(part, radix: 16, digitsMax: 4) {
          bytes += [UInt8(group >> 8), UInt8(group & 255)]
        } else {
          return nil
        }
      }
      groups.append(bytes)
    }
    if groups.count == 1 { return groups[0].count == 16 ? groups[0] : nil }
    let gap = 16 - groups[0].count - groups[1].count
    return gap >= 2 ? groups[0] + Array(repeating: 0, count: gap) + groups[1] : nil
  }

  private static func number(_ text: some StringProtocol, radix: Int, digitsMax: Int) -> Int? {
    guard (1...digitsMax).contains(text.utf8.count), text.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
      return nil
    }
    return Int(text, radix: radix)
  }
}

extension String {
  /// The parts around each place where `separator` stands.
  fileprivate func components(around separator: String) -> [Substring] {
    var parts: [Substring] = []
    var rest = self[...]
    while let range = rest.firstRange(of: separator) {
      parts.append(rest[..<range.lowerBound])
      rest = rest[range.upperBound...]
    }
    return parts + [rest]
  }
}
