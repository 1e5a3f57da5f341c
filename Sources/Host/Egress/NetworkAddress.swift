internal import CCurl
import Glibc

/// Which addresses are not the public internet: RFC 6890's special-purpose registries, and everything that is neither
/// IPv4 nor IPv6.
enum NetworkAddress {
  static func isPrivate(_ address: UnsafePointer<sockaddr>) -> Bool {
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        isPrivate(v4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
      }
    case AF_INET6:
      address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
        withUnsafeBytes(of: pointer.pointee.sin6_addr) { isPrivate(v6: Array($0)) }
      }
    default: true
    }
  }

  /// What is no address counts as private.
  static func isPrivate(text: String) -> Bool {
    var v4 = in_addr()
    if inet_pton(AF_INET, text, &v4) == 1 { return isPrivate(v4: UInt32(bigEndian: v4.s_addr)) }
    var v6 = in6_addr()
    if inet_pton(AF_INET6, text, &v6) == 1 { return withUnsafeBytes(of: v6) { isPrivate(v6: Array($0)) } }
    return true
  }

  static func isPrivate(v4 address: UInt32) -> Bool {
    let blocks: [(UInt32, Int)] = [
      (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12),
      (0xC000_0000, 24), (0xC000_0200, 24), (0xC0A8_0000, 16), (0xC612_0000, 15), (0xC633_6400, 24),
      (0xCB00_7100, 24), (0xE000_0000, 3),
    ]
    return blocks.contains { block, bits in (address ^ block) >> UInt32(32 - bits) == 0 }
  }

  static func isPrivate(v6 bytes: [UInt8]) -> Bool {
    func v4(_ from: Int) -> UInt32 { bytes[from..<(from + 4)].reduce(0) { $0 << 8 | UInt32($1) } }
    // IPv4 inside IPv6: mapped, NAT64 of the well-known prefix, 6to4. NAT64 of a network's own (RFC 8215) has it elsewhere.
    if bytes[0..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF { return isPrivate(v4: v4(12)) }
    if bytes[0..<4] == [0x00, 0x64, 0xFF, 0x9B], bytes[4..<12].allSatisfy({ $0 == 0 }) { return isPrivate(v4: v4(12)) }
    if bytes[0..<2] == [0x20, 0x02] { return isPrivate(v4: v4(2)) }
    let isGlobalUnicast = bytes[0] & 0xE0 == 0x20
    // Protocols, benchmarks and identifiers that are no places (2001::/23), and documentation (2001:db8::/32, 3fff::/20).
    let isSpecial =
      bytes[0..<2] == [0x20, 0x01] && (bytes[2] & 0xFE == 0 || bytes[2..<4] == [0x0D, 0xB8])
      || bytes[0..<2] == [0x3F, 0xFF] && bytes[2] & 0xF0 == 0
    return !isGlobalUnicast || isSpecial
  }
}
