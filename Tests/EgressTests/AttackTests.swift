import Foundation
import Synchronization
import Testing
import UVLoop

@testable import Egress

private func failure(_ url: String, _ change: @escaping @Sendable (inout EgressRequest) -> Void) async -> EgressFailure?
{
  do {
    _ = try await get(url, change)
    return nil
  } catch { return error as? EgressFailure }
}

/// One egress for several requests, one after the other, with a resolver of the test's.
private func gets(
  _ requests: [EgressRequest], lookUp: @escaping @Sendable (String, @escaping ([String]) -> Void) -> Void = { $1([]) }
) async -> [String] {
  let loop = EventLoop()
  loop.start()
  defer { loop.stop() }
  return await withCheckedContinuation { (done: CheckedContinuation<[String], Never>) in
    loop.post {
      let client = EgressClient(loop: loop, lookUp: lookUp)
      var said: [String] = []
      func next(_ left: ArraySlice<EgressRequest>) {
        guard let request = left.first else {
          let soon = LoopTimer(loop)
          soon.start(after: .zero) {
            soon.close()
            client.close()
            done.resume(returning: said)
          }
          return
        }
        var exchange: EgressExchange?
        exchange = client.send(request) { head in
          switch head {
          case .failure(let why):
            said.append(why.code)
            next(left.dropFirst())
          case .success(let head):
            said.append("\(head.status)")
            func read() {
              exchange?.read(bytesMax: 1 << 20) { part in
                if case .success((_, false)) = part { return read() }
                exchange = nil
                next(left.dropFirst())
              }
            }
            read()
          }
        }
      }
      next(requests[...])
    }
  }
}

@Suite struct `Against an upstream that attacks, the egress` {
  @Test func `stops a compressed body by what it grows to, not by what was sent`() async throws {
    // 20 MB of zeros in some 20 KB.
    let bomb = try gzip([UInt8](repeating: 0, count: 20 << 20))
    #expect(bomb.count < 100_000)
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(bomb.count)\r\n\r\n"
    let server = OneAnswerServer(Array(head.utf8) + bomb)
    let stopped = await failure("http://127.0.0.1:\(server.port)/") { $0.responseBytesMax = 1 << 20 }
    #expect(stopped == .tooLarge(host: "127.0.0.1:\(server.port)", bytesMax: 1 << 20))
    // The limit stops it and nothing else does.
    let (_, whole) = try await get("http://127.0.0.1:\(server.port)/") { $0.responseBytesMax = 32 << 20 }
    #expect(whole.count == 20 << 20)
  }

  @Test func `stops headers without end`() async throws {
    let line = "X-Filler: " + String(repeating: "a", count: 1000) + "\r\n"
    let server = OneAnswerServer(Array(("HTTP/1.1 200 OK\r\n" + String(repeating: line, count: 400) + "\r\n").utf8))
    let stopped = await failure("http://127.0.0.1:\(server.port)/") { _ in }
    #expect(stopped?.code == "egress.too_large")
  }

  @Test func `stops an answer that drips a byte at a time, at the request's time`() async throws {
    let server = DrippingServer()
    let late = await failure("http://127.0.0.1:\(server.port)/") { $0.timeoutMs = 300 }
    #expect(late == .timedOut(host: "127.0.0.1:\(server.port)", afterMs: 300))
    #expect(server.sent > 5, "nothing dripped: the test tells nothing")
  }

  @Test func `takes an address in any spelling for what it is`() async {
    for spelling in [
      "127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]", "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]", "0",
    ] {
      let refused = await failure("https://\(spelling):1/") { $0.allowsPrivateAddress = false }
      #expect(refused?.code == "egress.private_address", "\(spelling)")
    }
  }

  @Test func `judges the address that it connects to, whatever the name meant before`() async {
    // The name leads somewhere public at first; when it is asked again it leads to this machine.
    let rebound = await failure("https://crm.example:1/") {
      $0.allowsPrivateAddress = false
      $0.pinned = ["127.0.0.1"]
    }
    #expect(rebound == .privateAddress(host: "crm.example:1"))
    let among = await failure("https://crm.example:1/") {
      $0.allowsPrivateAddress = false
      $0.connectTimeoutMs = 200
      $0.timeoutMs = 200
      $0.pinned = ["169.254.169.254", "::1", "10.0.0.1"]
    }
    #expect(among == .privateAddress(host: "crm.example:1"))
  }

  @Test func `uses no kept connection to an address that this request may not reach`() async throws {
    let identity = try TestIdentity()
    let server = try KeepingServer(identity)
    var allowed = EgressRequest(method: "GET", url: "https://crm.example:\(server.port)/")
    allowed.allowsPrivateAddress = true
    allowed.pinned = ["127.0.0.1"]
    allowed.trusted = identity.authority
    var bound = allowed
    bound.allowsPrivateAddress = false
    // The second request finds the first one's connection kept; the last one needs a new one, for that is gone.
    #expect(await gets([allowed, allowed]) == ["201", "201"])
    #expect(await gets([allowed, bound, allowed]) == ["202", "egress.private_address", "203"])
  }

  @Test func `believes no certificate that is not the name's`() async throws {
    let identity = try TestIdentity()
    let server = try TLSServer(identity, arguments: ["-www"])
    for (host, trusted) in [("other.example", identity.authority), ("crm.example", nil)] {
      let refused = await failure("https://\(host):\(server.port)/") {
        $0.pinned = ["127.0.0.1"]
        $0.trusted = trusted
      }
      #expect(refused?.code == "egress.tls", "\(host)")
    }
  }

  @Test func `says nothing of a query that may hold a credential`() async {
    let plain = await failure("http://crm.example/?key=CANARY") { $0.allowsPrivateAddress = false }
    let bad = await failure("https://crm.example:99999/?key=CANARY") { $0.allowsPrivateAddress = false }
    for said in [plain, bad] {
      #expect(said != nil && !(said!.message + said!.remedy).contains("CANARY"))
    }
    #expect(bad?.code == "egress.bad_url")
  }
}

@Suite struct `A client's certificate` {
  @Test func `is shown in TLS, and to who asks for none of it nothing else is`() async throws {
    let identity = try TestIdentity()
    let server = try TLSServer(identity, arguments: ["-www", "-Verify", "1", "-verify_return_error"])
    var request = EgressRequest(method: "GET", url: "https://crm.example:\(server.port)/")
    request.allowsPrivateAddress = true
    request.pinned = ["127.0.0.1"]
    request.trusted = identity.authority
    var shown = request
    shown.identity = identity.client
    let said = await gets([shown, request])
    #expect(said.first == "200")
    #expect(said.last?.hasPrefix("egress.") == true, "\(said)")
  }
}

@Suite struct `A client's certificate that is judged before the request is sent` {
  /// By then the upstream has said what it says and hung up: the request cannot be sent any more.
  private func ask(_ server: JudgingServer, _ identity: TestIdentity, showing shown: [UInt8]?) async -> EgressFailure? {
    let trusted = identity.authority
    return await failure("https://crm.example:\(server.port)/") {
      $0.pinned = ["127.0.0.1"]
      $0.trusted = trusted
      $0.identity = shown
      $0.beforeSending = { server.waitForVerdict() }
    }
  }

  @Test func `and refused is named as that the first time, shown or missing, at the price of one more handshake`()
    async throws
  {
    let (identity, stranger) = (try TestIdentity(), try TestIdentity())
    for (shown, reason) in [(stranger.client, "unknown ca"), (nil, "certificate required")] {
      let server = try JudgingServer(identity)
      let failure = await ask(server, identity, showing: shown)
      let host = "crm.example:\(server.port)"
      #expect(failure == .certificateRefused(host: host, wasShown: shown != nil, reason: reason))
      #expect(server.verdicts == ["refused", "refused"])
    }
  }

  @Test func `and taken is not blamed for a connection that breaks by then`() async throws {
    let identity = try TestIdentity()
    let server = try JudgingServer(identity)
    let failure = await ask(server, identity, showing: identity.client)
    #expect(failure?.code == "egress.broken")
    #expect(server.verdicts == ["taken", "taken"])
  }
}

@Suite struct `Through an operator's proxy` {
  @Test func `a name is resolved and judged here, and the proxy is led to the address`() async throws {
    let server = OneAnswerServer(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8))
    let proxy = TunnelServer()
    var request = EgressRequest(method: "GET", url: "http://crm.example:\(server.port)/")
    request.allowsPrivateAddress = true
    request.headers = [("Authorization", "Bearer CANARY")]
    request.proxy = EgressProxy(
      address: "http://127.0.0.1:\(proxy.port)", login: (user: Array("us%er".utf8), password: Array("p:a%41 ß".utf8)))
    let said = await gets([request]) { $1($0 == "crm.example" ? ["127.0.0.1"] : []) }
    #expect(said == ["200"])
    let asked = try #require(proxy.asked.first)
    #expect(asked.hasPrefix("CONNECT 127.0.0.1:\(server.port) HTTP/1.1\r\n"))
    #expect(asked.contains("Proxy-Authorization: Basic " + Data("us%er:p:a%41 ß".utf8).base64EncodedString()))
    #expect(!asked.contains("CANARY"))
  }

  @Test func `no private address is reached, nor a name without one, and nobody asks the proxy`() async {
    let proxy = TunnelServer()
    var request = EgressRequest(method: "GET", url: "https://crm.example/")
    request.proxy = EgressProxy(address: "http://127.0.0.1:\(proxy.port)")
    #expect(await gets([request]) { $1(["10.0.0.1", "::1"]) } == ["egress.private_address"])
    #expect(await gets([request]) { $1([]) } == ["egress.no_connection"])
    #expect(proxy.asked == [])
  }

  @Test func `a host's proxy is not asked for what is private or spared, and those are judged as without it`()
    async throws
  {
    let server = OneAnswerServer(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8))
    let proxy = TunnelServer()
    var allowed = EgressRequest(method: "GET", url: "http://crm.example:\(server.port)/")
    allowed.allowsPrivateAddress = true
    allowed.pinned = ["127.0.0.1"]
    allowed.proxy = EgressProxy(address: "http://127.0.0.1:\(proxy.port)", isForPublicOnly: true)
    #expect(await gets([allowed]) { $1(["127.0.0.1"]) } == ["200"])
    // The name is spared, and means another address by the time of the connection: nothing is reached.
    var spared = EgressRequest(method: "GET", url: "https://crm.example:\(server.port)/")
    spared.pinned = ["127.0.0.1"]
    spared.proxy = EgressProxy(
      address: "http://127.0.0.1:\(proxy.port)", isForPublicOnly: true, spares: { name, _ in name == "crm.example" })
    #expect(await gets([spared]) { $1(["1.1.1.1"]) } == ["egress.private_address"])
    #expect(proxy.asked == [])
    // What is neither goes through it.
    var led = spared
    led.url = "https://other.example:\(server.port)/"
    _ = await gets([led]) { $1(["192.88.99.1"]) }
    #expect(proxy.asked.first?.hasPrefix("CONNECT 192.88.99.1:\(server.port) ") == true)
  }

  @Test func `TLS is with the upstream, by its name`() async throws {
    let identity = try TestIdentity()
    let server = try TLSServer(identity, arguments: ["-www"])
    let proxy = TunnelServer()
    var request = EgressRequest(method: "GET", url: "https://crm.example:\(server.port)/?key=CANARY")
    request.allowsPrivateAddress = true
    request.trusted = identity.authority
    request.proxy = EgressProxy(address: "http://127.0.0.1:\(proxy.port)")
    var other = request
    other.url = "https://other.example:\(server.port)/"
    #expect(await gets([request, other]) { $1(["127.0.0.1"]) } == ["200", "egress.tls"])
    #expect(proxy.asked.allSatisfy { !$0.contains("CANARY") } && proxy.asked.count == 2)
  }

  @Test func `its refusal is named, and what the environment says of proxies counts for nothing`() async throws {
    let server = OneAnswerServer(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8))
    let refusing = OneAnswerServer(Array("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n".utf8))
    var request = EgressRequest(method: "GET", url: "http://127.0.0.1:\(server.port)/")
    request.allowsPrivateAddress = true
    var led = request
    led.proxy = EgressProxy(address: "http://127.0.0.1:\(refusing.port)")
    for name in ["http_proxy", "https_proxy", "ALL_PROXY"] { setenv(name, "http://127.0.0.1:1", 1) }
    setenv("no_proxy", "127.0.0.1", 1)
    defer { for name in ["http_proxy", "https_proxy", "ALL_PROXY", "no_proxy"] { unsetenv(name) } }
    #expect(await gets([request, led]) { $1([$0]) } == ["200", "egress.proxy_refused"])
  }
}
