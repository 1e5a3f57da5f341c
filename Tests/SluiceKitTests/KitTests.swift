import Testing

@testable import SluiceKit

@Suite struct `A configuration` {
  private struct Settings: Decodable, Equatable {
    let size: Int
    var name: String?
    var fast: Bool?
    var hosts: [String]?
  }

  private func settings(_ text: String) throws -> Settings { try Settings(configuration: Array(text.utf8)) }

  @Test func `gives typed values, and none for what is absent or null`() throws {
    let found = try settings(#"{"size":5,"name":"x","fast":null,"hosts":["a","b"]}"#)
    #expect(found == Settings(size: 5, name: "x", fast: nil, hosts: ["a", "b"]))
  }

  @Test(
    arguments: [
      (#"{"size":"5"}"#, "`size` must be a whole number from -9223372036854775808 to 9223372036854775807."),
      (#"{"size":5.0}"#, "`size` must be a whole number from -9223372036854775808 to 9223372036854775807."),
      (#"{"size":null}"#, "`size` is null."), (#"{"name":"x"}"#, "`size` is missing."),
      (#"{"size":5,"nmae":"x"}"#, "`nmae` is unknown; known are size, name, fast, hosts."),
      (#"{"sise":5}"#, "`sise` is unknown."), (#"{"size":5,"fast":"yes"}"#, "`fast` must be true or false."),
      (#"{"size":5,"hosts":["a",7]}"#, "`hosts.1` must be a text."),
      (#"{"size":5,"hosts":"a"}"#, "`hosts` must be a list."),
    ] as [(String, String)])
  func `names the key that is wrong`(text: String, message: String) {
    #expect(throws: Failure.config("config.invalid", message)) { try settings(text) }
  }

  @Test
  func `with a value that none of the type's cases has is the configuration's fault, and its value is not repeated`() {
    enum Size: String, Decodable { case small, large }
    struct Sized: Decodable { let size: Size }
    #expect(throws: Failure.setting("size", "has none of the values that are known")) {
      try Sized(configuration: Array(#"{"size":"hunter2"}"#.utf8))
    }
  }

  @Test func `may be read as two types at once, each with its own keys`() throws {
    struct Paging: Decodable { let size: Int }
    struct Whole: Decodable {
      let name: String
      let paging: Paging
      enum CodingKeys: CodingKey { case name }
      init(from decoder: any Decoder) throws {
        name = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .name)
        paging = try Paging(from: decoder)
      }
    }
    let whole = try Whole(configuration: Array(#"{"name":"x","size":5}"#.utf8))
    #expect(whole.name == "x" && whole.paging.size == 5)
    #expect(throws: Failure.setting("sise", "is unknown; known are name, size")) {
      try Whole(configuration: Array(#"{"name":"x","size":5,"sise":5}"#.utf8))
    }
  }

  @Test(arguments: ["[]", "1", "{", #"{"a":1,"a":2}"#])
  func `must be one JSON object`(text: String) throws {
    let failure = try #require(throws: Failure.self) { try settings(text) }
    #expect(failure.kind == .config)
  }

  @Test func `of a plugin that has none takes none`() {
    #expect(throws: Never.self) { try NoConfiguration(configuration: []) }
    #expect(throws: Never.self) { try NoConfiguration(configuration: Array("{}".utf8)) }
    #expect(throws: Failure.setting("size", "is unknown; known are none")) {
      try NoConfiguration(configuration: Array(#"{"size":1}"#.utf8))
    }
  }
}

@Suite struct `Names of a manifest` {
  private struct Two: Source {
    enum Stream: String, ManifestName {
      case first
      case theSecond = "the_second"
    }
    static let descriptor = Descriptor(id: "two", name: "Two", version: "1.0.0")
    init(_ configuration: NoConfiguration) {}
    func check(_ host: any Host) {}
    func discover(_ host: any Host) -> [StreamOffer<Stream>] { [] }
    func pull(_ pull: Pull<Stream>, host: any Host) {}
  }

  @Test func `become cases, and one that is none is a fault of the configuration that tells the others`() throws {
    #expect(try Two.stream("the_second") == .theSecond)
    #expect(throws: Failure.config("two.unknown_stream", "There is no stream \"third\"; known are first, the_second."))
    {
      try Two.stream("third")
    }
  }
}

@Suite struct `A request` {
  let ask = HTTPRequest("GET", "/x", endpoint: "crm", slot: "api")

  @Test func `encodes its query`() {
    let request = HTTPRequest("GET", "/x", query: [("a b", "1&2=ü/~")], endpoint: "crm", slot: nil)
    #expect(request.queryText == "a%20b=1%262%3D%C3%BC%2F~")
  }

  @Test func `takes a segment of its path as it is where the host does, and no other path by it`() {
    #expect(HTTPRequest.segment("a:b@+=,!$'()*&;/%ü") == "a:b@+=,!$'()*%26%3B%2F%25%C3%BC")
    // Every octet of ASCII but NUL, and some characters beyond: the same in every kit's test.
    let all = (1..<128).map { String(UnicodeScalar(UInt8($0))) }.joined() + "\u{e9}\u{85}\u{20ac}\u{1d11e}"
    let wanted =
      "%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%13%14%15%16%17%18%19%1A%1B%1C%1D%1E%1F%20"
      + "!%22%23$%25%26'()*+,-.%2F0123456789:%3B%3C=%3E%3F@ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60abcd"
      + "efghijklmnopqrstuvwxyz%7B%7C%7D~%7F%C3%A9%C2%85%E2%82%AC%F0%9D%84%9E"
    #expect(HTTPRequest.segment(all) == wanted)
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
