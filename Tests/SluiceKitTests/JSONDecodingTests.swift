import SluiceKit
import Testing

@Suite struct `JSON as a type` {
  private struct Deal: Decodable, Equatable {
    struct Owner: Decodable, Equatable { let name: String }
    enum Stage: String, Decodable { case open, won }
    let id: UInt64
    let owner: Owner?
    let stages: [Stage]
    let amounts: [String: Double]
    let raw: JSON
  }

  private func read<Value: Decodable>(_ text: String, as type: Value.Type = Value.self) throws -> Value {
    try JSON(parsing: Array(text.utf8)).decoded()
  }

  @Test func `keeps what the type reads, exactly, and ignores the rest`() throws {
    let deal: Deal = try read(
      #"{"id":18446744073709551615,"owner":{"name":"Zo\u00eb","team":1},"stages":["open","won"],"amounts":{"a":1,"b":2.5e3},"raw":{"x":1.50},"more":[]}"#
    )
    #expect(
      deal
        == Deal(
          id: .max, owner: .init(name: "Zoë"), stages: [.open, .won], amounts: ["a": 1, "b": 2500],
          raw: ["x": .decimal("1.50")]))
  }

  @Test(
    arguments: [
      ("[]", JSONMismatch(path: "", reason: "must be an object")),
      (#"{"id":-1}"#, JSONMismatch(path: "id", reason: "must be a whole number from 0 to 18446744073709551615")),
      (#"{"id":1,"stages":["lost"]}"#, nil),
      (#"{"id":1,"owner":{},"stages":[]}"#, JSONMismatch(path: "owner.name", reason: "is missing")),
      (#"{"id":1,"stages":[],"amounts":{"a":"1"}}"#, JSONMismatch(path: "amounts.a", reason: "must be a number")),
      (#"{"id":1,"stages":[],"amounts":{"a":1e999}}"#, JSONMismatch(path: "amounts.a", reason: "must be a number")),
    ] as [(String, JSONMismatch?)])
  func `names the place that does not fit`(text: String, fault: JSONMismatch?) {
    let found = #expect(throws: (any Error).self) { try read(text, as: Deal.self) }
    if let fault { #expect(found as? JSONMismatch == fault) }
  }

  @Test func `takes names apart that only look alike`() throws {
    let members = (0..<40).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    let found: [String: Int] = try read("{\(members)}")
    #expect(found.count == 40 && found["k39"] == 39)
    struct Composed: Decodable {
      let value: Int
      enum CodingKeys: String, CodingKey { case value = "\u{E9}" }
    }
    #expect(try read("{\"e\u{301}\":1,\"\u{E9}\":2}", as: Composed.self).value == 2)
  }

  @Test func `reads a list of a hundred thousand members in time that grows with it`() throws {
    let items = (0..<100_000).map { "\"\($0)\":\($0)" }.joined(separator: ",")
    let found: [String: Int] = try read("{\(items)}")
    #expect(found.count == 100_000)
  }

  @Test(arguments: [1, 2, 3, 20_261_127] as [UInt64])
  func `of any value gives a type or a fault, and never stops the plugin`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var (read, refused) = (0, 0)
    for _ in 0..<2_000 {
      let value = anyJSON(depth: 4, &random)
      #expect(try value.decoded(as: JSON.self) == value)
      for type in [Deal.self, [Int8].self, [String: [Float?]].self, Bool.self, String?.self, [[JSON]].self]
        as [any Decodable.Type]
      {
        do {
          _ = try value.decoded(as: type)
          read += 1
        } catch { refused += 1 }
      }
    }
    #expect(read > 100 && refused > 1_000, "\(read) read and \(refused) refused: the values tell nothing")
  }
}
