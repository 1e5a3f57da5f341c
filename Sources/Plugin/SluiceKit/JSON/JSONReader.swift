/// Reads JSON (RFC 8259) front to back, refusing what readers disagree about: names given twice, half surrogates,
/// bytes that are no UTF-8, deep nesting.
///
/// Large answers are read piece by piece: `position` before and after a value is where its bytes stand.
public struct JSONReader {
  /// What is read.
  public let bytes: [UInt8]
  /// The next byte. Before a value this may be white space; see ``start()``.
  public private(set) var position = 0
  private var depth = 0
  private let depthMax: Int

  /// Starts at the first byte.
  public init(_ bytes: [UInt8], depthMax: Int = 64) {
    self.bytes = bytes
    self.depthMax = depthMax
  }

  /// Skips white space.
  /// - Returns: Where the next value starts.
  public mutating func start() -> Int {
    while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    return position
  }

  /// Makes sure that nothing follows.
  public mutating func end() throws {
    if start() < bytes.count { throw error("more than one value") }
  }

  /// Reads one value.
  public mutating func value() throws -> JSON {
    switch try next() {
    case UInt8(ascii: "{"):
      var members: [JSON.Member] = []
      try object { (name, reader) in members.append(JSON.Member(name, try reader.value())) }
      return .object(members)
    case UInt8(ascii: "["):
      var items: [JSON] = []
      try array { reader in items.append(try reader.value()) }
      return .array(items)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  /// Reads an object; `member` must read exactly one value for each name.
  public mutating func object(_ member: (String, inout JSONReader) throws -> Void) throws {
    try open("{")
    var names = SeenNames()
    var isFirst = true
    while try next() != UInt8(ascii: "}") {
      if !isFirst { try take(",") }
      isFirst = false
      let at = start()
      let name = try string()
      guard names.insert(name) else {
        position = at
        throw error("a name given twice")
      }
      try take(":")
      try member(name, &self)
    }
    close()
  }

  /// Reads a list; `item` must read exactly one value each time.
  public mutating func array(_ item: (inout JSONReader) throws -> Void) throws {
    try open("[")
    var isFirst = true
    while try next() != UInt8(ascii: "]") {
      if !isFirst { try take(",") }
      isFirst = false
      try item(&self)
    }
    close()
  }

  private mutating func open(_ bracket: Unicode.Scalar) throws {
    try take(bracket)
    depth += 1
    if depth > depthMax { throw error("nested deeper than \(depthMax)") }
  }

  private mutating func close() {
    position += 1
    depth -= 1
  }

  func error(_ reason: String) -> JSONError { JSONError(offset: position, reason: reason) }

  /// The next byte that is no white space.
  private mutating func next() throws -> UInt8 {
    guard start() < bytes.count else { throw error("the text ends too early") }
    return bytes[position]
  }

  private mutating func take(_ scalar: Unicode.Scalar) throws {
    guard try next() == UInt8(ascii: scalar) else { throw error("'\(scalar)' expected") }
    position += 1
  }

  private mutating func word(_ word: String, _ value: JSON) throws -> JSON {
    guard bytes[position...].starts(with: word.utf8) else { throw error("no JSON value") }
    position += word.utf8.count
    return value
  }
}

extension JSONReader {
  /// Reads a number. Whole ones of 64 bits become integers; all others, and "-0", keep their digits.
  private mutating func number() throws -> JSON {
    let first = position
    skip("-")
    let whole = position
    if skipDigits() == 0 { throw error("no JSON value") }
    if bytes[whole] == UInt8(ascii: "0"), position - whole > 1 { throw error("a number that starts with 0") }
    var isWhole = true
    if skip(".") {
      isWhole = false
      if skipDigits() == 0 { throw error("a digit expected") }
    }
    if skip("e") || skip("E") {
      isWhole = false
      if !skip("-") { skip("+") }
      if skipDigits() == 0 { throw error("a digit expected") }
    }
    let digits = String(decoding: bytes[first..<position], as: UTF8.self)
    if isWhole, digits != "-0", let number = Int64(digits) { return .integer(number) }
    return .decimal(digits)
  }

  @discardableResult private mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: scalar) else { return false }
    position += 1
    return true
  }

  private mutating func skipDigits() -> Int {
    let first = position
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
    return position - first
  }

  /// Reads a text.
  public mutating func string() throws -> String {
    try take("\"")
    let first = position
    skipPlain()
    var text: [UInt8] = []
    var hasEscapes = false
    while position < bytes.count, bytes[position] == UInt8(ascii: "\\") {
      text += hasEscapes ? [] : bytes[first..<position]
      hasEscapes = true
      try escape(into: &text)
      let plain = position
      skipPlain()
      text += bytes[plain..<position]
    }
    guard position < bytes.count else { throw error("the text ends too early") }
    guard bytes[position] == UInt8(ascii: "\"") else { throw error("a control character in a text") }
    let read = hasEscapes ? text[...] : bytes[first..<position]
    guard let string = String(validating: read, as: UTF8.self) else { throw error("a text that is no UTF-8") }
    position += 1
    return string
  }

  private mutating func skipPlain() {
    while position < bytes.count, bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\""),
      bytes[position] != UInt8(ascii: "\\")
    { position += 1 }
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    guard position + 1 < bytes.count else { throw error("the text ends too early") }
    let kind = bytes[position + 1]
    position += 2
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(kind)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text += Array(String(Character(try scalar())).utf8)
    default: throw error("an unknown escape")
    }
  }

  /// Reads what follows `\u`: one scalar, in one or two halves.
  private mutating func scalar() throws -> Unicode.Scalar {
    let high = try hexadecimal()
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard high < 0xDC00, skip("\\"), skip("u") else { throw error("half a surrogate pair") }
    let low = try hexadecimal()
    guard (0xDC00...0xDFFF).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    else { throw error("half a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard position + 4 <= bytes.count else { throw error("the text ends too early") }
    var number: UInt32 = 0
    for byte in bytes[position..<(position + 4)] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw error("four hexadecimal digits expected")
      }
      number = number << 4 | UInt32(digit)
    }
    position += 4
    return number
  }
}

/// Names of one object, compared byte by byte: Swift's texts are equal when Unicode says so, JSON's are not.
private struct SeenNames {
  private var few: [[UInt8]] = []
  private var many: Set<[UInt8]> = []

  /// - Returns: False when it was there.
  mutating func insert(_ name: String) -> Bool {
    let key = Array(name.utf8)
    guard many.isEmpty else { return many.insert(key).inserted }
    guard !few.contains(key) else { return false }
    few.append(key)
    if few.count > 16 { many = Set(few) }
    return true
  }
}
