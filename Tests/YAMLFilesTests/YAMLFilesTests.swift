import CanonicalJSON
import ConnectorFabric
import Domain
import Foundation
import Perception
import Testing
import YAMLFiles

private func read(_ text: String) throws(DocumentError) -> SourceDocument {
  try YAMLFile.document(text, name: "f.yaml")
}

private func reviewed(_ path: String) throws -> SourceDocument {
  let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  // `built` stands for the hash that only a build knows.
  let text = try String(contentsOf: root.appending(path: path), encoding: .utf8)
    .replacing("sha256: built", with: "sha256: \"\(String(repeating: "0", count: 64))\"")
  return try YAMLFile.document(text, name: path)
}

@Suite struct `A YAML file` {
  @Test func `becomes a document that knows the line of every value`() throws {
    let document = try read("a: 1\nb:\n  - x\n  - {c: two}\n")
    #expect(document.value == ["a": 1, "b": ["x", ["c": "two"]]])
    #expect(document.mark("b[1].c")?.line == 4)
    #expect(document.mark("b[1].missing")?.line == 4)
  }

  @Test(
    arguments: [
      ("1", 1), ("-7", -7), ("1.0", 1), ("1.5", .double(1.5)), ("1e3", 1000), ("true", true), ("false", false),
      ("null", nil), ("~", nil), ("''", ""), ("\"5\"", "5"), ("yes", "yes"), ("on", "on"), ("1.0.0", "1.0.0"),
      ("0x10", "0x10"), ("2017-03-01", "2017-03-01"), ("+5", 5), ("m/d/Y", "m/d/Y"), (".", "."), ("'true'", "true"),
    ] as [(String, JSONValue)])
  func `means what JSON would mean, and a text otherwise`(text: String, value: JSONValue) throws {
    #expect(try read("v: \(text)").value == ["v": value])
  }

  @Test(
    arguments: [
      ("a: [1", 1), ("a: 1\nb: 2\na: 3", nil), ("a: &x 1\nb: *x", 1), ("a: 1\n---\nb: 2", nil), ("", nil),
      ("a: 99999999999999999", 1), ("? [1]\n: 2", 1), ("\ta: 1", 1),
    ] as [(String, Int?)])
  func `that is ambiguous or no YAML is refused with its line`(text: String, line: Int?) throws {
    let error = try #require(throws: DocumentError.self) { try read(text) }
    #expect(error.file == "f.yaml")
    if let line { #expect(error.line.map { $0 >= line } == true) }
  }

  @Test func `names key and line when a reader complains`() throws {
    let document = try read("sluice: 1\nheat:\n  up_min: many\n")
    let error = try #require(throws: DocumentError.self) { try Thresholds(document) }
    #expect(error.path == "heat.up_min" && error.line == 3)
    let bands = try read("sluice: 1\nrates:\n  # days\n  band_days: 0\n")
    let fault = try #require(throws: DocumentError.self) { try Thresholds(bands) }
    #expect(fault.path == "rates.band_days" && fault.line == 4)
    let unknown = try read("sluice: 1\nheta:\n  up_min: 3\nlist:\n- 1\n")
    #expect(unknown.mark("heta")?.line == 2 && unknown.mark("heta.up_min")?.line == 3)
    #expect(unknown.mark("list")?.line == 4 && unknown.mark("list[0]")?.line == 5)
  }
}

@Suite struct `The reviewed files` {
  @Test func `declare the CRM as the fabric and perception read it`() throws {
    let document = try reviewed("manifests/crm.yaml")
    let manifest = try Manifest(document)
    #expect(manifest.streams.map(\.name.rawValue) == ["accounts", "products", "reps", "opportunities"])
    #expect(manifest.requests.map { "\($0.method) \($0.effect)" } == Array(repeating: "GET read", count: 4))
    #expect(manifest.webhook?.scheme == "standard_webhooks")
    let mapping = try Mapping(manifest: document)
    #expect(Set(mapping.streams.keys) == Set(manifest.streams.map(\.name.rawValue)))
  }

  @Test func `declare Stripe as the fabric and perception read it`() throws {
    let document = try reviewed("manifests/stripe.yaml")
    let manifest = try Manifest(document)
    #expect(manifest.webhook?.scheme == "stripe" && manifest.webhook?.id == .body(["id"]))
    #expect(manifest.requests.map(\.path.description).sorted().first == "/v1/charges" && manifest.requests.count == 6)
    // What has no entity is not mapped to one that does not fit.
    let mapped = Set(try Mapping(manifest: document).streams.keys)
    #expect(mapped == ["customers", "products"] && mapped.isSubset(of: manifest.streams.map(\.name.rawValue)))
  }

  @Test func `map the records that the CRM's description shows`() throws {
    let mapping = try Mapping(manifest: try reviewed("manifests/crm.yaml"))
    let deal = try JSONValue(
      parsing: """
        {"id":"1C1I7A6R","owner":"Moses Frase","product":"GTX Plus Basic","account":"Cancity","stage":"Won",
         "engage_date":"10/20/2016","close_date":"3/1/2017","close_value":1054,"expected_close_date":null,
         "updated_at":"2017-03-01","version":2}
        """)
    let stream = try #require(mapping.streams["opportunities"])
    #expect(
      try stream.fields(of: deal) == [
        "owner": "Moses Frase", "product": "GTX Plus Basic", "account": "Cancity", "stage": "won",
        "engaged_on": "2016-10-20", "closed_on": "2017-03-01", "value": 105_400,
      ])
    #expect(try stream.day(of: deal) == BusinessDay("2017-03-01"))
  }

  @Test func `hold the thresholds that Perception starts with`() throws {
    #expect(try Thresholds(try reviewed("policies/thresholds.yaml")) == Thresholds())
  }
}
