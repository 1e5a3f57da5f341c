import Domain

extension JSONValue {
  /// A Swift value as JSON. Optionals that are nil are left out; integers must lie within ±(2^53 − 1).
  package init(encoding value: some Encodable) throws {
    if let already = value as? JSONValue {
      self = already
      return
    }
    let box = Box()
    try value.encode(to: ValueEncoder(box: box, codingPath: []))
    self = box.value
  }
}

/// Where one value of the tree being written will stand.
private final class Box {
  enum Content {
    case value(JSONValue)
    case object([String: Box])
    case array([Box])
  }
  var content = Content.object([:])

  var value: JSONValue {
    switch content {
    case .value(let value): value
    case .object(let members): .object(members.mapValues(\.value))
    case .array(let items): .array(items.map(\.value))
    }
  }

  func member(_ key: String) -> Box {
    let box = Box()
    if case .object(var members) = content {
      content = .value(.null)  // drops the second reference, so that the dictionary is changed in place
      members[key] = box
      content = .object(members)
    }
    return box
  }

  func append() -> Box {
    let box = Box()
    if case .array(var items) = content {
      content = .value(.null)
      items.append(box)
      content = .array(items)
    }
    return box
  }

  func put(_ value: some Encodable, _ path: [any CodingKey]) throws {
    if let json = value as? JSONValue {
      content = .value(json)
    } else {
      try value.encode(to: ValueEncoder(box: self, codingPath: path))
    }
  }

  func put(integer value: some BinaryInteger, _ path: [any CodingKey]) throws {
    guard let exact = Int64(exactly: value), abs(exact) <= (1 << 53) - 1 else {
      throw EncodingError.invalidValue(
        value, .init(codingPath: path, debugDescription: "an integer beyond ±(2^53 − 1); write it as a string"))
    }
    content = .value(.integer(exact))
  }

  func put(double value: Double, _ path: [any CodingKey]) throws {
    guard value.isFinite else {
      throw EncodingError.invalidValue(value, .init(codingPath: path, debugDescription: "not a finite number"))
    }
    let whole = value.rounded(.towardZero) == value && abs(value) <= Double((1 << 53) - 1)
    content = .value(whole ? .integer(Int64(value)) : .double(value))
  }
}

private struct ValueEncoder: Encoder {
  let box: Box
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    // A type may ask for its container again (enum payloads): keep what is there.
    if case .object = box.content {} else { box.content = .object([:]) }
    return KeyedEncodingContainer(KeyedContainer<Key>(box: box, codingPath: codingPath))
  }
  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    box.content = .array([])
    return ListContainer(box: box, codingPath: codingPath)
  }
  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleContainer(box: box, codingPath: codingPath)
  }
}

private struct KeyedContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let box: Box
  let codingPath: [any CodingKey]

  func encodeNil(forKey key: Key) { box.member(key.stringValue).content = .value(.null) }
  func encode(_ value: Bool, forKey key: Key) { box.member(key.stringValue).content = .value(.bool(value)) }
  func encode(_ value: String, forKey key: Key) { box.member(key.stringValue).content = .value(.string(value)) }
  func encode(_ value: Double, forKey key: Key) throws {
    try box.member(key.stringValue).put(double: value, codingPath + [key])
  }
  func encode(_ value: Int, forKey key: Key) throws {
    try box.member(key.stringValue).put(integer: value, codingPath + [key])
  }
  func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    try box.member(key.stringValue).put(value, codingPath + [key])
  }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    ValueEncoder(box: box.member(key.stringValue), codingPath: codingPath + [key]).container(keyedBy: type)
  }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    ValueEncoder(box: box.member(key.stringValue), codingPath: codingPath + [key]).unkeyedContainer()
  }
  func superEncoder() -> any Encoder { ValueEncoder(box: box.member("super"), codingPath: codingPath) }
  func superEncoder(forKey key: Key) -> any Encoder {
    ValueEncoder(box: box.member(key.stringValue), codingPath: codingPath + [key])
  }
}

private struct ListContainer: UnkeyedEncodingContainer {
  let box: Box
  let codingPath: [any CodingKey]
  var count: Int { if case .array(let items) = box.content { items.count } else { 0 } }

  func encodeNil() { box.append().content = .value(.null) }
  func encode<T: Encodable>(_ value: T) throws { try box.append().put(value, codingPath) }
  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
    ValueEncoder(box: box.append(), codingPath: codingPath).container(keyedBy: type)
  }
  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    ValueEncoder(box: box.append(), codingPath: codingPath).unkeyedContainer()
  }
  func superEncoder() -> any Encoder { ValueEncoder(box: box.append(), codingPath: codingPath) }
}

private struct SingleContainer: SingleValueEncodingContainer {
  let box: Box
  let codingPath: [any CodingKey]

  func encodeNil() { box.content = .value(.null) }
  func encode(_ value: Bool) { box.content = .value(.bool(value)) }
  func encode(_ value: String) { box.content = .value(.string(value)) }
  func encode(_ value: Double) throws { try box.put(double: value, codingPath) }
  func encode(_ value: Float) throws { try box.put(double: Double(value), codingPath) }
  func encode(_ value: Int) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: Int8) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: Int16) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: Int32) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: Int64) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: UInt) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: UInt8) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: UInt16) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: UInt32) throws { try box.put(integer: value, codingPath) }
  func encode(_ value: UInt64) throws { try box.put(integer: value, codingPath) }
  func encode<T: Encodable>(_ value: T) throws { try box.put(value, codingPath) }
}
