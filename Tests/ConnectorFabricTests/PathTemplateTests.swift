import Domain
import Testing

@testable import ConnectorFabric

/// As every kit writes a segment: what is plain stays, every other octet is encoded.
private func segment(_ text: String) -> String {
  text.utf8.map { byte in
    let isPlain =
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
      || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "-._~:@!$'()*+,=".utf8.contains(byte)
    let digits = String(byte, radix: 16, uppercase: true)
    return isPlain ? String(UnicodeScalar(byte)) : "%" + (digits.count == 1 ? "0" : "") + digits
  }.joined()
}

@Suite struct `A declared path` {
  let stations = PathTemplate("/v1/stations/{station}/readings")!

  @Test(arguments: [
    ("brest", "brest"), ("Pointe%20du%20Raz", "Pointe du Raz"), ("%C3%AEle", "île"), ("a:b@+=,!$'()*", "a:b@+=,!$'()*"),
    ("a%26%3B%3F%23", "a&;?#"), ("%22%3C%3E%5B%5D%5E%60%7B%7C%7D", "\"<>[]^`{|}"), ("..a", "..a"), ("a..", "a.."),
    ("%F0%9D%84%9E", "\u{1D11E}"),
  ])
  func `takes a segment in its one spelling, and says what it stands for`(sent: String, said: String) {
    #expect(stations.match("/v1/stations/\(sent)/readings")?["station"].map { Array($0.utf8) } == Array(said.utf8))
    #expect(segment(said) == sent)
  }

  @Test(arguments: [
    "", ".", "..", "%2E", "%2e%2e", ".%2E", "a%2Fb", "a%2fb", "a%5Cb", "a%5cb", "a\\b", "%00", "a%00", "%25", "%252F",
    "%25%32%46", "%0D%0A", "%0A", "%7F", "%1B", "%c3%ae", "%C3%ae", "%41", "%7E", "%3a", "%3A", "%", "%2", "a%", "a%2",
    "%G0", "%+1", "% 1", "a b", "a?b", "a#b", "a;b", "a&b", "a/b", "é", "%C0%AF", "%C0%AE", "%E0%80%AF", "%ED%A0%80",
    "%F4%90%80%80", "%C3", "%A9", "%FF", "%20", "%20%20", "..%20", "%20..", "..%3B", "..%3Ba", ".%3B", "%3B", "...",
  ])
  func `takes no segment in another spelling, and none that could lead elsewhere`(sent: String) {
    #expect(stations.match("/v1/stations/\(sent)/readings") == nil)
  }

  @Test func `takes of each octet exactly one spelling, or none`() {
    for byte in UInt8.min...UInt8.max {
      let digits = String(byte, radix: 16, uppercase: true)
      let encoded = "%" + (digits.count == 1 ? "0" : "") + digits
      let plain = byte < 0x80 ? String(UnicodeScalar(byte)) : nil
      let takes: (String) -> Bool = { stations.match("/v1/stations/x\($0)/readings") != nil }
      #expect(!(takes(encoded) && (plain.map(takes) ?? false)), "\(byte)")
      if byte < 0x80, byte >= 0x20, byte != 0x7F, !"/\\%".utf8.contains(byte) {
        #expect(takes(encoded) || takes(plain!), "\(byte)")
      } else {
        #expect(!takes(encoded), "\(byte)")
      }
    }
  }

  /// What a kit writes of any text comes back as that text or is refused; and what is taken stays in its segment, decoded
  /// once or twice.
  @Test func `takes what a kit writes as what it was, or not at all`() throws {
    var random = SystemRandomNumberGenerator()
    let some = Array(
      "abZ09-._~:@!$'()*+,=/\\%;&?# \"<>{}|^`\u{0}\u{9}\u{7f}\u{85}é\u{301}\u{2f}\u{ff0f}\u{1D11E}25F".unicodeScalars)
    for _ in 0..<50_000 {
      var made = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 0...6, using: &random) { made.append(some.randomElement(using: &random)!) }
      let text = String(made)
      let path = "/v1/stations/\(segment(text))/readings"
      let isForbidden = text.utf8.contains { $0 < 0x20 || $0 == 0x7F || "/\\%".utf8.contains($0) }
      let isNowhere = !text.utf8.prefix { $0 != UInt8(ascii: ";") }.contains { $0 != 0x2E && $0 != 0x20 }
      let said = stations.match(path)?["station"]
      #expect((said == nil) == (isForbidden || isNowhere), "\(path)")
      if let said {
        #expect(Array(said.utf8) == Array(text.utf8))
        #expect(PercentEncoding.decode(Array(said.utf8)) == Array(said.utf8), "a second decoding changes nothing")
      }
    }
  }

  /// Whatever is sent, and not only what a kit writes.
  @Test func `is matched by nothing that decodes to another path`() {
    var random = SystemRandomNumberGenerator()
    let some = Array("%%%%0123456789ABCDEFabcdef./\\;x".utf8)
    for _ in 0..<100_000 {
      let sent = String(
        decoding: (0..<Int.random(in: 1...9, using: &random)).map { _ in some.randomElement(using: &random)! },
        as: UTF8.self)
      guard let said = PathTemplate("/{a}")!.match("/" + sent)?["a"] else { continue }
      #expect(segment(said) == sent, "one spelling")
      #expect(!said.utf8.contains { "/\\%".utf8.contains($0) || $0 < 0x20 } && said != "." && said != "..")
    }
  }

  @Test func `may end a name's segment by its own words`() {
    let file = PathTemplate("/2010/{account}/Calls/{sid}.json")!
    #expect(file.names == ["account", "sid"])
    #expect(file.match("/2010/AC1/Calls/CA%20.1.json") == ["account": "AC1", "sid": "CA .1"])
    for path in [
      "/2010/AC1/Calls/.json", "/2010/AC1/Calls/..json", "/2010/AC1/Calls/CA1", "/2010/AC1/Calls/CA1.jsoN",
      "/2010/AC1/Calls/CA1%2Ejson", "/2010/AC1/Calls/a%2F.json", "/2010/AC1/Calls/%20.json", "/2010/AC1/Calls/a%.json",
    ] { #expect(file.match(path) == nil, "\(path)") }
    #expect(PathTemplate("/v1/{name}:cancel")?.match("/v1/a:b:cancel") == ["name": "a:b"])
  }

  @Test(arguments: [
    "", "v1", "/", "//", "/a/", "/a//b", "/.", "/a/../b", "/{}", "/{a", "/a}", "/x{a}", "/{a}{b}", "/{a}x", "/{a}.{b}",
    "/{a{b}", "/a%20b", "/a b", "/a?b", "/{a}.j son", "/é",
  ])
  func `is refused when it is no path of whole segments`(text: String) {
    #expect(PathTemplate(text) == nil)
  }

  @Test func `of a write names the permitted argument by its bytes`() throws {
    for (id, sent, isPermitted) in [
      ("Pointe du Raz", "Pointe%20du%20Raz", true), ("é", "%C3%A9", true), ("é", "e%CC%81", false), ("a", "b", false),
      ("%20", "%20", false), ("a%2Fb", "a%252Fb", false), ("a/b", "a%2Fb", false),
    ] {
      var rules = RequestRules(
        manifest: try manifest(),
        operation: .executing(
          action: "close", arguments: ["opportunity": .string(id), "set": ["stage": "Lost"]], key: "k",
          targetVersion: nil))
      #expect(((try? rules.admit(request("PATCH", "/deals/\(sent)"))) != nil) == isPermitted, "\(sent)")
    }
  }

  @Test func `that is refused for its segment is told which it would take`() throws {
    var rules = RequestRules(manifest: try manifest(), operation: .reading)
    let refusal = try #require(throws: RequestRules.Refusal.self) {
      try rules.admit(request("GET", "/deals/a%2Fb", body: ""))
    }
    #expect(refusal.code == "egress.undeclared_request" && refusal.sentence.contains("%XX in upper case"))
  }
}
