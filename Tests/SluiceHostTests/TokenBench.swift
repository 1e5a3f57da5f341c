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
final class TokenServer: Sendable {
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
final class WatchedKeystore: Keystore {
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
struct StandingClock: HostClock {
  func wallMs() -> Int64 { 1_767_571_200_000 }
  func monotonicMs() -> Int64 { 1_000_000 }
  func timer(_ loop: EventLoop) -> any HostTimer { LoopTimer(loop) }
}

/// The tokens of one slot on a loop of their own.
final class TokenBench: @unchecked Sendable {
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
  final class TurnBox: @unchecked Sendable { var turn: Throttles.Turn? }

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
        places: EndpointPlaces(
          manifest, config: [:],
          overrides: ["crm": EndpointOverride("http://127.0.0.1:\(server.port)", allowsPrivate: true)]), proxy: nil),
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
