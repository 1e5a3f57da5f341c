// How `Decodable` walks through a JSON value.

struct JSONMembers<Key: CodingKey>: KeyedDecodingContainerProtocol {
  private let decoder: JSONValueDecoder
  private let members: [JSON.Member]
  /// By their names' bytes: texts that only look alike are two names. Nil where a look through them is as fast.
  private let index: [[UInt8]: JSON]?

  init(decoder: JSONValueDecoder, _ members: [JSON.Member]) {
    self.decoder = decoder
    self.members = members
    index =
      members.count < 16
      ? nil
      : Dictionary(members.map { (Array($0.name.utf8), $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  var codingPath: [any CodingKey] { decoder.codingPath }
  var allKeys: [Key] { members.compactMap { Key(stringValue: $0.name) } }

  private func find(_ key: Key) -> JSON? {
    let name = key.stringValue
    decoder.seen?.asks(name, at: decoder.path)
    if let index { return index[Array(name.utf8)] }
    return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
  }

  private func at(_ key: Key) throws -> JSONValueDecoder {
    guard let value = find(key) else { throw decoder.mismatch("is missing", at: key.stringValue) }
    return decoder.at(key.stringValue, value)
  }

  func contains(_ key: Key) -> Bool { find(key) != nil }
  func decodeNil(forKey key: Key) throws -> Bool { try at(key).value == .null }
  func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try at(key).value(of: type) }
  func decode(_ type: String.Type, forKey key: Key) throws -> String { try at(key).value(of: type) }
  func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try at(key).value(of: type) }
  func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try at(key).value(of: type) }
  func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try at(key).value(of: type) }
  func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try at(key).value(of: type) }
  func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try at(key).value(of: type) }
  func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try at(key).value(of: type) }
  func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try at(key).value(of: type) }
  func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try at(key).value(of: type) }
  func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try at(key).value(of: type) }
  func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try at(key).value(of: type) }
  func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try at(key).value(of: type) }
  func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try at(key).value(of: type) }
  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try at(key).value(of: type) }

  func nestedContainer<Inner: CodingKey>(
    keyedBy type: Inner.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Inner> { try at(key).container(keyedBy: type) }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try at(key).unkeyedContainer()
  }
  func superDecoder() throws -> any Decoder { decoder }
  func superDecoder(forKey key: Key) throws -> any Decoder { try at(key) }
}

struct JSONItems: UnkeyedDecodingContainer {
  let decoder: JSONValueDecoder
  let items: [JSON]
  var currentIndex = 0

  init(decoder: JSONValueDecoder, items: [JSON]) {
    self.decoder = decoder
    self.items = items
  }

  var codingPath: [any CodingKey] { decoder.codingPath }
  var count: Int? { items.count }
  var isAtEnd: Bool { currentIndex >= items.count }

  private var current: JSONValueDecoder {
    get throws {
      guard !isAtEnd else { throw decoder.mismatch("is missing", at: "\(currentIndex)") }
      return decoder.at("\(currentIndex)", items[currentIndex])
    }
  }

  /// Goes on only behind what could be read.
  private mutating func next<Value>(_ read: (JSONValueDecoder) throws -> Value) throws -> Value {
    let value = try read(current)
    currentIndex += 1
    return value
  }

  mutating func decodeNil() throws -> Bool {
    guard try current.value == .null else { return false }
    currentIndex += 1
    return true
  }
  mutating func decode(_ type: Bool.Type) throws -> Bool { try next { try $0.value(of: type) } }
  mutating func decode(_ type: String.Type) throws -> String { try next { try $0.value(of: type) } }
  mutating func decode(_ type: Double.Type) throws -> Double { try next { try $0.value(of: type) } }
  mutating func decode(_ type: Float.Type) throws -> Float { try next { try $0.value(of: type) } }
  mutating func decode(_ type: Int.Type) throws -> Int { try next { try $0.value(of: type) } }
  mutating func decode(_ type: Int8.Type) throws -> Int8 { try next { try $0.value(of: type) } }
  mutating func decode(_ type: Int16.Type) throws -> Int16 { try next { try $0.value(of: type) } }
  mutating func decode(_ type: Int32.Type) throws -> Int32 { try next { try $0.value(of: type) } }
  mutating func decode(_ type: Int64.Type) throws -> Int64 { try next { try $0.value(of: type) } }
  mutating func decode(_ type: UInt.Type) throws -> UInt { try next { try $0.value(of: type) } }
  mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next { try $0.value(of: type) } }
  mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next { try $0.value(of: type) } }
  mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next { try $0.value(of: type) } }
  mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next { try $0.value(of: type) } }
  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try next { try $0.value(of: type) } }

  mutating func nestedContainer<Inner: CodingKey>(keyedBy type: Inner.Type) throws -> KeyedDecodingContainer<Inner> {
    try next { try $0.container(keyedBy: type) }
  }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try next { try $0.unkeyedContainer() }
  }
  mutating func superDecoder() throws -> any Decoder { try next { $0 } }
}

struct JSONSingle: SingleValueDecodingContainer {
  let decoder: JSONValueDecoder
  var codingPath: [any CodingKey] { decoder.codingPath }

  func decodeNil() -> Bool { decoder.value == .null }
  func decode(_ type: Bool.Type) throws -> Bool { try decoder.value(of: type) }
  func decode(_ type: String.Type) throws -> String { try decoder.value(of: type) }
  func decode(_ type: Double.Type) throws -> Double { try decoder.value(of: type) }
  func decode(_ type: Float.Type) throws -> Float { try decoder.value(of: type) }
  func decode(_ type: Int.Type) throws -> Int { try decoder.value(of: type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try decoder.value(of: type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try decoder.value(of: type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try decoder.value(of: type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try decoder.value(of: type) }
  func decode(_ type: UInt.Type) throws -> UInt { try decoder.value(of: type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.value(of: type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.value(of: type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.value(of: type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.value(of: type) }
  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.value(of: type) }
}
