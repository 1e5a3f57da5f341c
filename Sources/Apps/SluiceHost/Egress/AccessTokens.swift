import ConnectorFabric
import Cryptography
import Domain
import Egress
import PluginHost
import UVLoop
import Vault

/// The access tokens of all slots: asked for when first needed, kept in memory until shortly before they end, by one
/// request at a time for each slot. A rotated refresh token is durable before what came with it is used, and no stop of
/// the host comes between the two.
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

    var place: String { "\(route.tenant)/\(route.instance)/\(slot)" }
    /// The token endpoint.
    var target: RequestTarget {
      RequestTarget(
        method: "POST", base: route.base(of: grant.endpoint) ?? "", path: grant.path, query: "", headers: [], body: [])
    }

    /// Whose turn it takes.
    var member: Throttle.Member {
      Throttle.Member(
        route, endpoint: grant.endpoint, slot: slot, base: route.base(of: grant.endpoint) ?? "", isToken: true)
    }

    var origin: Origin {
      Origin(secret: secret.reveal { SHA256.digest($0) }, grant: grant, base: route.base(of: grant.endpoint))
    }
  }

  struct Held {
    let bytes: [UInt8]
    /// The refresh token that counts now in place of the operator's, where there is one: no upstream may give it back.
    let renewal: Secret?
    let place: String
    fileprivate let number: Int
    /// Monotonic; nil where the upstream did not say.
    fileprivate let goodUntilMs: Int64?
  }

  typealias Waiter = (Result<Held, HTTPFailure>) -> Void

  /// What a token is had by: the operator's secret, the manifest's grant, where it is asked for.
  struct Origin: Equatable {
    let secret: Digest
    let grant: SlotScheme.Grant
    let base: String?
  }

  struct Entry {
    /// With another one everything begins anew.
    let origin: Origin
    var held: Held?
    var waiters: [Waiter] = []
    /// Who needs one by another origin, once what is under way has ended.
    var later: [(Need, Waiter)] = []
    /// Received, and not durable yet: used by nobody.
    var unkept: Unkept?
    /// The upstream's no, and until when it is taken for its word: a burst of calls must not look like an attack on it.
    var refusal: (failure: HTTPFailure, untilMs: Int64)?
  }

  struct Unkept {
    let token: TokenGrant.Token
    /// By which it was had: the access token is good for this one only, the refresh token for every one of its secret.
    let need: Need
    /// Whether it is being written right now.
    var isUnderWay = false
  }

  static let timeoutMs = 30_000

  private let loop: EventLoop
  let client: EgressClient
  let throttles: Throttles
  private let vault: Vault
  let metrics: Metrics
  private let crash: any CrashInjector
  let clock: any HostClock
  var entries: [String: Entry] = [:]
  var asking: [String: EgressExchange] = [:]
  /// The turns of those requests, waiting or under way.
  var turns: [String: Throttles.Turn] = [:]
  private var lastNumber = 0
  /// Set once the host stops: called when nothing is under way any more.
  private var closed: (() -> Void)?
  private var isClosing = false
  /// Called as soon as something that was being written has been.
  private var whenKept: [() -> Void] = []

  init(
    loop: EventLoop, client: EgressClient, throttles: Throttles, vault: Vault, metrics: Metrics,
    crash: any CrashInjector, clock: any HostClock = SystemClock()
  ) {
    self.loop = loop
    self.clock = clock
    self.client = client
    self.throttles = throttles
    self.vault = vault
    self.metrics = metrics
    self.crash = crash
  }

  /// Keeps nothing of a tenant any more, whose instances have all ended.
  /// - Parameter done: Called once no token of it is on its way into the keystore.
  func forget(_ tenant: TenantID, _ done: @escaping () -> Void) {
    let prefix = "\(tenant)/"
    // First who still waits for a turn, or it would get the place of one that is under way, which is others' again.
    for (place, turn) in turns where place.hasPrefix(prefix) && asking[place] == nil { giveBack(turn, of: place) }
    for place in asking.keys.filter({ $0.hasPrefix(prefix) }) {
      asking[place]?.cancel()
      over(place)
    }
    let places = entries.keys.filter { $0.hasPrefix(prefix) }
    for place in places {
      entries[place]!.waiters = []
      entries[place]!.later = []
      entries[place]!.held = nil
    }
    guard !places.contains(where: { entries[$0]!.unkept?.isUnderWay == true }) else {
      return whenKept.append { [self] in forget(tenant, done) }
    }
    for place in places { entries[place] = nil }
    done()
  }

  /// From now on nobody gets a token, and none is asked for. What is under way comes to its end: an upstream may have
  /// rotated a refresh token already, and who forgets the new one has lost the grant.
  /// - Parameter closed: Called once, when that is so: at once, or after 30 seconds and one write at most.
  func close(_ closed: @escaping () -> Void) {
    isClosing = true
    // Who still waits for a turn has asked nobody.
    for (place, turn) in turns where asking[place] == nil { giveBack(turn, of: place) }
    for place in entries.keys {
      entries[place]!.waiters = []
      entries[place]!.later = []
    }
    for entry in entries.values { if let unkept = entry.unkept, !unkept.isUnderWay { keep(unkept) } }
    guard isUnderWay else { return closed() }
    let last = LoopTimer(loop)
    self.closed = {
      last.close()
      closed()
    }
    // Each request has as long at most, once it has left; one that still looks its upstream's name up has asked nobody.
    last.start(after: .milliseconds(Self.timeoutMs)) { [self] in
      for (place, exchange) in asking {
        exchange.cancel()
        over(place)
      }
      closeIfDone()
    }
  }

  private var isUnderWay: Bool { !asking.isEmpty || entries.values.contains { $0.unkept?.isUnderWay == true } }

  private func closeIfDone() {
    guard !isUnderWay, let closed else { return }
    self.closed = nil
    // Not from within libcurl: who is told may close the client.
    let soon = LoopTimer(loop)
    soon.start(after: .zero) {
      soon.close()
      closed()
    }
  }

  /// Gives the slot's token, now or once there is one.
  func get(_ need: Need, _ done: @escaping Waiter) {
    guard !isClosing else { return }
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
    if let held = entries[need.place]!.held, isGood(held) { return done(.success(held)) }
    if let refusal = entries[need.place]!.refusal, clock.monotonicMs() < refusal.untilMs {
      return done(.failure(refusal.failure))
    }
    wait(need, done)
  }

  /// Whether it is not at its end.
  func isGood(_ held: Held) -> Bool { held.goodUntilMs.map { clock.monotonicMs() < $0 } ?? true }

  /// Gives this token to nobody any more.
  func drop(_ refused: Held) {
    if entries[refused.place]?.held?.number == refused.number { entries[refused.place]!.held = nil }
  }

  private func wait(_ need: Need, _ done: @escaping Waiter) {
    entries[need.place]!.held = nil
    entries[need.place]!.waiters.append(done)
    // Single flight: the first one asks.
    guard entries[need.place]!.waiters.count == 1 else { return }
    if let unkept = entries[need.place]!.unkept { keep(unkept, thenFor: need) } else { ask(need) }
  }

  func end(_ need: Need, _ result: Result<Held, HTTPFailure>) {
    let waiters = entries[need.place]?.waiters ?? []
    entries[need.place]?.waiters = []
    let later = entries[need.place]?.later ?? []
    entries[need.place]?.later = []
    for waiter in waiters { waiter(result) }
    for (need, waiter) in later { get(need, waiter) }
    closeIfDone()
  }

  /// Makes the rotated refresh token durable, away from the loop, and only then lets the access token be used, or asks
  /// anew where that was for another need.
  /// - Parameter next: Who waits; nil while the host stops.
  func keep(_ unkept: Unkept, thenFor next: Need? = nil) {
    let need = unkept.need
    let (secret, tenant, instance, slot) = (need.secret, need.route.tenant, need.route.instance, need.slot)
    let rotated = Array((unkept.token.refreshToken ?? "").utf8)
    // Nobody has it any more: its tenant is gone.
    guard entries[need.place] != nil else { return closeIfDone() }
    entries[need.place]!.unkept = unkept
    entries[need.place]!.unkept!.isUnderWay = true
    let box = OnLoop { [self] isKept in
      entries[need.place]?.unkept?.isUnderWay = false
      defer {
        let told = whenKept
        whenKept = []
        for tell in told { tell() }
      }
      if isKept { entries[need.place]?.unkept = nil }
      guard let next, !isClosing, entries[need.place] != nil else { return closeIfDone() }
      guard isKept else { return end(next, .failure(HTTPFailure(.transient, TokenError.notKept(next)))) }
      if need.origin == next.origin { hold(unkept.token, next) } else { ask(next) }
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

  func hold(_ token: TokenGrant.Token, _ need: Need) {
    let renewal: Secret?
    do { renewal = try self.renewal(of: need) } catch {
      return end(need, .failure(HTTPFailure(.transient, TokenError.notRead(need))))
    }
    lastNumber += 1
    // A tenth of its life before its end, a minute at most: what is under way then must still arrive in time.
    let lifeMs = token.expiresIn.map { min(max($0, 0), 10_000_000) * 1000 }
    let held = Held(
      bytes: token.bytes, renewal: renewal, place: need.place, number: lastNumber,
      goodUntilMs: lifeMs.map { clock.monotonicMs() + $0 - min($0 / 10, 60_000) })
    guard entries[need.place] != nil else { return closeIfDone() }
    entries[need.place]!.held = held
    end(need, .success(held))
  }

  /// The rotated refresh token that counts in place of the operator's; nil where there is none.
  func renewal(of need: Need) throws -> Secret? {
    guard need.grant.kind == .refreshToken else { return nil }
    return try vault.renewal(
      of: need.secret, tenant: need.route.tenant, instance: need.route.instance, slot: need.slot)
  }
}
