import CanonicalJSON
import Domain
import Testing

@Suite struct `Canonical JSON` {
  @Test func `keys are ordered by UTF-16 code units and white space is dropped`() throws {
    let text = #"{ "\uFB33": 1, "😀": 2, "b": [1, 2.50, -0, 1e21], "a": {"z": null, "y": true} }"#
    let expected = #"{"a":{"y":true,"z":null},"b":[1,2.5,0,1e+21],"😀":2,"דּ":1}"#
    #expect(String(decoding: try canonicalJSON(Array(text.utf8)), as: UTF8.self) == expected)
    #expect(try JSONValue(parsing: text).canonicalText == expected)
  }

  @Test(arguments: [
    ("333333333.33333329", "333333333.3333333"), ("1E30", "1e+30"), ("4.50", "4.5"), ("2e-3", "0.002"),
    ("0.000000000000000000000000001", "1e-27"), ("9007199254740991", "9007199254740991"), ("1e-7", "1e-7"),
    ("0.000001", "0.000001"), ("123456789012345680000", "NaN"), ("1.0", "1"), ("5e-324", "5e-324"),
  ])
  func `numbers are written as ECMAScript writes them`(input: String, expected: String) throws {
    if expected == "NaN" {
      #expect(throws: JSONError.numberOutOfRange) { try canonicalJSON(Array(input.utf8)) }
    } else {
      #expect(String(decoding: try canonicalJSON(Array(input.utf8)), as: UTF8.self) == expected)
      #expect(try JSONValue(parsing: input).canonicalText == expected)
    }
  }

  @Test(arguments: [
    ("{\"a\":1,\"a\":2}", JSONError.duplicateKey), ("{\"a\":1", .malformed), ("", .malformed), ("[1,]", .malformed),
    ("9007199254740992", .numberOutOfRange), ("18446744073709551615", .numberOutOfRange), ("\"\u{1}\"", .malformed),
    (String(repeating: "[", count: 200) + String(repeating: "]", count: 200), .tooDeep(limit: 128)),
  ])
  func `what is not I-JSON is refused by name`(text: String, why: JSONError) {
    #expect(throws: why) { try canonicalJSON(Array(text.utf8)) }
    #expect(throws: why) { try JSONValue(parsing: text) }
  }

  @Test func `two keys that Swift takes for one are refused`() {
    #expect(throws: JSONError.duplicateKey) { try JSONValue(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}") }
  }

  @Test func `invalid UTF-8 is refused`() {
    #expect(throws: JSONError.malformed) { try canonicalJSON([0x22, 0xFF, 0x22]) }
  }

  struct Deal: Codable, Equatable {
    enum Stage: Codable, Equatable { case open, closed(won: Bool) }
    var id: String
    var value: Int?
    var rates: [Double]
    var stage: Stage
    var day: BusinessDay
    var raw: JSONValue
  }

  @Test func `a Swift value survives the round trip`() throws {
    let deal = Deal(
      id: "A1", value: nil, rates: [0.5, 2], stage: .closed(won: true), day: BusinessDay("2017-02-28")!,
      raw: ["x": [1, nil]])
    let json = try JSONValue(encoding: deal)
    #expect(
      json.canonicalText
        == #"{"day":"2017-02-28","id":"A1","rates":[0.5,2],"raw":{"x":[1,null]},"stage":{"closed":{"won":true}}}"#)
    #expect(try json.decode(Deal.self) == deal)
  }

  @Test func `any JSON it writes it reads back as the same value`() throws {
    var state: UInt64 = 42
    func random(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    func value(_ depth: Int) -> JSONValue {
      switch random(depth > 3 ? 5 : 7) {
      case 0: return .null
      case 1: return .bool(random(2) == 0)
      case 2: return .integer(Int64(random(1 << 30)) - (1 << 29))
      case 3:
        let made = Double(bitPattern: (random(1 << 31) << 32) | random(1 << 31))
        return made.isFinite && made.rounded() != made ? .double(made) : .double(0.25)
      case 4:
        return .string(
          String(
            String.UnicodeScalarView((0..<random(9)).compactMap { _ in Unicode.Scalar(UInt32(random(0x11_0000))) })))
      case 5: return .array((0..<random(4)).map { _ in value(depth + 1) })
      default:
        return .object(
          Dictionary((0..<random(4)).map { ("k\($0)\(random(99))", value(depth + 1)) }, uniquingKeysWith: { a, _ in a })
        )
      }
    }
    for _ in 0..<500 {
      let made = value(0)
      #expect(try JSONValue(parsing: made.canonicalBytes) == made)
      #expect(try canonicalJSON(made.canonicalBytes) == made.canonicalBytes)
    }
  }
}

@Suite struct `Business days` {
  @Test func `a day survives text and number`() {
    for number in stride(from: -20_000, to: 40_000, by: 37) {
      let day = BusinessDay(number: number)
      #expect(BusinessDay(day.description) == day)
    }
    #expect(BusinessDay("1970-01-01")?.number == 0)
    #expect(BusinessDay("2017-12-31")!.days(since: BusinessDay("2016-10-20")!) == 437)
    #expect(BusinessDay("2017-02-29") == nil)
    #expect(BusinessDay("2017-2-9") == nil)
  }
}
