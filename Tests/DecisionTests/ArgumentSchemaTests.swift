import Domain
import TestKit
import Testing

@Suite struct `A tool's schema` {
  @Test(arguments: ["format", "oneOf", "$ref", "not", "uniqueItems"])
  func `a keyword that is not checked is refused by name`(keyword: String) throws {
    #expect(
      throws: ToolError.schemaRefused(tool: "t.x", path: "set.a", keyword: keyword, reason: "is not supported")
    ) {
      try ToolDescription(
        name: "t.x", summary: "", effect: .write,
        input: ["properties": ["set": ["properties": ["a": .object([keyword: "x"])]]]], compensation: nil,
        costCents: 0, instance: nil)
    }
  }

  static let schema: JSONValue = [
    "type": "object", "required": ["a"], "additionalProperties": false,
    "properties": [
      "a": ["type": "string", "minLength": 2, "maxLength": 3],
      "b": ["type": ["integer", "null"], "minimum": 1, "maximum": 5],
      "c": ["enum": ["x", 7]], "d": ["type": "array", "items": ["type": "number"]],
      "e": ["type": "object", "minProperties": 1, "additionalProperties": ["type": "boolean"]], "f": ["const": "Lost"],
    ],
  ]

  @Test(
    arguments: [
      ["a": "ab"], ["a": "åäö", "b": nil, "c": 7, "d": [1, 2], "e": ["k": true], "f": "Lost"], ["a": "👍🏽"],
    ] as [JSONValue])
  func `arguments that fit pass`(arguments: JSONValue) throws {
    try ArgumentSchema(Self.schema).check(arguments)
  }

  @Test(
    arguments: [
      ([], ""), ([:], "a"), (["a": 1], "a"), (["a": "a"], "a"), (["a": "abcd"], "a"), (["a": "ab", "z": 1], "z"),
      (["a": "ab", "b": 0], "b"), (["a": "ab", "b": 6], "b"), (["a": "ab", "b": "1"], "b"),
      (["a": "ab", "c": "y"], "c"),
      (["a": "ab", "d": [1, "2"]], "d[1]"), (["a": "ab", "e": [:]], "e"), (["a": "ab", "e": ["k": 1]], "e.k"),
      (["a": "ab", "f": "Won"], "f"),
    ] as [(JSONValue, String)])
  func `arguments that do not fit are refused with their place`(arguments: JSONValue, path: String) throws {
    let schema = try ArgumentSchema(Self.schema)
    let misfit = #expect(throws: ArgumentSchema.Misfit.self) { try schema.check(arguments) }
    #expect(misfit?.path == path)
  }

  @Test func `every place that does not fit is found, up to a bound`() throws {
    let schema = try ArgumentSchema(Self.schema)
    let found = schema.misfits(of: ["b": 0, "c": "y", "d": [1, "2", "3"], "z": 1, "e": ["k": 1]])
    #expect(found.map(\.path) == ["a", "b", "c", "d[1]", "d[2]", "e.k", "z"])
    #expect(schema.misfits(of: ["b": 0, "c": "y"], countMax: 2).map(\.path) == ["a", "b"])
    #expect(schema.misfits(of: ["a": "ab"]) == [])
  }

  @Test(arguments: [
    "[0-9]+", "^a++$", "^(a|b)$", "^\\d$", "^[^a]$", "^+$", "^.$", "^a{65}$", "^a{65,}$", "^[z-a]$", "^[$", "a", "",
  ])
  func `a pattern beyond what can be checked is refused`(pattern: String) throws {
    let fault = #expect(throws: ArgumentSchema.Fault.self) { try ArgumentSchema(["pattern": .string(pattern)]) }
    #expect(fault?.keyword == "pattern")
  }

  @Test(arguments: [
    ("5/20/2017", true), ("12/1/2017", true), ("2017-05-20", false), ("5/20/201", false), ("5/20/2017\n", false),
    ("", false), ("٥/20/2017", false),
  ])
  func `a pattern fits the whole text`(text: String, fits: Bool) throws {
    let pattern = try #require(ArgumentPattern("^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$"))
    #expect(pattern.fits(text) == fits)
  }

  @Test func `a pattern means what it means to everybody else`() throws {
    var chance = SplitMix64(seed: 12)
    var fitting = 0
    for _ in 0..<2_000 {
      let pieces = (0..<Int.random(in: 1...4, using: &chance)).map { _ in
        ["a", "b", "[ab]", "[a-c]"].randomElement(using: &chance)!
          + ["", "?", "*", "+", "{2}", "{1,}", "{0,2}"].randomElement(using: &chance)!
      }
      let text = "^" + pieces.joined() + "$"
      let pattern = try #require(ArgumentPattern(text))
      let reference = try Regex("^(?:" + pieces.joined() + ")$")
      let sample = String((0..<Int.random(in: 0...7, using: &chance)).map { _ in "abc".randomElement(using: &chance)! })
      #expect(pattern.fits(sample) == (sample.wholeMatch(of: reference) != nil), "\(text) and \(sample)")
      fitting += pattern.fits(sample) ? 1 : 0
    }
    #expect(fitting > 200)
  }

  @Test func `no text makes a pattern slow`() throws {
    let pattern = try #require(ArgumentPattern("^" + String(repeating: "a*", count: 40) + "b$"))
    #expect(!pattern.fits(String(repeating: "a", count: 20_000)))
  }
}
