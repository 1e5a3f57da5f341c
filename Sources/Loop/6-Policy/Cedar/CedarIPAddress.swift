extension Cedar {
  /// An address or a range of them ([ipaddr](https://docs.cedarpolicy.com/policies/syntax-datatypes.html#datatype-ipaddr)).
  package struct IPAddress: Hashable, Sendable {
    package let isIPv4: Bool
    /// 32 or 128 bits, as given: the bits behind the prefix are kept.
    private let high: UInt64
    private let low: UInt64
    package let prefixLength: Int

    /// `10.0.0.1`, `10.0.0.0/8`, `::1`, `ff00::/8`. IPv4 written inside IPv6 is refused, as Cedar does.
    package init?(_ text: String) {
      let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
      guard parts.count <= 2, text.utf8.count <= 43 else { return nil }
      if let address = IPAddress.ipv4(parts[0]) {
        (isIPv4, high, low) = (true, 0, address)
      } else if let address = IPAddress.ipv6(parts[0]) {
        (isIPv4, high, low) = (false, address.high, address.low)
      } else {
        return nil
      }
      let most = isIPv4 ? 32 : 128
      guard parts.count == 2 else {
        prefixLength = most
        return
      }
      let digits = parts[1]
      guard (1...(isIPv4 ? 2 : 3)).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
        digits.count == 1 || digits[0] != 0x30, let length = Int(String(decoding: digits, as: UTF8.self)),
        length <= most
      else { return nil }
      prefixLength = length
    }

    private static func ipv4(_ text: [UInt8]) -> UInt64? {
      let octets = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      guard octets.count == 4 else { return nil }
      var address: UInt64 = 0
      for octet in octets {
        guard (1...3).contains(octet.count), octet.allSatisfy({ (0x30...0x39).contains($0) }),
          octet.count == 1 || octet.first != 0x30, let value = UInt8(String(decoding: octet, as: UTF8.self))
        else { return nil }
        address = address << 8 | UInt64(value)
      }
      return address
    }

    private static func ipv6(_ text: [UInt8]) -> (high: UInt64, low: UInt64)? {
      func groups(_ part: ArraySlice<UInt8>) -> [UInt16]? {
        if part.isEmpty { return [] }
        var groups: [UInt16] = []
        for group in part.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
          guard (1...4).contains(group.count), group.first != UInt8(ascii: "+"),
            let value = UInt16(String(decoding: group, as: UTF8.self), radix: 16)
          else { return nil }
          groups.append(value)
        }
        return groups
      }
      var all: [UInt16]
      let gap = text.indices.dropLast().first { text[$0] == 0x3A && text[$0 + 1] == 0x3A }
      if let gap {
        guard let head = groups(text[..<gap]), let tail = groups(text[(gap + 2)...]), head.count + tail.count <= 7
        else { return nil }
        all = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
      } else {
        guard let whole = groups(text[...]), whole.count == 8 else { return nil }
        all = whole
      }
      func word(_ part: ArraySlice<UInt16>) -> UInt64 { part.reduce(0) { $0 << 16 | UInt64($1) } }
      return (word(all[..<4]), word(all[4...]))
    }

    /// The bits that the prefix fixes: nil-safe shifts, as a shift by 64 gives 0 in Swift.
    private func masked(_ length: Int) -> (UInt64, UInt64) {
      if isIPv4 { return (0, low & ~(UInt64(UInt32.max) >> length)) }
      let ones = UInt64.max
      return (high & ~(ones >> min(length, 64)), low & ~(ones >> max(0, length - 64)))
    }

    /// Whether every address of this range lies in `other`.
    func isInRange(of other: IPAddress) -> Bool {
      isIPv4 == other.isIPv4 && prefixLength >= other.prefixLength
        && masked(other.prefixLength) == other.masked(other.prefixLength)
    }

    var isLoopback: Bool {
      isIPv4 ? low >> 24 == 127 && prefixLength >= 8 : high == 0 && low == 1 && prefixLength == 128
    }
    var isMulticast: Bool {
      isIPv4 ? low >> 28 == 0xE && prefixLength >= 4 : high >> 56 == 0xFF && prefixLength >= 8
    }
  }
}
