/// A JSON value that loses nothing it was read with: integers are exact, other numbers keep their digits, members keep
/// their order.
public enum JSON: Equatable, Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A whole number of 64 bits.
  case integer(Int64)
  /// A number with a fraction or an exponent, or beyond 64 bits, in the digits it was written with.
  case decimal(String)
  /// A text.
  case string(String)
  /// A list.
  case array([JSON])
  /// Members in the order they were written in, each name once.
  case object([Member])

  /// One member of an object.
  public struct Member: Equatable, Sendable {
    /// The member's name.
    public let name: String
    /// The member's value.
    public let value: JSON

    /// Names a value.
    public init(_ name: String, _ value: JSON) {
      self.name = name
      self.value = value
    }
  }

  /// Reads one value that fills `bytes`.
  /// - Throws: ``JSONError``.
  public init(parsing bytes: [UInt8]) throws {
    var reader = JSONReader(bytes)
    self = try reader.value()
    try reader.end()
  }

  /// The member of that name, when this is an object that has one.
  public subscript(name: String) -> JSON? { members?.first { $0.name == name }?.value }

  /// The members, when this is an object.
  public var members: [Member]? { if case .object(let members) = self { members } else { nil } }
  /// The items, when this is a list.
  public var array: [JSON]? { if case .array(let items) = self { items } else { nil } }
  /// The text, when this is one.
  public var string: String? { if case .string(let text) = self { text } else { nil } }
  /// The number, when this is a whole one of 64 bits.
  public var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
  /// The truth, when this is one.
  public var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }

  /// The value as text, without spaces.
  public var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.write(self)
    return writer.bytes
  }
}

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, ExpressibleByStringLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
  /// An object with its members in this order.
  public init(dictionaryLiteral members: (String, JSON)...) { self = .object(members.map { Member($0.0, $0.1) }) }
  /// A list.
  public init(arrayLiteral items: JSON...) { self = .array(items) }
  /// A text.
  public init(stringLiteral text: String) { self = .string(text) }
  /// A whole number.
  public init(integerLiteral number: Int64) { self = .integer(number) }
  /// True or false.
  public init(booleanLiteral flag: Bool) { self = .bool(flag) }
  /// Null.
  public init(nilLiteral: ()) { self = .null }
}

/// Why bytes are not JSON, and where.
public struct JSONError: Error, Equatable, CustomStringConvertible {
  /// The byte that could not be read.
  public let offset: Int
  /// What is wrong there.
  public let reason: String

  /// Names the fault.
  public init(offset: Int, reason: String) {
    self.offset = offset
    self.reason = reason
  }

  /// For people.
  public var description: String { "\(reason) at byte \(offset)" }
}

struct JSONWriter {
  private(set) var bytes: [UInt8] = []

  mutating func write(_ value: JSON) {
    switch value {
    case .null: bytes += "null".utf8
    case .bool(let flag): bytes += (flag ? "true" : "false").utf8
    case .integer(let number): bytes += String(number).utf8
    case .decimal(let digits): bytes += digits.utf8
    case .string(let text): write(text)
    case .array(let items):
      bytes.append(UInt8(ascii: "["))
      for (index, item) in items.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        write(item)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        write(member.name)
        bytes.append(UInt8(ascii: ":"))
        write(member.value)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  /// Escapes what must be escaped and nothing else, as RFC 8785 does.
  private mutating func write(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0x08: bytes += "\\b".utf8
      case 0x09: bytes += "\\t".utf8
      case 0x0A: bytes += "\\n".utf8
      case 0x0C: bytes += "\\f".utf8
      case 0x0D: bytes += "\\r".utf8
      case 0..<0x20: bytes += "\\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))".utf8
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
