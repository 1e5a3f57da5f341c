import SluiceKit
import Testing

@Suite struct `A configuration` {
  @Test func `gives typed values, and standard ones for what is absent`() throws {
    let config = try Config(parsing: Array(#"{"size":5,"name":"x","fast":true}"#.utf8))
    #expect(try config.integer("size", in: 1...9) == 5)
    #expect(try config.integer("other", in: 1...9, default: 7) == 7)
    #expect(try config.string("name") == "x")
    #expect(try config.bool("fast", default: false))
    #expect(throws: Never.self) { try config.allow("size", "name", "fast") }
  }

  @Test func `names the key that is wrong`() throws {
    let config = try Config(parsing: Array(#"{"size":50,"name":1}"#.utf8))
    #expect(throws: Failure.config("config.invalid", "`size` must be a whole number from 1 to 9.")) {
      try config.integer("size", in: 1...9)
    }
    #expect(throws: Failure.config("config.invalid", "`name` must be a text.")) { try config.string("name") }
    #expect(throws: Failure.config("config.invalid", "`fast` is missing.")) { try config.bool("fast") }
    #expect(throws: Failure.config("config.invalid", "`name` is unknown; known are size.")) { try config.allow("size") }
  }

  @Test(arguments: ["[]", "1", "{", #"{"a":1,"a":2}"#])
  func `must be one JSON object`(text: String) throws {
    let failure = try #require(throws: Failure.self) { try Config(parsing: Array(text.utf8)) }
    #expect(failure.kind == .config)
  }
}

@Suite struct `A request` {
  let ask = HTTPRequest("GET", "/x", endpoint: "crm", slot: "api")

  @Test func `encodes its query`() {
    let request = HTTPRequest("GET", "/x", query: [("a b", "1&2=ü/~")], endpoint: "crm", slot: nil)
    #expect(request.queryText == "a%20b=1%262%3D%C3%BC%2F~")
  }

  @Test func `is read in windows, whole, and closed`() throws {
    let host = ScriptedHost([HTTPResponse(status: 200, body: [UInt8](repeating: 7, count: 700_000))])
    #expect(try host.fetch(ask).body.count == 700_000)
    #expect(host.open.isEmpty)
  }

  @Test func `stops reading above its limit, and is closed`() throws {
    let host = ScriptedHost([HTTPResponse(status: 200, body: [UInt8](repeating: 7, count: 5_000_000))])
    #expect(throws: HostError("http_read", .tooLarge)) { try host.fetch(ask, bytesMax: 1_000_000) }
    #expect(host.open.isEmpty && host.bytesRead < 1_500_000)
  }

  @Test func `is repeated after a 429, a bounded number of times`() throws {
    let slow = HTTPResponse(status: 429, headers: [HTTPHeader("retry-after", "7")])
    #expect(try ScriptedHost([slow, slow, HTTPResponse(status: 200)]).fetch(ask).status == 200)
    let host = ScriptedHost([slow])
    #expect(try host.fetch(ask).failure(of: "crm")?.kind == .rateLimited(retryAfterMs: 7000))
    #expect(host.requests.count == 3)
  }

  @Test(
    arguments: [
      (200, nil), (204, nil), (401, .auth), (403, .auth), (404, .config), (429, .rateLimited(retryAfterMs: nil)),
      (408, .transient), (500, .transient), (503, .transient), (302, .permanent), (400, .permanent),
    ] as [(Int, Failure.Class?)])
  func `has a class for each status`(status: Int, kind: Failure.Class?) {
    #expect(HTTPResponse(status: status).failure(of: "crm")?.kind == kind)
  }

  @Test(
    arguments: [
      ("0", 0), ("120", 120_000), ("-1", nil), ("99999999999999999999", nil), ("86401", nil),
      ("Wed, 21 Oct 2015 07:28:00 GMT", nil), ("", nil),
    ] as [(String, Int64?)])
  func `believes only a sane Retry-After`(text: String, ms: Int64?) {
    #expect(HTTPResponse(status: 429, headers: [HTTPHeader("retry-after", text)]).retryAfterMs == ms)
  }
}
