import CanonicalJSON
import Domain
import Testing
import YAMLFiles

@testable import ConnectorFabric

@Suite struct `The authority of a plugin` {
  static let text = """
    sluice: 1
    name: gauge
    version: "1.0.0"
    summary: Readings of a gauge.
    kind: source
    library: {file: gauge.so, abi: 1, sha256: "\(String(repeating: "ab", count: 32))"}
    endpoints:
      gauge: {base: "https://gauge.example"}
    slots:
      api: {scheme: bearer, endpoint: gauge}
      keys: {scheme: hmac, endpoint: gauge, algorithm: sha256, encoding: hex, header: X-Sig, sign: "{method}{body}"}
    requests:
      - {id: readings, endpoint: gauge, method: GET, path: "/v1/{station}/readings", slot: api, effect: read}
      - {id: stations, endpoint: gauge, method: GET, path: "/v1/stations", slot: api, effect: read}
    streams:
      - {name: readings, delivery: replayable}
    schedule: {interval_ms: 60000}
    config: {type: object, properties: {station: {type: string, pattern: "^[a-z]+$"}}}
    limits: {memory_bytes: 134217728, cpu_seconds: 60}
    """

  private func authority(_ text: String = Self.text) throws -> Authority {
    let document = try YAMLFile.document(text, name: "gauge.yaml")
    return Authority(try Manifest(document), document: document.value)
  }

  @Test func `is the same for the same manifest, however it is written`() throws {
    let other = Self.text.replacing("schedule: {interval_ms: 60000}", with: "schedule:\n  interval_ms: 60000")
    #expect(other != Self.text)
    #expect(try authority(other).changes(from: authority()) == [])
  }

  @Test(arguments: [
    ("https://gauge.example", "https://other.example", "endpoints.gauge.base"),
    ("scheme: bearer", "scheme: basic", "slots.api.scheme"),
    ("{method}{body}", "{method}", "slots.keys.sign"),
    ("/v1/{station}/readings", "/{station}", "requests[readings].path"),
    (
      "id: stations, endpoint: gauge, method: GET", "id: stations, endpoint: gauge, method: POST",
      "requests[stations].method"
    ),
    (
      "/v1/stations\", slot: api, effect: read", "/v1/stations\", slot: api, effect: write", "requests[stations].effect"
    ),
    ("interval_ms: 60000", "interval_ms: 1000", "schedule.interval_ms"),
    ("{name: readings, delivery: replayable}", "{name: levels, delivery: replayable}", "streams["),
    ("^[a-z]+$", "^[a-z/]+$", "config.properties.station.pattern"),
    ("memory_bytes: 134217728", "memory_bytes: 268435456", "limits.memory_bytes"),
    ("cpu_seconds: 60", "cpu_seconds: 0", "limits.cpu_seconds"),
    ("cpu_seconds: 60", "cpu_seconds: 60, files: 4096", "limits.files"),
  ])
  func `shows whatever a later version says otherwise`(old: String, new: String, path: String) throws {
    let later = Self.text.replacing(old, with: new, maxReplacements: 1)
    #expect(later != Self.text)
    let document = try YAMLFile.document(later, name: "gauge.yaml")
    // What this version of Sluice refuses cannot be installed, so it has no authority to show.
    let manifest = try Manifest(document)
    let changes = try Authority(manifest, document: document.value).changes(from: authority())
    #expect(!changes.isEmpty)
    #expect(changes.allSatisfy { $0.contains(path) }, "\(changes)")
  }

  @Test func `needs no second word for a new name of the version, less memory or another summary`() throws {
    let later = Self.text.replacing("1.0.0", with: "1.0.1").replacing("134217728", with: "67108864")
      .replacing("Readings of a gauge.", with: "Readings.").replacing("abab", with: "cdcd")
    #expect(try authority(later).changes(from: authority()) == [])
  }

  @Test func `shows two requests of one name apart, and one that went away`() throws {
    let line = "  - {id: stations, endpoint: gauge, method: GET, path: \"/v1/stations\", slot: api, effect: read}\n"
    let fewer = Self.text.replacing(line, with: "")
    #expect(fewer != Self.text)
    let changes = try authority(fewer).changes(from: authority())
    #expect(changes.contains { $0.hasPrefix("gone     requests[stations].path") })
    #expect(
      try authority().changes(from: authority(fewer)).contains { $0.hasPrefix("new      requests[stations].path") })
  }

  @Test func `does not take a key with a dot for two keys`() throws {
    let nested = Self.text.replacing(
      "config: {type: object, properties: {station:",
      with: "config: {type: object, properties: {a: {type: object, description: x}, station:")
    let dotted = Self.text.replacing(
      "config: {type: object, properties: {station:",
      with: "config: {type: object, properties: {\"a.type\": {type: string}, station:")
    #expect(nested != Self.text && dotted != Self.text)
    let changes = try authority(dotted).changes(from: authority(nested))
    #expect(changes.contains { $0.hasPrefix("new      config.properties.\"a.type\".type") }, "\(changes)")
  }

  @Test(arguments: ["1.0", "../../evil", "1.0.0/../../x", "latest"])
  func `is asked of no manifest whose version is none`(version: String) throws {
    #expect(throws: DocumentError.self) { try authority(Self.text.replacing("\"1.0.0\"", with: "\"\(version)\"")) }
  }

  @Test func `is asked of no manifest whose summary is more than a line`() throws {
    let forged = Self.text.replacing("Readings of a gauge.", with: "\"Fine.\\nsigned by nobody you must fear\"")
    #expect(throws: DocumentError.self) { try authority(forged) }
  }
}
