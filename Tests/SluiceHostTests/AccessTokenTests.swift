import CanonicalJSON
import Cryptography
import Domain
import Foundation
import MemoryStorage
import PluginHost
import Synchronization
import TestKit
import Testing
import UVLoop
import Vault

@testable import ConnectorFabric
@testable import Egress
@testable import SluiceHost

/// A token endpoint that answers each request with the next token, once it is let.
private final class TokenServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let bodies = Mutex<[String]>([])
  private let gate = DispatchSemaphore(value: 0)
  let isRefusing = Mutex(false)
  /// What every request is answered with 429.
  let retryAfter = Mutex<String?>(nil)
  var asked: [String] { bodies.withLock { $0 } }

  init() {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length)
        getsockname(listener, $0, &length)
      }
    }
    listen(listener, 16)
    self.listener = listener
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread { [self] in
      while true {
        let peer = accept(listener, nil, nil)
        guard peer >= 0 else { return }
        serve(peer)
      }
    }
  }
  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  /// One request more may be answered.
  func letOne() { gate.signal() }

  private func serve(_ peer: Int32) {
    var text = ""
    while !text.hasSuffix("client_id=me") {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = recv(peer, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      text += String(decoding: buffer.prefix(count), as: UTF8.self)
    }
    let number = bodies.withLock {
      $0.append(text.components(separatedBy: "\r\n\r\n").last ?? "")
      return $0.count
    }
    gate.wait()
    let json = #"{"access_token":"at-\#(number)","expires_in":3600,"refresh_token":"rt-\#(number)"}"#
    let refusal = #"{"error":"invalid_grant"}"#
    let pause = retryAfter.withLock { $0 }
    let (status, body) = isRefusing.withLock { $0 } ? (400, refusal) : pause == nil ? (200, json) : (429, "{}")
    let more = pause.map { "Retry-After: \($0)\r\n" } ?? ""
    let answer = Array("HTTP/1.1 \(status) x\r\n\(more)Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    _ = answer.withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    close(peer)
  }
}

/// A keystore that can be made to fail, and tells what it held when it was written.
private final class WatchedKeystore: Keystore {
  private let inner = MemoryKeystore()
  let isFull = Mutex(false)
  func value(_ name: String) -> [UInt8]? { inner.value(name) }
  func set(_ name: String, _ value: [UInt8]) throws {
    if isFull.withLock({ $0 }) { throw CocoaError(.fileWriteOutOfSpace) }
    inner.set(name, value)
  }
  func remove(_ name: String) { inner.remove(name) }
  func names(withPrefix prefix: String) -> [String] { inner.names(withPrefix: prefix) }
}

/// A clock that stands, so that no refusal or token grows old while a busy machine comes to the next line.
private struct StandingClock: HostClock {
  func wallMs() -> Int64 { 1_767_571_200_000 }
  func monotonicMs() -> Int64 { 1_000_000 }
  func timer(_ loop: EventLoop) -> any HostTimer { LoopTimer(loop) }
}

/// The tokens of one slot on a loop of their own.
private final class TokenBench: @unchecked Sendable {
  let loop = EventLoop()
  let server = TokenServer()
  let keystore = WatchedKeystore()
  let vault: Vault
  let crashes = Mutex<[String]>([])
  /// What a rotated token waits for before it is written.
  let disk = Mutex<DispatchSemaphore?>(nil)
  let isClosed = Mutex(false)
  let metrics = Metrics()
  private var tokens: AccessTokens!
  private var throttles: Throttles!
  private var client: EgressClient!
  let tenant = TenantID(rawValue: "demo")!
  let instance = InstanceID(rawValue: "crm")!

  init() async throws {
    vault = try Vault(
      hostKey: [UInt8](repeating: 7, count: 32), keystore: keystore,
      random: { (0..<$0).map { _ in .random(in: 0...255) } })
    try vault.prepare(.tenant(tenant))
    try put("rt-0")
    loop.start()
    try await loop.run { [self] in
      client = EgressClient(loop: loop)
      throttles = Throttles(loop: loop, metrics: metrics)
      tokens = AccessTokens(
        loop: loop, client: client, throttles: throttles, vault: vault, metrics: metrics, crash: Points(bench: self),
        clock: StandingClock())
    }
  }

  private struct Points: CrashInjector {
    let bench: TokenBench
    func reach(_ point: CrashPoint) {
      let isKept = (try? bench.kept()) ?? nil
      bench.crashes.withLock { $0.append("\(point.rawValue) \(isKept ?? "-")") }
      if point == .tokenBeforeKept { bench.disk.withLock { $0 }?.wait() }
    }
  }

  func end() async throws {
    await beginClosing().value
    try await endLoop()
  }

  func endLoop() async throws {
    try await loop.run { [self] in
      throttles.close()
      client.close()
    }
    loop.stop()
  }

  /// - Returns: What ends once the tokens are closed; the closing itself has begun before whatever the loop is given next.
  func beginClosing() -> Task<Void, Never> {
    let (ended, end) = AsyncStream<Void>.makeStream()
    loop.post { [self] in
      tokens.close {
        self.isClosed.withLock { $0 = true }
        end.finish()
      }
    }
    return Task { for await _ in ended {} }
  }

  func forget() async {
    await withCheckedContinuation { done in loop.post { [self] in tokens.forget(tenant) { done.resume() } } }
  }

  /// Asks for a token whose answer nobody waits for.
  func beginAsking() throws {
    let need = try need(scopes: "")
    loop.post { [self] in tokens.get(need) { _ in } }
  }

  /// Takes the one place of the slot's pool.
  /// - Returns: What gives it back.
  func takePlace() async throws -> @Sendable () -> Void {
    let need = try need(scopes: "")
    let box = TurnBox()
    try await loop.run { [self] in
      box.turn = throttles.turn(for: need)
      _ = throttles.take(box.turn!) {}
    }
    return { [self] in loop.post { [self] in throttles.end(box.turn!) } }
  }
  private final class TurnBox: @unchecked Sendable { var turn: Throttles.Turn? }

  func value(_ metric: String) -> Int64 { metrics.sum(metric, where: ("instance", "demo/crm")) }

  func put(_ refreshToken: String) throws {
    let secret = #"{"client_id":"me","refresh_token":"\#(refreshToken)"}"#
    try vault.put(Array(secret.utf8), tenant: tenant, instance: instance, slot: "api")
  }

  func kept() throws -> String? {
    let secret = try vault.secret(tenant: tenant, instance: instance, slot: "api")
    return try vault.renewal(of: secret, tenant: tenant, instance: instance, slot: "api")?.reveal {
      String(decoding: $0, as: UTF8.self)
    }
  }

  private func need(scopes: String) throws -> AccessTokens.Need {
    let text = """
      {"sluice": 1, "name": "crm", "version": "1.0.0", "summary": "x", "kind": "source",
       "library": {"file": "a.so", "sha256": "\(String(repeating: "ab", count: 32))", "abi": 1},
       "endpoints": {"crm": {"base": "https://crm.example"}},
       "slots": {"api": {"scheme": "oauth2_refresh_token", "endpoint": "crm", "client_auth": "body", "scopes": [\(scopes)],
         "token": {"endpoint": "crm", "path": "/token"}}},
       "limits": {"concurrency": 1},
       "streams": [{"name": "s", "delivery": "replayable"}]}
      """
    let manifest = try Manifest(SourceDocument(name: "m.yaml", value: try JSONValue(parsing: text), marks: [:]))
    let slot = manifest.slot("api")!
    guard case .oauth2(let grant) = slot.scheme else { throw CocoaError(.featureUnsupported) }
    let secret = try vault.secret(tenant: tenant, instance: instance, slot: "api")
    return AccessTokens.Need(
      route: .init(
        tenant: tenant, instance: instance, manifest: manifest,
        overrides: ["crm": "http://127.0.0.1:\(server.port)"], proxy: nil),
      slot: "api", grant: grant, secret: secret, client: try secret.reveal { try SlotSecret($0, for: slot.scheme) },
      proxy: nil)
  }

  /// The tokens, or codes of failures, that so many get who ask at once; each after the same refused one.
  func get(_ count: Int, after refused: AccessTokens.Held? = nil, letting: Int = 1, scopes: String = "") async throws
    -> [Result<
      AccessTokens.Held, HTTPFailureText
    >]
  {
    let need = try need(scopes: scopes)
    for _ in 0..<letting { server.letOne() }
    return await withCheckedContinuation { done in
      loop.post { [self] in
        var got: [Result<AccessTokens.Held, HTTPFailureText>] = []
        for _ in 0..<count {
          if let refused { tokens.drop(refused) }
          tokens.get(need) { result in
            got.append(result.mapError { HTTPFailureText(code: $0.code) })
            if got.count == count { done.resume(returning: got) }
          }
        }
      }
    }
  }
  struct HTTPFailureText: Error, Equatable { let code: String }

  static func texts(_ results: [Result<AccessTokens.Held, HTTPFailureText>]) -> [String] {
    results.map { result in
      switch result {
      case .success(let held): String(decoding: held.bytes, as: UTF8.self)
      case .failure(let why): why.code
      }
    }
  }
}

@Suite struct `An access token` {
  @Test func `is asked for once, however many need it at the same time, and kept`() async throws {
    let bench = try await TokenBench()
    #expect(TokenBench.texts(try await bench.get(20)) == [String](repeating: "at-1", count: 20))
    #expect(TokenBench.texts(try await bench.get(3, letting: 0)) == ["at-1", "at-1", "at-1"])
    #expect(bench.server.asked.count == 1)
    try await bench.end()
  }

  @Test func `is asked for in a place of its credential's, like any other request`() async throws {
    let bench = try await TokenBench()
    let giveBack = try await bench.takePlace()
    bench.server.letOne()
    try bench.beginAsking()
    try await bench.loop.run {}
    #expect(bench.server.asked.isEmpty && bench.value("sluice_throttle_queued") == 1)
    giveBack()
    #expect(TokenBench.texts(try await bench.get(1, letting: 0)) == ["at-1"])
    try await bench.loop.run {}
    #expect(bench.server.asked.count == 1)
    #expect(bench.value("sluice_throttle_queued") == 0 && bench.value("sluice_throttle_in_flight") == 0)
    try await bench.end()
  }

  @Test func `whose endpoint says 429 is asked for again only after the pause that it asks for`() async throws {
    let bench = try await TokenBench()
    bench.server.retryAfter.withLock { $0 = "3000" }
    #expect(TokenBench.texts(try await bench.get(3)) == [String](repeating: "token.too_many", count: 3))
    bench.server.letOne()
    try bench.beginAsking()
    try await bench.loop.run {}
    #expect(bench.server.asked.count == 1)
    #expect(bench.metrics.sums("sluice_throttle_held", by: "cause") == ["retry_after": 1])
    #expect(bench.metrics.sums("sluice_tokens_total", by: "ending") == ["too_many": 1])
    try await bench.end()
  }

  @Test func `that was refused is renewed once, whoever comes with it and how late`() async throws {
    let bench = try await TokenBench()
    let old = try await bench.get(1)[0].get()
    #expect(TokenBench.texts(try await bench.get(5, after: old)) == [String](repeating: "at-2", count: 5))
    // One more comes with the old one when the new one is there already.
    #expect(TokenBench.texts(try await bench.get(1, after: old, letting: 0)) == ["at-2"])
    #expect(bench.server.asked.count == 2)
    try await bench.end()
  }

  @Test func `is used only once the refresh token that came with it is durable, and that is shown next`() async throws {
    let bench = try await TokenBench()
    let old = try await bench.get(1)[0].get()
    #expect(bench.crashes.withLock { $0 } == ["token.before_kept -", "token.after_kept rt-1"])
    _ = try await bench.get(1, after: old)
    #expect(bench.server.asked.map { $0.contains("refresh_token=rt-0&") } == [true, false])
    #expect(bench.server.asked[1].contains("refresh_token=rt-1&"))
    #expect(try bench.kept() == "rt-2")
    try await bench.end()
  }

  @Test func `comes with the refresh token that counts now, which no upstream may give back`() async throws {
    let bench = try await TokenBench()
    let held = try await bench.get(1)[0].get()
    #expect(held.renewal?.reveal { String(decoding: $0, as: UTF8.self) } == "rt-1")
    let next = try await bench.get(1, after: held)[0].get()
    #expect(next.renewal?.reveal { String(decoding: $0, as: UTF8.self) } == "rt-2")
    try await bench.end()
  }

  @Test func `is used by nobody while the keystore cannot be written, and used as soon as it can`() async throws {
    let bench = try await TokenBench()
    bench.keystore.isFull.withLock { $0 = true }
    #expect(TokenBench.texts(try await bench.get(2)) == ["token.not_kept", "token.not_kept"])
    bench.keystore.isFull.withLock { $0 = false }
    // The token that was given is kept now: the upstream is not asked again, and the old one is not shown twice.
    #expect(TokenBench.texts(try await bench.get(2, letting: 0)) == ["at-1", "at-1"])
    #expect(try bench.kept() == "rt-1" && bench.server.asked.count == 1)
    try await bench.end()
  }

  @Test func `that is refused for good is not asked for again by a burst of calls, but at once with a new secret`()
    async throws
  {
    let bench = try await TokenBench()
    bench.server.isRefusing.withLock { $0 = true }
    #expect(TokenBench.texts(try await bench.get(2)) == ["token.refused", "token.refused"])
    #expect(TokenBench.texts(try await bench.get(5, letting: 0)) == [String](repeating: "token.refused", count: 5))
    #expect(bench.server.asked.count == 1)
    bench.server.isRefusing.withLock { $0 = false }
    try bench.put("consented-again")
    #expect(TokenBench.texts(try await bench.get(1)) == ["at-2"])
    try await bench.end()
  }

  @Test func `that is on its way when the host stops is waited for, and the refresh token that came with it is kept`()
    async throws
  {
    let bench = try await TokenBench()
    try bench.beginAsking()
    while bench.server.asked.isEmpty { await Task.yield() }
    let closing = bench.beginClosing()
    try await bench.loop.run {}
    #expect(bench.isClosed.withLock { $0 } == false)
    bench.server.letOne()
    await closing.value
    #expect(try bench.kept() == "rt-1")
    try await bench.endLoop()
  }

  @Test func `whose refresh token is being written when the host stops is waited for`() async throws {
    let bench = try await TokenBench()
    let disk = DispatchSemaphore(value: 0)
    bench.disk.withLock { $0 = disk }
    bench.server.letOne()
    try bench.beginAsking()
    while bench.crashes.withLock({ $0.isEmpty }) { await Task.yield() }
    let closing = bench.beginClosing()
    try await bench.loop.run {}
    #expect(bench.isClosed.withLock { $0 } == false)
    disk.signal()
    await closing.value
    #expect(try bench.kept() == "rt-1")
    try await bench.endLoop()
  }

  @Test func `whose refresh token could not be written is tried once more when the host stops`() async throws {
    let bench = try await TokenBench()
    bench.keystore.isFull.withLock { $0 = true }
    _ = try await bench.get(1)
    bench.keystore.isFull.withLock { $0 = false }
    try await bench.end()
    #expect(try bench.kept() == "rt-1")
  }

  @Test func `that waits for its turn when its tenant is forgotten is never asked for`() async throws {
    let bench = try await TokenBench()
    let giveBack = try await bench.takePlace()
    try bench.beginAsking()
    try await bench.loop.run {}
    await bench.forget()
    giveBack()
    #expect(TokenBench.texts(try await bench.get(1)) == ["at-1"])
    #expect(bench.server.asked.count == 1)
    try await bench.end()
  }

  @Test(.timeLimit(.minutes(1)))
  func `that is under way when its tenant is forgotten gives its place back, and is used by nobody`() async throws {
    let bench = try await TokenBench()
    try bench.beginAsking()
    while bench.server.asked.isEmpty { await Task.yield() }
    await bench.forget()
    #expect(TokenBench.texts(try await bench.get(1, letting: 2)) == ["at-2"])
    #expect(try bench.kept() == "rt-2")
    try await bench.end()
  }

  @Test func `is asked for by nobody once the host stops`() async throws {
    let bench = try await TokenBench()
    await bench.beginClosing().value
    try bench.beginAsking()
    try await bench.loop.run {}
    #expect(bench.server.asked.isEmpty)
    try await bench.endLoop()
  }

  @Test func `of an earlier manifest's scopes is not given once there is another manifest`() async throws {
    let bench = try await TokenBench()
    _ = try await bench.get(1)
    #expect(TokenBench.texts(try await bench.get(1, scopes: #""crm.read""#)) == ["at-2"])
    // The grant is the same one: its rotated refresh token goes on.
    #expect(bench.server.asked[1].contains("refresh_token=rt-1&scope=crm.read"))
    try await bench.end()
  }

  @Test func `of an earlier manifest is not given after its refresh token could not be kept at first`() async throws {
    let bench = try await TokenBench()
    bench.keystore.isFull.withLock { $0 = true }
    #expect(TokenBench.texts(try await bench.get(1)) == ["token.not_kept"])
    bench.keystore.isFull.withLock { $0 = false }
    // Kept is what the upstream has rotated; the access token was for other scopes.
    #expect(TokenBench.texts(try await bench.get(1, scopes: #""crm.read""#)) == ["at-2"])
    #expect(bench.server.asked[1].contains("refresh_token=rt-1&scope=crm.read"))
    #expect(try bench.kept() == "rt-2")
    try await bench.end()
  }

  @Test func `of an earlier secret is not given for the one that an operator has stored since`() async throws {
    let bench = try await TokenBench()
    _ = try await bench.get(1)
    try bench.put("consented-again")
    #expect(try bench.kept() == nil)
    #expect(TokenBench.texts(try await bench.get(1)) == ["at-2"])
    #expect(bench.server.asked[1].contains("refresh_token=consented-again&"))
    try await bench.end()
  }
}
