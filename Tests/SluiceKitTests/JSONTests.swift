import SluiceKit
import Testing

@Suite struct `JSON of the kit` {
  @Test(arguments: [
    "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-0",
    "1.50", "1e9", "1E+400", "0.1", "12345678901234567890.000", #""""#, #""Zoë 😀 \"\\\b\f\n\r\t\u0000\u001f/""#, "[]",
    "{}", #"[1,[2,{"b":1,"a":[null]}],"x"]"#, "{\"\":0,\"\u{E9}\":1,\"e\u{301}\":2}",
  ])
  func `writes what it read, byte for byte`(text: String) throws {
    #expect(String(decoding: try JSON(parsing: Array(text.utf8)).bytes, as: UTF8.self) == text)
  }

  @Test func `reads white space and escapes, and writes the shortest form`() throws {
    let text = " { \"a\\u0041\\ud83d\\ude00\\/\" :\t[ 1 , 2 ]\r\n} "
    #expect(String(decoding: try JSON(parsing: Array(text.utf8)).bytes, as: UTF8.self) == #"{"aA😀/":[1,2]}"#)
  }

  @Test(
    arguments: [
      ("", 0, "the text ends too early"), ("  ", 2, "the text ends too early"), ("nul", 0, "no JSON value"),
      ("1 2", 2, "more than one value"), ("[1,]", 3, "no JSON value"), ("[1 2]", 3, "',' expected"),
      (#"{"a":1,}"#, 7, "'\"' expected"), (#"{"a" 1}"#, 5, "':' expected"),
      (#"{"a":1,"a":2}"#, 7, "a name given twice"),
      (#"{"a":1,"\u0061":2}"#, 7, "a name given twice"), ("01", 2, "a number that starts with 0"),
      ("+1", 0, "no JSON value"), ("1.", 2, "a digit expected"), (".5", 0, "no JSON value"),
      ("1e", 2, "a digit expected"),
      ("-", 1, "no JSON value"), ("\"a\u{1}\"", 2, "a control character in a text"), (#""\x""#, 3, "an unknown escape"),
      (#""\ud800""#, 7, "half a surrogate pair"), (#""\udc00\ud800""#, 7, "half a surrogate pair"),
      (#""\ud800\u0041""#, 13, "half a surrogate pair"), (#""\u00g0""#, 3, "four hexadecimal digits expected"),
      (#""abc"#, 4, "the text ends too early"), (#""\"#, 1, "the text ends too early"), ("NaN", 0, "no JSON value"),
    ] as [(String, Int, String)])
  func `refuses what is no JSON, and says where`(text: String, offset: Int, reason: String) {
    #expect(throws: JSONError(offset: offset, reason: reason)) { try JSON(parsing: Array(text.utf8)) }
  }

  @Test(arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]])
  func `refuses texts that are no UTF-8`(bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSON(parsing: [0x22] + bytes + [0x22]) }
  }

  @Test func `refuses deep nesting before the stack knows`() {
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
    #expect(throws: JSONError(offset: 65, reason: "nested deeper than 64")) { try JSON(parsing: deep) }
    #expect(throws: Never.self) {
      try JSON(parsing: Array((String(repeating: "[", count: 64) + String(repeating: "]", count: 64)).utf8))
    }
  }

  @Test func `finds a name given twice among many`() {
    let members = (0..<1000).map { "\"k\($0)\":1" }.joined(separator: ",")
    #expect(throws: Never.self) { try JSON(parsing: Array("{\(members)}".utf8)) }
    #expect(throws: JSONError.self) { try JSON(parsing: Array("{\(members),\"k500\":1}".utf8)) }
  }

  @Test(arguments: [1, 2, 3, 20_261_122] as [UInt64])
  func `any value survives writing and reading`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<500 {
      let value = anyJSON(depth: 5, &random)
      #expect(try JSON(parsing: value.bytes).bytes == value.bytes, "seed \(seed)")
    }
  }

  @Test(arguments: [1, 2, 3, 20_261_122] as [UInt64])
  func `damaged text is refused or reads as what it then says`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<2000 {
      var bytes = anyJSON(depth: 4, &random).bytes
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        let tokens = Array("{}[]\":,\\u019e-+.tfn \u{0}".utf8) + [0x80, 0xFF, 0xED]
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[at] = tokens.randomElement(using: &random)!
        case 1: bytes.insert(tokens.randomElement(using: &random)!, at: at)
        default: bytes.removeSubrange(at...)
        }
        if bytes.isEmpty { bytes = [0x30] }
      }
      guard let value = try? JSON(parsing: bytes) else { continue }
      #expect((try? JSON(parsing: value.bytes))?.bytes == value.bytes, "seed \(seed)")
    }
  }
}

/// Any value that JSON can have.
func anyJSON(depth: Int, _ random: inout SeededRandom) -> JSON {
  switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
  case 0: .null
  case 1: .bool(Bool.random(using: &random))
  case 2: .integer(Int64.random(in: .min ... .max, using: &random))
  case 3: .integer(Int64.random(in: -9...9, using: &random))
  case 4: .decimal("\(Int64.random(in: 0...99, using: &random)).\(UInt32.random(in: 0...99, using: &random))e-7")
  case 5: .string(anyText(&random))
  case 6: .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in anyJSON(depth: depth - 1, &random) })
  default:
    .object(
      (0..<Int.random(in: 0..<20, using: &random)).map {
        JSON.Member("\($0)" + anyText(&random), anyJSON(depth: depth - 1, &random))
      })
  }
}

private func anyText(_ random: inout SeededRandom) -> String {
  let scalars: [ClosedRange<UInt32>] = [0...0x7F, 0x80...0x7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF]
  return String(
    String.UnicodeScalarView(
      (0..<Int.random(in: 0..<12, using: &random)).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: scalars.randomElement(using: &random)!, using: &random))
      }))
}
