package import Domain

extension Cedar {
  /// Reads JSON in which integers have 64 bits, as Cedar's do. CanonicalJSON keeps to I-JSON, whose integers end at
  /// ±(2^53 − 1), so it cannot read every file of Cedar's.
  package static func readJSON(_ bytes: [UInt8], what: String) throws(PolicyError) -> JSONValue {
    var reader = JSONReader(bytes: bytes, what: what)
    let value = try reader.value(depth: 0)
    reader.skipSpace()
    guard reader.at == bytes.count else { throw reader.malformed("more follows the value") }
    return value
  }
}

private struct JSONReader {
  static let depthMax = 200

  let bytes: [UInt8]
  let what: String
  var at = 0

  func malformed(_ reason: String) -> PolicyError {
    .jsonMalformed(what: what, reason: "\(reason) at byte \(at)")
  }

  mutating func skipSpace() {
    while at < bytes.count, JSONReader.isSpace(bytes[at]) { at += 1 }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

  /// The next byte that is no space.
  mutating func peek() -> UInt8? {
    skipSpace()
    return at < bytes.count ? bytes[at] : nil
  }

  mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  mutating func value(depth: Int) throws(PolicyError) -> JSONValue {
    guard depth < JSONReader.depthMax else { throw malformed("it nests too deeply") }
    switch peek() {
    case UInt8(ascii: "{"):
      at += 1
      return try object(depth: depth)
    case UInt8(ascii: "["):
      at += 1
      var items: [JSONValue] = []
      if accept("]") { return .array(items) }
      repeat { items.append(try value(depth: depth + 1)) } while accept(",")
      guard accept("]") else { throw malformed("`]` expected") }
      return .array(items)
    case UInt8(ascii: "\""): return .string(try string())
    default: return try word()
    }
  }

  private mutating func object(depth: Int) throws(PolicyError) -> JSONValue {
    var members: [String: JSONValue] = [:]
    if accept("}") { return .object(members) }
    repeat {
      guard peek() == UInt8(ascii: "\"") else { throw malformed("a key expected") }
      let key = try string()
      guard accept(":") else { throw malformed("`:` expected") }
      guard members.updateValue(try value(depth: depth + 1), forKey: key) == nil else {
        throw malformed("a key given twice (or one that differs in Unicode form only)")
      }
    } while accept(",")
    guard accept("}") else { throw malformed("`}` expected") }
    return .object(members)
  }

  /// true, false, null or a number.
  private mutating func word() throws(PolicyError) -> JSONValue {
    let start = at
    while at < bytes.count, !JSONReader.isSpace(bytes[at]), ![0x2C, 0x5D, 0x7D].contains(bytes[at]) { at += 1 }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    switch text {
    case "true": return .bool(true)
    case "false": return .bool(false)
    case "null": return .null
    default:
      if let integer = Int64(text), String(integer) == text || text == "-0" { return .integer(integer) }
      guard let number = Double(text), number.isFinite, text.utf8.contains(where: { [0x2E, 0x65, 0x45].contains($0) })
      else { throw malformed("neither a word of JSON nor a number that fits") }
      return .double(number)
    }
  }

  private mutating func string() throws(PolicyError) -> String {
    at += 1
    var out: [UInt8] = []
    while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
      guard bytes[at] >= 0x20 else { throw malformed("a control character in a string") }
      guard bytes[at] == UInt8(ascii: "\\") else {
        out.append(bytes[at])
        at += 1
        continue
      }
      at += 1
      guard at < bytes.count else { break }
      let escape = bytes[at]
      at += 1
      switch escape {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(escape)
      case UInt8(ascii: "b"): out.append(0x08)
      case UInt8(ascii: "f"): out.append(0x0C)
      case UInt8(ascii: "n"): out.append(0x0A)
      case UInt8(ascii: "r"): out.append(0x0D)
      case UInt8(ascii: "t"): out.append(0x09)
      case UInt8(ascii: "u"): out += Array(String(Character(try escapedScalar())).utf8)
      default: throw malformed("an unknown escape")
      }
    }
    guard at < bytes.count else { throw malformed("a string that is not closed") }
    at += 1
    guard let text = String(validating: out, as: UTF8.self) else { throw malformed("a string that is not UTF-8") }
    return text
  }

  private mutating func escapedScalar() throws(PolicyError) -> Unicode.Scalar {
    let first = try hexUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u")
    else { throw malformed("half of a surrogate pair") }
    at += 2
    let second = try hexUnit()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (UInt32(first) - 0xD800) << 10 + UInt32(second) - 0xDC00)
    else { throw malformed("half of a surrogate pair") }
    return scalar
  }

  private mutating func hexUnit() throws(PolicyError) -> UInt16 {
    let digits = String(decoding: bytes[at..<min(at + 4, bytes.count)], as: UTF8.self)
    guard digits.utf8.count == 4, !digits.hasPrefix("+"), let unit = UInt16(digits, radix: 16) else {
      throw malformed("a miswritten \\u escape")
    }
    at += 4
    return unit
  }
}
