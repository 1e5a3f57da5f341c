import CanonicalJSON
import ConnectorFabric
import Domain
import Egress
import Foundation
import Testing

@testable import SluiceHost

/// A host that runs nothing, and a source of a help desk that every customer has at a name of their own.
private struct Desk {
  let folder = temporaryFolder()
  let host: RunningHost
  let name = InstanceID(rawValue: "desk")!
  var manifest: String { folder + "/desk.yaml" }

  init() async throws {
    host = try await RunningHost(options(folder))
    try await host.createTenant(demo)
    try write(manifest)
  }

  func write(_ path: String, version: String = "1.0.0", desk: String = "https://{subdomain}.desk.example") throws {
    let text = """
      sluice: 1
      name: desk
      version: "\(version)"
      summary: Tickets of a help desk.
      kind: source
      library: {file: desk.so, abi: 1, sha256: "\(String(repeating: "ab", count: 32))"}
      endpoints:
        desk: {base: "\(desk)"}
        files: {base: "https://files.example/v1"}
      slots:
        api: {scheme: bearer, endpoint: desk}
        consent:
          scheme: oauth2_client_credentials
          endpoint: files
          client_auth: body
          token: {endpoint: desk, path: /token}
      requests:
        - {id: tickets, endpoint: desk, method: GET, path: "/tickets", slot: api, effect: read}
        - {id: file, endpoint: files, method: GET, path: "/{file}", effect: read}
        - {id: export, endpoint: files, method: GET, path: "/exports/{file}", slot: consent, effect: read}
      streams: [{name: tickets, delivery: replayable}]
      config:
        type: object
        required: [subdomain]
        properties: {subdomain: {type: string}}
        additionalProperties: false
      """
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  @discardableResult
  func ask(_ command: String, _ arguments: [String: JSONValue]) async throws -> JSONValue {
    let whose: [String: JSONValue] = ["tenant": .string(demo.rawValue), "instance": .string(name.rawValue)]
    return try await HostCommand.named(command).run(
      .init(host: host, arguments: .object(whose.merging(arguments) { $1 }), user: UserID(unchecked: "os-0")))
  }

  @discardableResult
  func enable(
    _ endpoints: [String: JSONValue] = [:], subdomain: JSONValue = "acme", _ more: [String: JSONValue] = [:]
  ) async throws -> JSONValue {
    let words: [String: JSONValue] = [
      "name": .string(manifest), "config": ["subdomain": subdomain], "endpoints": .object(endpoints),
    ]
    return try await ask("connector.enable", words.merging(more) { $1 })
  }

  var kept: Enabling { get async throws { try await host.enabling(of: name, demo) } }

  /// Where its requests to an endpoint go, and whether to a private address.
  func place(_ endpoint: String) async throws -> EndpointOverride? {
    try await host.place(of: endpoint, try await kept)
  }

  func upgrade(to manifest: String) async throws -> (endpoints: [String: EndpointOverride], asked: [String]) {
    try await host.upgradeInWords(name, to: manifest)
  }

  func end() async throws {
    try await host.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }
}

extension RunningHost {
  /// As a request is made of it.
  fileprivate func place(of endpoint: String, _ enabling: Enabling) throws -> EndpointOverride? {
    let manifest = try Manifest(SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:]))
    let route = route(enabling, manifest, demo).gate
    let isPrivate = route.request("GET", "https://x.example", to: endpoint).allowsPrivateAddress
    return route.base(of: endpoint).map { EndpointOverride($0, allowsPrivate: isPrivate) }
  }

  /// The requests that would be sent.
  fileprivate func sendable(_ enabling: Enabling) throws -> [String] {
    let manifest = try Manifest(SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:]))
    let route = route(enabling, manifest, demo).gate
    return manifest.requests.filter { route.base(for: $0) != nil }.map(\.id)
  }

  fileprivate func upgradeInWords(
    _ instance: InstanceID, to manifest: String
  ) throws -> (endpoints: [String: EndpointOverride], asked: [String]) {
    let upgrade = try upgrade(instance, to: manifest, of: demo)
    return (upgrade.new.endpoints, upgrade.asked)
  }

  fileprivate func enablingOfFile(in folder: String) throws -> Enabling {
    try enabling(from: try #require(try ConnectorFiles(folder)).files[0]).0
  }
}

private func code(_ body: () async throws -> Void) async -> String {
  do { try await body() } catch { return (error as? any OperatorError)?.code ?? "\(error)" }
  return "taken"
}

@Suite struct `An endpoint that an operator leads elsewhere` {
  @Test func `by https and a public name is held to what a manifest's own is`() async throws {
    let desk = try await Desk()
    try await desk.enable(["desk": "https://desk.acme.example:8443/api/", "files": "https://files.acme.example"])
    #expect(
      try await desk.place("desk") == EndpointOverride("https://desk.acme.example:8443/api", allowsPrivate: false))
    #expect(
      try await desk.place("files") == EndpointOverride("https://files.acme.example", allowsPrivate: false))
    let shown = try await desk.ask("connector.show", [:])
    #expect(shown["endpoints"]?["files"] == "https://files.acme.example" && shown["allow_private"] == [])
    try await desk.end()
  }

  @Test(arguments: [
    "http://desk.acme.example", "https://127.0.0.1", "https://8.8.8.8", "https://[::1]:8443", "https://localhost",
    "https://localhost:8443", "https://desk", "https://desk.local", "https://desk.internal", "https://2130706433",
    "https://0x7f.1", "https://{subdomain}.evil.example", "https://desk.acme.example?x=", "https://desk.acme.example/#",
    "https://desk.acme.example/a/../b", "https://desk.acme.example.",
  ])
  func `to anything else needs an operator's word`(base: String) async throws {
    let desk = try await Desk()
    let codes = ["connector.private_not_allowed", "connector.bad_override"]
    #expect(await codes.contains(code { try await desk.enable(["files": .string(base)]) }))
    #expect(await code { _ = try await desk.kept } == "host.unknown")
    try await desk.end()
  }

  @Test func `may be private only in the instance of which that was said`() async throws {
    let desk = try await Desk()
    let plan = try await desk.enable(["files": "http://127.0.0.1:8099"], ["allow_private": true, "plan": true])
    #expect(
      plan["leads"] == [
        "leads files to http://127.0.0.1:8099 instead of https://files.example/v1, which may be a private address and plain http"
      ])
    #expect(plan["allow_private"] == ["files"])
    #expect(
      plan["endpoints"] == ["desk": "https://acme.desk.example", "files": "http://127.0.0.1:8099"])
    try await desk.enable(["files": "http://127.0.0.1:8099"], ["allow_private": true])
    try await desk.enable([:], ["instance": "other"])
    #expect(try await desk.place("files")?.allowsPrivate == true)
    #expect(try await desk.place("desk")?.allowsPrivate == false)
    #expect(try await desk.ask("connector.show", [:])["allow_private"] == ["files"])
    #expect(try await desk.ask("connector.show", ["instance": "other"])["allow_private"] == [])
    // The word goes with the address that it was said of.
    #expect(
      await code { try await desk.enable(["files": "http://127.0.0.1:8098"]) } == "connector.private_not_allowed")
    try await desk.enable(["files": "https://files.acme.example"])
    #expect(try await desk.place("files")?.allowsPrivate == false)
    try await desk.end()
  }

  @Test func `keeps its terms in an upgrade, and is refused by a version without it`() async throws {
    let desk = try await Desk()
    try await desk.enable(["files": "https://files.acme.example"])
    try desk.write(desk.folder + "/next.yaml", version: "1.1.0")
    let next = try await desk.upgrade(to: desk.folder + "/next.yaml")
    #expect(next.endpoints == ["files": EndpointOverride("https://files.acme.example", allowsPrivate: false)])
    try await desk.enable(["files": "http://10.0.0.7"], ["allow_private": true])
    let again = try await desk.upgrade(to: desk.folder + "/next.yaml")
    #expect(again.endpoints == ["files": EndpointOverride("http://10.0.0.7", allowsPrivate: true)])
    try await desk.end()
  }

  /// Word for word as an activation had it before there was another form.
  @Test func `in an earlier activation works as it did, and is written as it was`() throws {
    let text =
      #"{"config":{},"endpoints":{"files":"http://127.0.0.1:8099"},"folder":"/p","instance":"desk","#
      + #""manifest":{"name":"desk"},"settings":{"enabled":true,"replay":false,"ticks":false},"source":"desk.yaml"}"#
    let earlier = try JSONValue(parsing: text).decode(Enabling.self)
    #expect(earlier.endpoints == ["files": EndpointOverride("http://127.0.0.1:8099", allowsPrivate: true)])
    #expect(try JSONValue(encoding: earlier).canonicalText == text)
    var later = earlier
    later.endpoints = ["files": EndpointOverride("https://files.acme.example", allowsPrivate: false)]
    #expect(try JSONValue(encoding: later)["endpoints"] == ["files": ["guarded": "https://files.acme.example"]])
    #expect(try JSONValue(encoding: later).decode(Enabling.self) == later)
    for odd in ["[]", "{}", "3", "null", #"{"private":"http://127.0.0.1"}"#] {
      #expect(throws: (any Error).self) { try JSONValue(parsing: odd).decode(EndpointOverride.self) }
    }
  }

  @Test func `in a file is held to the same`() async throws {
    let desk = try await Desk()
    try FileManager.default.createDirectory(
      atPath: desk.folder + "/connectors", withIntermediateDirectories: true)
    func enabling(_ words: String) async throws -> Enabling {
      let text = "connector: ../desk.yaml\n\(words)\n"
      try Data(text.utf8).write(to: URL(fileURLWithPath: desk.folder + "/connectors/desk.yaml"))
      return try await desk.host.enablingOfFile(in: desk.folder)
    }
    let config = "config: {subdomain: acme}\n"
    let led = try await enabling(config + #"endpoints: {files: "https://files.acme.example"}"#)
    #expect(led.privateEndpoints == [])
    let inside = try await enabling(config + "allow_private: true\nendpoints: {files: \"http://127.0.0.1:1\"}")
    #expect(inside.privateEndpoints == ["files"])
    let inward = try await #require(throws: FaultOfFile.self) {
      _ = try await enabling(config + #"endpoints: {files: "http://127.0.0.1:1"}"#)
    }
    #expect(inward.message.hasPrefix("connectors/desk.yaml:3: "))
    let fault = try await #require(throws: FaultOfFile.self) {
      _ = try await enabling("config: {subdomain: \"evil.example#\"}")
    }
    #expect(fault.code == "connector.bad_config" && fault.message.hasPrefix("connectors/desk.yaml:2: "))
    #expect(fault.message.contains("`subdomain` is not one label of the host https://{subdomain}.desk.example"))
    try await desk.end()
  }
}

@Suite struct `An instance of a template` {
  @Test func `asks the host that its configuration makes, and no private address`() async throws {
    let desk = try await Desk()
    let plan = try await desk.enable(subdomain: "acme-2", ["plan": true])
    #expect(plan["endpoints"]?["desk"] == "https://acme-2.desk.example" && plan["leads"] == nil)
    #expect(
      plan["asks"]?.array?.first
        == "reaches https://{subdomain}.desk.example (desk), where each instance's configuration says {subdomain}")
    try await desk.enable(subdomain: "acme-2")
    #expect(try await desk.place("desk") == EndpointOverride("https://acme-2.desk.example", allowsPrivate: false))
    try await desk.end()
  }

  @Test(arguments: [
    "evil.com#", "evil.com/", "a.b", "127", "", "Acme", "acme.", "-a", "a@b", "a:1", "ａcme", "{subdomain}", "a%2e",
    "a\n",
  ])
  func `is refused a value that is no label, by its path`(value: String) async throws {
    let desk = try await Desk()
    for more in [[:], ["plan": true]] as [[String: JSONValue]] {
      do {
        try await desk.enable(subdomain: .string(value), more)
        Issue.record("\(value) was taken")
      } catch let error as EnablingError {
        #expect(error.code == "connector.bad_config" && error.key == "config")
        #expect(error.message.contains("`subdomain` is not one label"))
      }
    }
    // Not even where the endpoint is led elsewhere: the configuration may outlive that.
    #expect(
      await code { try await desk.enable(["desk": "https://desk.acme.example"], subdomain: .string(value)) }
        == "connector.bad_config")
    try await desk.end()
  }

  @Test func `whose activation makes no host sends nothing`() async throws {
    let desk = try await Desk()
    try await desk.enable()
    var odd = try await desk.kept
    odd.config = ["subdomain": "evil.example#"]
    #expect(try await desk.host.place(of: "desk", odd) == nil)
    // Nor where only its access token would be asked for there.
    #expect(try await desk.host.sendable(odd) == ["file"])
    #expect(try await desk.host.sendable(desk.kept) == ["tickets", "file", "export"])
    try await desk.end()
  }

  @Test func `is upgraded to another template only with a configuration for it, and shows that it asks for more`()
    async throws
  {
    let desk = try await Desk()
    try desk.write(desk.folder + "/fixed.yaml", desk: "https://acme.desk.example")
    try await desk.enable(subdomain: "Not-A-Label", ["name": .string(desk.folder + "/fixed.yaml")])
    #expect(
      await code { _ = try await desk.upgrade(to: desk.manifest) } == "connector.other_config")
    try await desk.enable(subdomain: "acme", ["name": .string(desk.folder + "/fixed.yaml")])
    let next = try await desk.upgrade(to: desk.manifest)
    #expect(
      next.asked == [
        #"changed  endpoints.desk.base: "https://acme.desk.example" → "https://{subdomain}.desk.example""#
      ])
    #expect(await code { try await desk.enable() } == "connector.more_authority")
    try await desk.end()
  }
}
