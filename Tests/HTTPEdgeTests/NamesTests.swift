import Domain
import HTTPEdge
import Testing

@Suite struct `The names of a host` {
  let names = EdgeNames(publicURL: "https://Sluice.example.com/in", more: ["sluice.internal", "10.0.0.5:8080"])

  @Test(
    arguments: [
      "sluice.example.com", "sluice.example.com:443", "SLUICE.EXAMPLE.COM", "sluice.internal", "sluice.internal:7070",
      "10.0.0.5:8080", "127.0.0.1:7070", "localhost:7070", "[::1]:7070",
    ])
  func `are those of its public address, those that were set, and its own`(name: String) {
    names.serve(at: "0.0.0.0", port: 7070)
    #expect(names.contains(name))
  }

  @Test(
    arguments: [
      "", "evil.example", "sluice.example.com:8443", "sluice.example.com.evil.example", "evil.sluice.internal",
      "sluice.internal:x", "10.0.0.5", "0.0.0.0:7070", "127.0.0.1:7071", "127.0.0.1", "127.0.0.1:7070@evil.example",
      "sluice.internal:7070@evil.example", "[::1", "[sluice.internal]",
    ])
  func `are no others`(name: String) {
    names.serve(at: "0.0.0.0", port: 7070)
    #expect(!names.contains(name))
  }

  @Test func `without a wildcard are the address that is listened at, and localhost`() {
    let names = EdgeNames()
    names.serve(at: "10.0.0.5", port: 7070)
    #expect(names.contains("10.0.0.5:7070") && names.contains("localhost:7070") && !names.contains("127.0.0.1:7070"))
  }

  @Test func `make origins of forms, with the port that a browser leaves out`() {
    for origin in ["https://sluice.example.com", "https://sluice.internal", "http://10.0.0.5:8080"] {
      #expect(names.isOrigin(origin))
    }
    for origin in [
      "http://sluice.example.com", "https://sluice.example.com:8443", "https://evil.example", "null", "",
    ] { #expect(!names.isOrigin(origin)) }
    #expect(EdgeNames(publicURL: "https://a.example:8443").isOrigin("https://a.example:8443"))
  }

  @Test func `are none that only look like an address`() {
    for address in ["127.0.0.1", "10.0.0.5:7070", "[::1]:7070", "[2001:db8::1]"] {
      #expect(EdgeNames.isAddress(address))
    }
    for name in ["127.0.0.1.evil.example", "127.1", "0x7f.0.0.1", "2130706433", "::1", "[::1", "[127.0.0.1]", ""] {
      #expect(!EdgeNames.isAddress(name))
    }
  }

  @Test func `do not matter to who asks whether the host is well; what names tenants is told under its own alone`()
    async
  {
    func asked(_ backend: FakeBackend, _ path: String, _ host: String) async -> EdgeResponse {
      await backend.edge.answer(EdgeRequest("GET", path, headers: ["host": host]))
    }
    let stuck = FakeBackend(obstacles: ["demo: the disk is full"])
    for host in ["evil.example", "10.1.2.3:7070", ""] {
      #expect(await asked(FakeBackend(), "/healthz", host).text == "ok\n")
      #expect(await asked(FakeBackend(), "/readyz", host).text == "ready\n")
      #expect(await asked(stuck, "/readyz", host).status == 503)
    }
    #expect(await !asked(stuck, "/readyz", "evil.example").text.contains("demo"))
    #expect(await asked(stuck, "/readyz", "10.1.2.3:7070").text == "demo: the disk is full\n")
    #expect(await asked(stuck, "/metrics", "10.1.2.3:7070").status == 200)
    let refused = await asked(stuck, "/metrics", "evil.example")
    #expect(
      refused.status == 421 && refused.text.contains("host_names") && refused.text.contains("[edge.unknown_host]"))
    let api = await asked(stuck, "/api/v1/top", "evil.example")
    #expect(api.status == 421 && api.text.contains("\"code\":\"edge.unknown_host\""))
  }

  @Test func `let a form in that comes from the public address, under whatever name a proxy asks`() async {
    let backend = FakeBackend()
    let names = EdgeNames(publicURL: "https://sluice.example.com", more: [Browser.host])
    let edge = Edge(backend: backend, isBehindTLS: true, names: names)
    let form = Browser.judging("reject")
    for (host, origin, status) in [
      (Browser.host, "https://sluice.example.com", 303), ("sluice.example.com", "https://sluice.example.com", 303),
      (Browser.host, "https://evil.example", 403),
    ] {
      let answer = await edge.answer(Browser.post(Samples.page, form, changing: ["host": host, "origin": origin]))
      #expect(answer.status == status)
    }
  }
}
