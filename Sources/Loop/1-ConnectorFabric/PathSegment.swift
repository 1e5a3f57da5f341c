/// One segment of a path as it is sent. Each text has one spelling: what may stand there plainly does, and every other octet is
/// `%XX` with upper-case digits, so that two segments say the same only when they are the same.
enum PathSegment {
  /// RFC 3986's unreserved characters, ":", "@" and the sub-delimiters of which no upstream makes another path.
  static func isPlain(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || "-._~:@!$'()*+,=".utf8.contains(byte)
  }

  /// What a segment says.
  /// - Returns: nil for what is not in the one spelling, is no UTF-8, or could become another path at an upstream that decodes
  ///   it, even twice.
  static func read(_ segment: Substring.UTF8View) -> String? {
    var said: [UInt8] = []
    var rest = segment[...]
    while let byte = rest.popFirst() {
      if isPlain(byte) {
        said.append(byte)
        continue
      }
      guard byte == UInt8(ascii: "%"), let high = rest.popFirst().flatMap(digit),
        let low = rest.popFirst().flatMap(digit),
        mayBeEncoded(high << 4 | low)
      else { return nil }
      said.append(high << 4 | low)
    }
    guard isPlace(said) else { return nil }
    return String(validating: said, as: UTF8.self)
  }

  /// A slash of either kind would begin another segment, a percent sign what a second decoding makes a slash of; a NUL ends a
  /// text for some, and the other controls end a line.
  private static func mayBeEncoded(_ byte: UInt8) -> Bool {
    !isPlain(byte) && byte >= 0x20 && byte != 0x7F && !"/\\%".utf8.contains(byte)
  }

  /// "." and ".." lead elsewhere, and for some upstreams also with spaces around them or parameters behind a ";".
  private static func isPlace(_ said: [UInt8]) -> Bool {
    said.prefix { $0 != UInt8(ascii: ";") }.contains { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: " ") }
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    default: nil
    }
  }
}
