// JSON as Swift types. Only the standard library's `Decodable` is used: Foundation's decoder would make a plugin three
// times as large.

extension JSON {
  /// Reads the value as a type.
  ///
  /// A member of an object that the type does not read is ignored, as an upstream may add some. Numbers are exact or
  /// refused; a text is never taken for a number.
  /// - Throws: ``JSONMismatch``; left uncaught, it is a transient failure: the upstream sent something else.
  public func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
    try JSONValueDecoder(value: self, path: [], seen: nil).value(of: type)
  }

  /// The same, and a member that nobody reads is refused: a misspelled key must not be silently ignored.
  func decodedStrictly<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
    let seen = SeenMembers()
    let read = Result { try JSONValueDecoder(value: self, path: [], seen: seen).value(of: type) }
    if let odd = seen.odd {
      // Who was read to the end has asked for every key that it knows.
      var known = ""
      if case .success = read {
        let asked = seen.asked(odd.path)
        known = "; known are " + (asked.isEmpty ? "none" : asked.joined(separator: ", "))
      }
      throw JSONMismatch(path: (odd.path + [odd.name]).joined(separator: "."), reason: "is unknown" + known)
    }
    return try read.get()
  }
}

extension HTTPResponse {
  /// The body, read as JSON of a type.
  /// - Throws: ``JSONError``, ``JSONMismatch``; left uncaught, they are transient failures.
  public func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
    try json().decoded(as: type)
  }
}

/// What in a JSON value is not as a type has it.
public struct JSONMismatch: Error, Equatable, CustomStringConvertible {
  /// Names and places, joined by dots, such as `items.3.id`; empty for the whole value.
  public let path: String
  /// What it must be instead.
  public let reason: String

  /// Names the fault.
  public init(path: String, reason: String) {
    self.path = path
    self.reason = reason
  }

  /// For people.
  public var description: String { path.isEmpty ? "it \(reason)" : "`\(path)` \(reason)" }
}

extension JSON: Decodable {
  /// Takes the value as it is; only ``decoded(as:)`` has one.
  public init(from decoder: any Decoder) throws {
    guard let own = decoder as? JSONValueDecoder else {
      throw JSONMismatch(path: "", reason: "is read by another decoder than the kit's")
    }
    self = own.value
  }
}

/// Which members a type has asked for, and the first that it has no key for.
final class SeenMembers {
  private(set) var odd: (path: [String], name: String)?
  private var keys: [[String]: [String]] = [:]

  func found(_ name: String, at path: [String]) { if odd == nil { odd = (path, name) } }
  func asks(_ key: String, at path: [String]) {
    if keys[path]?.contains(key) != true { keys[path, default: []].append(key) }
  }
  func asked(_ path: [String]) -> [String] { keys[path] ?? [] }
}

/// One value on its way into a type.
struct JSONValueDecoder: Decoder {
  let value: JSON
  let path: [String]
  let seen: SeenMembers?
  var codingPath: [any CodingKey] { path.map { JSONKey($0) } }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func value<Value: Decodable>(of type: Value.Type) throws -> Value {
    // The type was compared.
    if type == JSON.self { return value as! Value }
    guard let scalar = type as? any JSONScalar.Type else { return try Value(from: self) }
    guard let found = scalar.read(value) else {
      throw mismatch(value == .null ? "is null" : "must be \(scalar.wanted)")
    }
    // `scalar` is `type`, and reads itself.
    return found as! Value
  }

  func at(_ step: String, _ value: JSON) -> JSONValueDecoder {
    JSONValueDecoder(value: value, path: path + [step], seen: seen)
  }

  func mismatch(_ reason: String, at step: String? = nil) -> JSONMismatch {
    JSONMismatch(path: (path + (step.map { [$0] } ?? [])).joined(separator: "."), reason: reason)
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard let members = value.members else { throw mismatch("must be an object") }
    if let seen, let odd = members.first(where: { Key(stringValue: $0.name) == nil }) { seen.found(odd.name, at: path) }
    return KeyedDecodingContainer(JSONMembers<Key>(decoder: self, members))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard let items = value.array else { throw mismatch("must be a list") }
    return JSONItems(decoder: self, items: items)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer { JSONSingle(decoder: self) }
}

/// Any name or place.
struct JSONKey: CodingKey {
  let stringValue: String
  var intValue: Int? { Int(stringValue) }
  init(_ text: String) { stringValue = text }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { self.init("\(intValue)") }
}

/// A value that is read in one piece.
protocol JSONScalar {
  static var wanted: String { get }
  static func read(_ value: JSON) -> Self?
}

extension Bool: JSONScalar {
  static var wanted: String { "true or false" }
  static func read(_ value: JSON) -> Bool? { value.bool }
}
extension String: JSONScalar {
  static var wanted: String { "a text" }
  static func read(_ value: JSON) -> String? { value.string }
}

extension JSONScalar where Self: FixedWidthInteger {
  static var wanted: String { "a whole number from \(Self.min) to \(Self.max)" }
  static func read(_ value: JSON) -> Self? {
    switch value {
    case .integer(let number): Self(exactly: number)
    // Beyond 64 bits with a sign; not with a fraction or an exponent.
    case .decimal(let digits): Self(digits)
    default: nil
    }
  }
}
extension Int: JSONScalar {}
extension Int8: JSONScalar {}
extension Int16: JSONScalar {}
extension Int32: JSONScalar {}
extension Int64: JSONScalar {}
extension UInt: JSONScalar {}
extension UInt8: JSONScalar {}
extension UInt16: JSONScalar {}
extension UInt32: JSONScalar {}
extension UInt64: JSONScalar {}

extension JSONScalar where Self: BinaryFloatingPoint & LosslessStringConvertible {
  static var wanted: String { "a number" }
  static func read(_ value: JSON) -> Self? {
    switch value {
    case .integer(let number): Self(number)
    case .decimal(let digits): Self(digits).flatMap { $0.isFinite ? $0 : nil }
    default: nil
    }
  }
}
extension Double: JSONScalar {}
extension Float: JSONScalar {}
