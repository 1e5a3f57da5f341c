import SluiceKit
import Testing

@testable import CRMSourcePlugin

private func page(_ items: [String] = [], next: String? = nil, asOf: String) throws -> Page {
  let records = items.map { #"{"id":"\#($0)","version":1,"updated_at":"2017-03-01"}"# }.joined(separator: ",")
  let cursor = next.map { #"{"id":"\#($0)","updated_at":"2017-03-01"}"# } ?? "null"
  return try Page(parsing: Array(#"{"items":[\#(records)],"next":\#(cursor),"as_of":"\#(asOf)","more":[1]}"#.utf8))
}

private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

@Suite struct `A pull of the CRM` {
  @Test func `asks for everything at first, then behind each page`() throws {
    var paging = try Paging(state: nil, version: 1)
    #expect(paging.query(limit: 2).map(\.value) == ["2"])
    let step = try paging.advance(past: page(["a", "b"], next: "b", asOf: "2017-03-02"))
    #expect(text(step.state) == #"{"day":"2017-03-01","id":"b","as_of":"2017-03-02"}"# && step.watermarkMs == nil)
    #expect(paging.query(limit: 2).map(\.value) == ["2", "2017-03-01", "b"])
  }

  @Test(arguments: [["2017-03-02", "2017-03-03"], ["2017-03-03", "2017-03-02"], ["2017-03-02", "2017-03-02"]])
  func `claims the smallest day that its pages were of`(days: [String]) throws {
    var paging = try Paging(state: nil, version: 1)
    _ = try paging.advance(past: page(["a"], next: "a", asOf: days[0]))
    let last = try paging.advance(past: page(["b"], asOf: days[1]))
    #expect(last.isLast && text(last.state) == #"{"day":"2017-03-02"}"#)
    #expect(last.watermarkMs == Day(iso: "2017-03-02")!.endMs)
  }

  @Test func `carries the smallest day over an interruption`() throws {
    var first = try Paging(state: nil, version: 1)
    let step = try first.advance(past: page(["a"], next: "a", asOf: "2017-03-02"))
    var second = try Paging(state: step.state, version: 1)
    #expect(second.query(limit: 1).map(\.value) == ["1", "2017-03-01", "a"])
    #expect(text(try second.advance(past: page(asOf: "2017-03-09")).state) == #"{"day":"2017-03-02"}"#)
  }

  @Test func `refuses to come back to a cursor, its own start included`() throws {
    var paging = try Paging(state: Array(#"{"day":"2017-03-01","id":"a"}"#.utf8), version: 1)
    _ = try paging.advance(past: page(["b"], next: "b", asOf: "2017-03-01"))
    let failure = try #require(throws: Failure.self) {
      try paging.advance(past: page(["a"], next: "a", asOf: "2017-03-01"))
    }
    #expect(failure.code == "crm.endless_list" && failure.message.contains("2017-03-01/a"))
  }

  @Test(arguments: ["", "x", "[]", "{}", #"{"day":"2017-3-1"}"#, #"{"day":20170301}"#])
  func `refuses a state that is not its own`(state: String) throws {
    let failure = try #require(throws: Failure.self) { try Paging(state: Array(state.utf8), version: 1) }
    #expect(failure.kind == .permanent)
  }

  @Test func `keeps each record's bytes as they came`() throws {
    let odd = #"{ "version":2, "id":"a", "x":1.50, "updated_at":"2017-03-01" , "deleted":true}"#
    let page = try Page(parsing: Array(#"{"next":null, "as_of":"2017-03-01", "items":[ \#(odd) ]}"#.utf8))
    let record = try #require(page.items.first).record
    #expect(text(record.payload) == odd && record.operation == .delete && record.sourceOrdinal == 2)
    #expect(record.eventTimeMs == 1_488_326_400_000 && record.sourceVersion == "2")
  }

  @Test func `needs no worker to be tried`() throws {
    let source = try CRMSource(CRMSource.Configuration())
    let body = #"{"items":[{"id":"a","version":1,"updated_at":"2017-03-01"}],"next":null,"as_of":"2017-03-01"}"#
    let host = ScriptedHost([HTTPResponse(status: 200, body: Array(body.utf8))])
    try source.pull(Pull(.accounts), host: host)
    #expect(host.records.map(\.key) == ["a"] && host.checkpoints.map(\.stream) == ["accounts"])
    #expect(host.requests.map(\.path) == ["/api/v1/accounts"] && host.requests[0].queryText == "limit=200")
  }
}

@Suite struct `A day` {
  @Test(
    arguments: [
      ("1970-01-01", 0), ("1969-12-31", -1), ("2017-03-01", 17_226), ("2016-02-29", 16_860), ("2000-02-29", 11_016),
      ("9999-12-31", 2_932_896), ("0000-03-01", -719_468),
    ] as [(String, Int64)])
  func `counts from 1970`(iso: String, number: Int64) {
    #expect(Day(iso: iso)?.number == number && Day(number: number).iso == iso)
  }

  @Test(arguments: [
    "2017-02-29", "1900-02-29", "2017-04-31", "2017-13-01", "2017-00-10", "2017-01-00", "2017-1-01", "17-01-01",
    "2017-01-01 ", "2017/01/01", "+017-01-01", "",
  ])
  func `is one of the calendar, in one form`(text: String) { #expect(Day(iso: text) == nil) }

  @Test func `follows the day before, for 800 years`() {
    for number in Int64(-150_000)...150_000 { #expect(Day(iso: Day(number: number).iso)?.number == number) }
  }

  @Test func `ends one millisecond before the next begins`() {
    #expect(Day(number: 3).endMs + 1 == Day(number: 4).startMs)
  }
}
