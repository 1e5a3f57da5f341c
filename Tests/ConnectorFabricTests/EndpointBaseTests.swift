import CanonicalJSON
import Domain
import Testing

@testable import ConnectorFabric

/// A manifest whose endpoint is `base`, and whose configuration has `subdomain` and `site`.
private func templated(
  _ base: String, config: JSONValue? = nil, _ change: (inout [String: JSONValue]) -> Void = { _ in }
) throws -> Manifest {
  try manifest { members in
    members["endpoints"] = ["crm": ["base": .string(base)], "other": ["base": "https://other.example"]]
    members["config"] =
      config ?? [
        "type": "object", "required": ["subdomain", "site"],
        "properties": ["subdomain": ["type": "string"], "site": ["type": "string"], "note": ["type": "string"]],
      ]
    change(&members)
  }
}

@Suite struct `An endpoint of each customer's own` {
  @Test(arguments: [
    ("https://{subdomain}.zendesk.com", "https://acme-1.zendesk.com"),
    ("https://{subdomain}.zendesk.com/", "https://acme-1.zendesk.com"),
    ("https://{subdomain}.my.service-now.com:8443/api/v1", "https://acme-1.my.service-now.com:8443/api/v1"),
    ("https://{subdomain}.{site}.example.com/a", "https://acme-1.eu.example.com/a"),
    ("https://crm.example/a/", "https://crm.example/a"),
  ])
  func `is made of its template and its configuration`(base: String, address: String) throws {
    let crm = try #require(try templated(base).endpoint("crm"))
    #expect(crm.base.resolved(by: ["subdomain": "acme-1", "site": "eu"]) == address)
  }

  @Test(arguments: [
    "https://{subdomain}{site}.example.com", "https://{subdomain}.com", "https://x{subdomain}.example.com",
    "https://{subdomain}x.example.com", "https://{subdomain}", "https://{subdomain}.{site}.com",
    "https://{}.example.com",
    "https://a.{subdomain}.example.com", "https://{subdomain}.{subdomain}.example.com",
    "https://{subdomain.example.com",
    "https://crm.example.com/{subdomain}", "https://crm.example.com:{subdomain}", "http://{subdomain}.example.com",
    "https://{sub domain}.example.com", "https://{subdomain}@a.example.com", "https://{subdomain}.1.2.3",
    "https://{subdomain}.example.com:+443", "https://{subdomain}..example.com", "{subdomain}://a.example.com",
    "https://{note}.example.com", "https://{unknown}.example.com",
  ])
  func `is refused, where its template would leave more than a label to the configuration`(base: String) throws {
    let error = try #require(throws: DocumentError.self) { _ = try templated(base) }
    #expect(error.path == "endpoints.crm.base")
  }

  @Test(
    arguments: [
      ["type": "object", "properties": ["subdomain": ["type": "string"]]],
      ["type": "object", "required": ["subdomain"]],
      ["type": "object", "required": ["subdomain"], "properties": ["subdomain": ["type": "integer"]]],
      ["type": "object", "required": ["subdomain"], "properties": ["subdomain": ["type": ["string", "null"]]]],
      ["type": "object", "required": ["subdomain"], "properties": ["subdomain": [:]]],
    ] as [JSONValue])
  func `needs a text that the configuration has to say`(config: JSONValue) throws {
    let error = try #require(throws: DocumentError.self) {
      _ = try templated("https://{subdomain}.example.com", config: config)
    }
    #expect(error.path == "endpoints.crm.base" && error.message.contains("subdomain"))
  }

  @Test(arguments: [
    "evil.com#", "evil.com/", "a.b", "127", "", "Acme", "-a", "a-", "a_b", "a b", "a@b", "a:b", "%61", "é", "ａ",
    "{site}",
    "a\u{0}", "a\n", ".", "..", String(repeating: "a", count: 64),
  ])
  func `takes one label in small letters, and no other text`(value: String) throws {
    let manifest = try templated("https://{subdomain}.example.com")
    let config: JSONValue = ["subdomain": .string(value), "site": "eu"]
    #expect(manifest.endpoint("crm")?.base.resolved(by: config) == nil)
    #expect(manifest.misfits(of: config).map(\.path) == ["subdomain"])
  }

  @Test(arguments: ["a", "a1", "1a", "acme--uat", "xn--bcher-kva", String(repeating: "a", count: 63)])
  func `takes every label`(value: String) throws {
    let manifest = try templated("https://{subdomain}.example.com")
    let config: JSONValue = ["subdomain": .string(value), "site": "eu"]
    #expect(manifest.endpoint("crm")?.base.resolved(by: config) == "https://\(value).example.com")
    #expect(manifest.misfits(of: config) == [])
  }

  @Test func `is no host when it is too long for one, and nowhere without its word`() throws {
    let long = try templated(
      "https://{subdomain}.\((0..<3).map { _ in String(repeating: "a", count: 63) }.joined(separator: "."))")
    #expect(long.misfits(of: ["subdomain": .string(String(repeating: "a", count: 61)), "site": "eu"]) == [])
    #expect(
      long.misfits(of: ["subdomain": .string(String(repeating: "a", count: 62)), "site": "eu"]).map(\.path)
        == ["subdomain"])
    let base = try #require(try templated("https://{subdomain}.example.com").endpoint("crm")).base
    for config in [[:], ["subdomain": 3], ["subdomain": ["a"]], .null, "a"] as [JSONValue] {
      #expect(base.resolved(by: config) == nil)
    }
  }

  /// Whatever a configuration says, the host is below the author's own labels, and the rest of the address is as written.
  @Test func `stays below the author's own name, whatever a configuration says`() throws {
    let base = try #require(try templated("https://{subdomain}.example.com:8443/a").endpoint("crm")).base
    var random = SystemRandomNumberGenerator()
    let some = Array("ab09-._/\\#?@:%{}[] \u{0}\u{e9}\u{3002}Z".unicodeScalars)
    for _ in 0..<20_000 {
      var text = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 0...4, using: &random) { text.append(some.randomElement(using: &random)!) }
      guard let address = base.resolved(by: ["subdomain": .string(String(text))]) else { continue }
      #expect(address.hasPrefix("https://") && address.hasSuffix(".example.com:8443/a"))
      let label = address.dropFirst(8).dropLast(".example.com:8443/a".count)
      #expect(!label.isEmpty && label.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789-".utf8.contains($0) })
    }
  }

  @Test(arguments: [
    ("https://acme.zendesk.com", true), ("https://crm.example:8443/a", true), ("https://localhost", false),
    ("https://crm", false), ("https://crm.localhost", false), ("https://printer.LOCAL", false),
    ("https://crm.corp.internal", false), ("https://nas.home.arpa", false),
  ])
  func `is known for a name of a network's own by its form`(base: String, isPublic: Bool) {
    #expect(EndpointBase(base)?.isPublicName == isPublic)
  }

  @Test func `is shown to who grants it as it is written, and a change of it is more authority`() throws {
    func authority(_ base: String) throws -> Authority {
      let document: JSONValue = ["endpoints": ["crm": ["base": .string(base)]]]
      return Authority(try templated(base), document: document)
    }
    let template = try authority("https://{subdomain}.zendesk.com")
    #expect(
      template.sentences.contains(
        "reaches https://{subdomain}.zendesk.com (crm), where each instance's configuration says {subdomain}"))
    for other in ["https://acme.zendesk.com", "https://{site}.zendesk.com", "https://{subdomain}.zendesk.net"] {
      let changes = try authority(other).changes(from: template)
      #expect(
        changes == ["changed  endpoints.crm.base: \"https://{subdomain}.zendesk.com\" → \"\(other)\""])
      #expect(try template.changes(from: authority(other)).count == 1)
    }
  }
}
