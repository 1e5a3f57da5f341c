import Domain

extension JSONValue {
  /// A Swift value from JSON.
  /// - Throws: `DecodingError`, whose path names the field.
  package func decode<T: Decodable>(_ type: T.Type = T.self) throws -> T {
    if let already = self as? T { return already }
    return try T(from: ValueDecoder(value: self, codingPath: []))
  }
}

private struct ValueDecoder: Decoder {
  let value: JSONValue
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let members) = value else { throw mismatch([String: JSONValue].self, "an object") }
    return KeyedDecodingContainer(KeyedReader<Key>(members: members, codingPath: codingPath))
  }
  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let items) = value else { throw mismatch([JSONValue].self, "an array") }
    return ListReader(items: items, codingPath: codingPath)
  }
  func singleValueContainer() -> any SingleValueDecodingContainer { SingleReader(decoder: self) }

  func mismatch(_ type: any Any.Type, _ wanted: String) -> DecodingError {
    .typeMismatch(type, .init(codingPath: codingPath, debugDescription: "expected \(wanted), found \(value.kind)"))
  }

  func read<T: Decodable>(_ type: T.Type) throws -> T {
    if type == JSONValue.self { return value as! T }  // the types were just compared
    return try T(from: self)
  }
  func readInteger<T: BinaryInteger>(_ type: T.Type) throws -> T {
    guard case .integer(let integer) = value, let exact = T(exactly: integer) else {
      throw mismatch(type, "an integer that fits \(type)")
    }
    return exact
  }
}

extension JSONValue {
  /// What a person calls this kind of value.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .double: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

private struct KeyedReader<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let members: [String: JSONValue]
  let codingPath: [any CodingKey]
  var allKeys: [Key] { members.keys.sorted().compactMap { Key(stringValue: $0) } }

  func contains(_ key: Key) -> Bool { members[key.stringValue] != nil }
  private func decoder(_ key: Key) throws -> ValueDecoder {
    guard let value = members[key.stringValue] else {
      throw DecodingError.keyNotFound(
        key, .init(codingPath: codingPath, debugDescription: "no value for \"\(key.stringValue)\""))
    }
    return ValueDecoder(value: value, codingPath: codingPath + [key])
  }
  func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).value.isNull }
  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try decoder(key).read(type) }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> { try decoder(key).container(keyedBy: type) }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(key).unkeyedContainer()
  }
  func superDecoder() -> any Decoder { ValueDecoder(value: .object(members), codingPath: codingPath) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }
}

private struct ListReader: UnkeyedDecodingContainer {
  let items: [JSONValue]
  let codingPath: [any CodingKey]
  var currentIndex = 0
  var count: Int? { items.count }
  var isAtEnd: Bool { currentIndex >= items.count }

  init(items: [JSONValue], codingPath: [any CodingKey]) {
    self.items = items
    self.codingPath = codingPath
  }

  private mutating func next() throws -> ValueDecoder {
    guard !isAtEnd else {
      throw DecodingError.dataCorrupted(.init(codingPath: codingPath, debugDescription: "the array ends too early"))
    }
    defer { currentIndex += 1 }
    return ValueDecoder(value: items[currentIndex], codingPath: codingPath)
  }
  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, items[currentIndex].isNull else { return false }
    currentIndex += 1
    return true
  }
  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().read(type) }
  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> { try next().container(keyedBy: type) }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
  mutating func superDecoder() throws -> any Decoder { try next() }
}

private struct SingleReader: SingleValueDecodingContainer {
  let decoder: ValueDecoder
  var codingPath: [any CodingKey] { decoder.codingPath }

  func decodeNil() -> Bool { decoder.value.isNull }
  func decode(_ type: Bool.Type) throws -> Bool {
    guard let value = decoder.value.bool else { throw decoder.mismatch(type, "a boolean") }
    return value
  }
  func decode(_ type: String.Type) throws -> String {
    guard let value = decoder.value.string else { throw decoder.mismatch(type, "a string") }
    return value
  }
  func decode(_ type: Double.Type) throws -> Double {
    guard let value = decoder.value.double else { throw decoder.mismatch(type, "a number") }
    return value
  }
  func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
  func decode(_ type: Int.Type) throws -> Int { try decoder.readInteger(type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try decoder.readInteger(type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try decoder.readInteger(type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try decoder.readInteger(type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try decoder.readInteger(type) }
  func decode(_ type: UInt.Type) throws -> UInt { try decoder.readInteger(type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.readInteger(type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.readInteger(type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.readInteger(type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.readInteger(type) }
  func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.read(type) }
}
