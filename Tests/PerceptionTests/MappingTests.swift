import CanonicalJSON
import Domain
import Perception
import Testing

private func document(_ change: (inout [String: JSONValue]) -> Void) throws -> SourceDocument {
  var field: [String: JSONValue] = ["path": "value", "type": "money", "unit": "dollars"]
  change(&field)
  let stream: JSONValue = ["entity": "opportunity", "fields": ["value": .object(field)]]
  return SourceDocument(
    name: "m.yaml", value: ["mapping": ["streams": ["deals": stream]]], marks: ["": .init(line: 1, column: 1)])
}

@Suite struct `A mapping` {
  @Test(
    arguments: [
      ("type", "text", "mapping.streams.deals.fields.value.type", "money"),
      ("unit", "euros", "mapping.streams.deals.fields.value.unit", "cents, dollars"),
      ("path", "a..b", "mapping.streams.deals.fields.value.path", "names joined by dots"),
      ("colour", "red", "mapping.streams.deals.fields.value.colour", "path, type, required, unit"),
    ])
  func `names the key that is wrong and what is allowed`(key: String, value: String, path: String, allowed: String)
    throws
  {
    let document = try document { $0[key] = .string(value) }
    let error = try #require(throws: DocumentError.self) { try Mapping(manifest: document) }
    #expect(error.path == path)
    #expect(error.allowed.contains(allowed))
  }

  private func parse(_ stream: JSONValue) throws {
    let document = SourceDocument(name: "m", value: ["mapping": ["streams": ["s": stream]]], marks: [:])
    _ = try Mapping(manifest: document)
  }

  @Test func `knows no entity and no field beside its own`() throws {
    let error = try #require(throws: DocumentError.self) { try parse(["entity": "ship", "fields": [:]]) }
    #expect(error.allowed == "rep, product, account, opportunity")
    let other = try #require(throws: DocumentError.self) {
      try parse(["entity": "rep", "fields": ["height": ["path": "h", "type": "integer"]]])
    }
    #expect(other.allowed == "manager, name, region")
  }

  @Test func `refuses two date formats that read one text differently`() throws {
    let formats: JSONValue = ["path": "d", "type": "date", "format": ["m/d/Y", "d/m/Y"]]
    let error = try #require(throws: DocumentError.self) {
      try parse(["entity": "opportunity", "fields": ["closed_on": formats]])
    }
    #expect(error.path == "mapping.streams.s.fields.closed_on.format[1]")
  }

  @Test(
    arguments: [
      ("m/d/Y", "3/1/2017", "2017-03-01"), ("m/d/Y", "03/01/2017", "2017-03-01"), ("d.m.Y", "1.3.2017", "2017-03-01"),
      ("Y-m-d", "2017-03-01", "2017-03-01"), ("rfc3339", "2017-03-01T23:59:00Z", "2017-03-01"),
      ("m/d/Y", "13/1/2017", nil), ("m/d/Y", "2/29/2017", nil), ("m/d/Y", "3/1/17", nil), ("m/d/Y", "3-1-2017", nil),
      ("m/d/Y", "3/1/2017 ", nil), ("rfc3339", "2017-03-01T23:59:00+05:00", nil),
    ] as [(String, String, String?)])
  func `reads a date only as it is said to be written`(format: String, text: String, day: String?) throws {
    let format = try #require(DateFormat(format))
    #expect(format.read(text)?.description == day)
  }

  @Test(
    arguments: [
      ("dollars", 1054, 105400), ("dollars", .double(0.1), 10), ("dollars", "12.30", 1230),
      ("dollars", .double(-3.07), -307),
      ("million_dollars", .double(1100.04), 110_004_000_000), ("cents", 5, 5), ("dollars", .double(0.001), nil),
      ("cents", .double(0.5), nil),
      ("dollars", "1,054", nil), ("dollars", "", nil), ("dollars", .double(1e300), nil),
    ] as [(String, JSONValue, Int64?)])
  func `takes money to the cent, and rounds nothing`(unit: String, value: JSONValue, cents: Int64?) throws {
    let mapping = try Mapping(manifest: try document { $0["unit"] = .string(unit) })
    let stream = try #require(mapping.streams["deals"])
    let found = try? stream.fields(of: ["value": value])["value"]?.integer
    #expect(found == cents)
  }

  @Test(
    arguments: [
      (["stage": "Open"], nil), (["stage": nil], "record.missing_field"), (["stage": 5], "record.wrong_type"),
      (["stage": "Sold"], "record.unknown_choice"), (["stage": "Open", "engaged": "2024-02-30"], "record.not_a_date"),
      (["stage": "Open", "value": "many"], "record.not_in_cents"), ([], "record.not_an_object"),
    ] as [(JSONValue, String?)])
  func `says by name why a record does not fit`(record: JSONValue, code: String?) throws {
    let manifest = SourceDocument(name: "m", value: try JSONValue(parsing: manifestText), marks: [:])
    let stream = try #require(try Mapping(manifest: manifest).streams["deals"])
    var found: String?
    do throws(RecordFault) { _ = try stream.fields(of: record) } catch { found = error.code }
    #expect(found == code)
  }

  @Test func `and thresholds are checked before they are journaled`() throws {
    func check(_ value: JSONValue) throws {
      try PerceptionStage.check(.thresholds, SourceDocument(name: "t", value: value, marks: [:]))
    }
    try check(["sluice": 1])
    let error = try #require(throws: DocumentError.self) { try check(["sluice": 1, "heat": ["up_mili": 3]]) }
    #expect(error.path == "heat.up_mili")
    #expect(throws: DocumentError.self) { try check(["sluice": 1, "load": ["factor_milli": 1100]]) }
  }
}
