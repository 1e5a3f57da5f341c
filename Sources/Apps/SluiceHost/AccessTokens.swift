import ConnectorFabric
import Cryptography
import Domain
import Egress
import PluginHost
import UVLoop
import Vault

/// The access tokens of all slots: asked for when first needed, kept in memory until shortly before they end, by one
/// request at a time for each slot. A rotated refresh token is durable before what came with it is used.
///
/// Confined to the loop's thread.
final class AccessTokens {
  /// Who needs a token, and how it is had.
  struct Need {
    let route: EgressGate.Route
    let slot: String
    let grant: SlotScheme.Grant
    let secret: Secret
    let client: SlotSecret
    let proxy: EgressProxy?

    fileprivate var place: String { "\(route.tenant)/\(route.instance)/\(slot)" }
    fileprivate var origin: Origin {
      Origin(secret: secret.reveal { SHA256.digest($0) }, grant: grant, base: route.base(of: grant.endpoint))
    }
  }

  struct Held {
    let bytes: [UInt8]
    fileprivate let place: String
    fileprivate let number: Int
    /// Monotonic; nil where the upstream did not say.
    fileprivate let goodUntilMs: Int64?
  }

  typealias Waiter = (Result<Held, HTTPFailure>) -> Void

  /// What a token is had by: the operator's secret, the manifest's grant, where it is asked for.
  fileprivate struct Origin: Equatable {
    let secret: Digest
    let grant: SlotScheme.Grant
    let base: String?
  }

  private struct Entry {
    /// With another one everything begins anew.
    let origin: Origin
    var held: Held?
    var waiters: [Waiter] = []
    /// Who needs one by another origin, once what is under way has ended.
    var later: [(Need, Waiter)] = []
    /// Received, and not durable yet: used by nobody.
    var unkept: TokenGrant.Token?
    /// The upstream's no, and until when it is taken for its word: a burst of calls must not look like an attack on it.
    var refusal: (failure: HTTPFailure, untilMs: Int64)?
  }

  private static let bodyBytesMax = 256 << 10
  private static let timeoutMs = 30_000
  private static let refusalMs: Int64 = 10_000

  private let loop: EventLoop
  private let client: EgressClient
  private let vault: Vault
  private let metrics: Metrics
  private let crash: any CrashInjector
  private var entries: [String: Entry] = [:]
  private var asking: [String: EgressExchange] = [:]
  private var lastNumber = 0
  private var isClosed = false

  init(loop: EventLoop, client: EgressClient, vault: Vault, metrics: Metrics, crash: any CrashInjector) {
    self.loop = loop
    self.client = client
    self.vault = vault
    self.metrics = metrics
    self.crash = crash
  }

  func close() {
    isClosed = true
    for exchange in asking.values { exchange.cancel() }
    entries = [:]
  }

  /// Gives the slot's token, now or once there is one.
  /// - Parameter refused: The token that an upstream has refused: it is not given again.
  func get(_ need: Need, after refused: Held? = nil, _ done: @escaping Waiter) {
    guard !isClosed else { return }
    if let refused { drop(refused) }
    let origin = need.origin
    if let entry = entries[need.place], entry.origin != origin, !entry.waiters.isEmpty {
      // What is under way may bring a rotated token, and must end.
      entries[need.place]!.later.append((need, done))
      return
    }
    if entries[need.place]?.origin != origin {
      let before = entries[need.place]
      entries[need.place] = Entry(origin: origin)
      if before?.origin.secret == origin.secret { entries[need.place]!.unkept = before?.unkept }
    }
    if let held = entries[need.place]!.held, held.goodUntilMs.map({ SystemSources.monotonicMs() < $0 }) ?? true {
      return done(.success(held))
    }
    if let refusal = entries[need.place]!.refusal, SystemSources.monotonicMs() < refusal.untilMs {
      return done(.failure(refusal.failure))
    }
    wait(need, done)
  }

  /// Gives this token to nobody any more.
  func drop(_ refused: Held) {
    if entries[refused.place]?.held?.number == refused.number { entries[refused.place]!.held = nil }
  }

  private func wait(_ need: Need, _ done: @escaping Waiter) {
    entries[need.place]!.held = nil
    entries[need.place]!.waiters.append(done)
    // Single flight: the first one asks.
    guard entries[need.place]!.waiters.count == 1 else { return }
    if let unkept = entries[need.place]!.unkept { keep(unkept, need) } else { ask(need) }
  }

  private func end(_ need: Need, _ result: Result<Held, HTTPFailure>) {
    let waiters = entries[need.place]?.waiters ?? []
    entries[need.place]?.waiters = []
    let later = entries[need.place]?.later ?? []
    entries[need.place]?.later = []
    for waiter in waiters { waiter(result) }
    for (need, waiter) in later { get(need, waiter) }
  }

  // The token endpoint.

  private func ask(_ need: Need) {
    let request: EgressRequest
    do { request = try self.request(need) } catch {
      return end(need, .failure(HTTPFailure(.transient, TokenError.notRead(need))))
    }
    asking[need.place] = client.send(request) { [self] head in
      switch head {
      case .failure(let failure): ended(need, .unclear("\(failure.message)"))
      case .success(let head):
        metrics.request(instance: need.route.throttleKey, status: head.status)
        collect(need, head.status, [])
      }
    }
  }

  private func request(_ need: Need) throws -> EgressRequest {
    guard case .client(let id, let secret, let given) = need.client, let base = need.route.base(of: need.grant.endpoint)
    else { preconditionFailure("the secret was read for another scheme") }
    var refreshToken = given
    if need.grant.kind == .refreshToken {
      let renewed = try vault.renewal(
        of: need.secret, tenant: need.route.tenant, instance: need.route.instance, slot: need.slot)
      refreshToken = renewed?.reveal { String(decoding: $0, as: UTF8.self) } ?? given
    }
    let (headers, body) = TokenGrant.request(
      need.grant, clientID: id, clientSecret: secret, refreshToken: refreshToken, base64: Base64.encode)
    var request = need.route.request("POST", base + need.grant.path, to: need.grant.endpoint)
    request.proxy = need.proxy
    // Sent a second time, a refresh token that rotates would be taken for a stolen one.
    request.isSentOnce = true
    request.timeoutMs = Self.timeoutMs
    request.responseBytesMax = Self.bodyBytesMax
    request.headers += headers.map { ($0.name, $0.value) }
    request.body = body
    return request
  }

  private func collect(_ need: Need, _ status: Int, _ body: [UInt8]) {
    asking[need.place]?.read(bytesMax: Self.bodyBytesMax) { [self] result in
      switch result {
      case .failure(let failure): ended(need, .unclear(failure.message))
      case .success((let part, let isEnd)):
        guard isEnd else { return collect(need, status, body + part) }
        ended(need, TokenGrant.read(status: status, body: body + part))
      }
    }
  }

  private func ended(_ need: Need, _ answer: TokenGrant.Answer) {
    asking[need.place] = nil
    switch answer {
    case .token(let token):
      metrics.token(instance: need.route.throttleKey, ending: "given")
      if need.grant.kind == .refreshToken, token.refreshToken != nil {
        entries[need.place]!.unkept = token
        keep(token, need)
      } else {
        hold(token, need)
      }
    case .refused(let reason):
      metrics.token(instance: need.route.throttleKey, ending: "refused")
      let failure = HTTPFailure(.auth, TokenError.refused(need, reason))
      entries[need.place]!.refusal = (failure, SystemSources.monotonicMs() + Self.refusalMs)
      end(need, .failure(failure))
    case .unclear(let reason):
      metrics.token(instance: need.route.throttleKey, ending: "unclear")
      end(need, .failure(HTTPFailure(.transient, TokenError.unreachable(need, reason))))
    }
  }

  /// Makes the rotated refresh token durable, away from the loop, and only then lets the access token be used.
  private func keep(_ token: TokenGrant.Token, _ need: Need) {
    let (secret, tenant, instance, slot) = (need.secret, need.route.tenant, need.route.instance, need.slot)
    let rotated = Array((token.refreshToken ?? "").utf8)
    let box = OnLoop { [self] isKept in
      guard !isClosed, let entry = entries[need.place], entry.unkept?.bytes == token.bytes else { return }
      guard isKept else { return end(need, .failure(HTTPFailure(.transient, TokenError.notKept(need)))) }
      entries[need.place]!.unkept = nil
      hold(token, need)
    }
    Task.detached { [loop, vault, crash] in
      crash.reach(.tokenBeforeKept)
      let isKept: Bool
      do {
        try vault.keepRenewal(rotated, of: secret, tenant: tenant, instance: instance, slot: slot)
        isKept = true
      } catch { isKept = false }
      crash.reach(.tokenAfterKept)
      loop.post { box.done(isKept) }
    }
  }
  /// Used on the loop's thread only, hence unchecked.
  private final class OnLoop: @unchecked Sendable {
    let done: (Bool) -> Void
    init(_ done: @escaping (Bool) -> Void) { self.done = done }
  }

  private func hold(_ token: TokenGrant.Token, _ need: Need) {
    lastNumber += 1
    // A tenth of its life before its end, a minute at most: what is under way then must still arrive in time.
    let lifeMs = token.expiresIn.map { min(max($0, 0), 10_000_000) * 1000 }
    let held = Held(
      bytes: token.bytes, place: need.place, number: lastNumber,
      goodUntilMs: lifeMs.map { SystemSources.monotonicMs() + $0 - min($0 / 10, 60_000) })
    entries[need.place]!.held = held
    end(need, .success(held))
  }
}

/// Why there is no access token.
package enum TokenError: OperatorError, Equatable {
  case refused(instance: String, slot: String, reason: String)
  case unreachable(instance: String, slot: String, reason: String)
  case notKept(instance: String, slot: String)
  case notRead(instance: String, slot: String)

  static func refused(_ need: AccessTokens.Need, _ reason: String) -> TokenError {
    .refused(instance: need.route.instance.rawValue, slot: need.slot, reason: reason)
  }
  static func unreachable(_ need: AccessTokens.Need, _ reason: String) -> TokenError {
    .unreachable(instance: need.route.instance.rawValue, slot: need.slot, reason: reason)
  }
  static func notKept(_ need: AccessTokens.Need) -> TokenError {
    .notKept(instance: need.route.instance.rawValue, slot: need.slot)
  }
  static func notRead(_ need: AccessTokens.Need) -> TokenError {
    .notRead(instance: need.route.instance.rawValue, slot: need.slot)
  }

  package var code: String {
    switch self {
    case .refused: "token.refused"
    case .unreachable: "token.unreachable"
    case .notKept: "token.not_kept"
    case .notRead: "token.not_read"
    }
  }
  package var message: String {
    switch self {
    case .refused(let instance, let slot, let reason):
      "The token endpoint refused the client of the slot \"\(slot)\" of \(instance): \(reason)."
    case .unreachable(let instance, let slot, let reason):
      "The token endpoint for the slot \"\(slot)\" of \(instance) gave no token: \(reason)."
    case .notKept(let instance, let slot):
      "The new refresh token of the slot \"\(slot)\" of \(instance) could not be stored, so what came with it is not used."
    case .notRead(let instance, let slot):
      "The refresh token of the slot \"\(slot)\" of \(instance) could not be read."
    }
  }
  package var remedy: String {
    switch self {
    case .refused(let instance, let slot, let reason):
      (reason == "invalid_grant"
        ? "It has ended, was revoked or was used elsewhere: authorise the client again, then"
        : "Correct the client at the upstream or its secret here, then")
        + " `sluice secret set \(instance) \(slot) < FILE` and `sluice connector resume \(instance)`."
    case .unreachable: "It is tried again with growing pauses; check the upstream."
    case .notKept, .notRead: "It is tried again; make room on the disk, and check that the data folder can be written."
    }
  }
}
