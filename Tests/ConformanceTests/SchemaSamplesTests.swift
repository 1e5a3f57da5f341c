import CanonicalJSON
import ConnectorFabric
import Domain
import Testing

@testable import Conformance

@Suite struct `Values made up from a schema` {
  private func samples(_ schema: JSONValue, like known: JSONValue? = nil) -> [JSONValue?] {
    var samples = SchemaSamples(chance: SplitMix64(seed: 3, name: "samples"))
    return (0..<200).map { _ in samples.value(schema, like: known) }
  }

  @Test func `fit the schema, whatever its limits are`() throws {
    let schemas: [JSONValue] = [
      ["type": "object", "required": ["n"], "properties": ["n": ["type": "integer", "minimum": 3, "maximum": 5]]],
      ["type": "integer", "maximum": .double(1e300)], ["type": "integer", "minimum": .double(-1e300)],
      ["type": "integer", "minimum": .integer(.max)], ["type": "integer", "maximum": .integer(.min)],
      ["type": "integer", "minimum": .double(2.5), "maximum": .double(3.5)],
      ["type": "string", "minLength": 2, "maxLength": 4], ["type": "string", "pattern": "^[a-z0-9-]{1,32}$"],
    ]
    for schema in schemas {
      let checked = try ArgumentSchema(schema)
      for sample in samples(schema) { try checked.check(#require(sample)) }
    }
  }

  @Test func `take from what is known what cannot be made up, and else give nothing`() {
    let schema: JSONValue = [
      "type": "object", "required": ["id", "n"],
      "properties": ["id": ["type": "string", "pattern": "^v-[0-9]{7}$"], "n": ["type": "integer"]],
    ]
    #expect(samples(schema).allSatisfy { $0 == nil })
    let known = samples(schema, like: ["id": "v-1234567", "n": 0])
    #expect(known.allSatisfy { $0?["id"]?.string == "v-1234567" })
    #expect(Set(known.map { $0?["n"]?.integer }).count > 10)
  }
}
