package import ConnectorFabric
import Cryptography
package import Domain
package import Egress
import PluginHost
package import UVLoop
package import Vault

/// Where plugins' requests become real ones: matched against manifest and permit, throttled, given their credential,
/// scrubbed on the way back. One gate for the whole host; confined to the loop's thread.
package final class EgressGate {
  /// What one instance of one tenant may reach, and how.
  package struct Route: Sendable {
    let tenant: TenantID
    let instance: InstanceID
    let manifest: Manifest
    let places: EndpointPlaces
    /// An operator's proxy for everything that this instance asks, or "none".
    let proxy: String?
    /// The host's, where nothing is said for this instance.
    let hostProxy: EgressProxy?
    var key: String { "\(tenant)/\(instance)" }

    package init(
      tenant: TenantID, instance: InstanceID, manifest: Manifest, places: EndpointPlaces, proxy: String? = nil,
      hostProxy: EgressProxy? = nil
    ) {
      self.tenant = tenant
      self.instance = instance
      self.manifest = manifest
      self.places = places
      self.proxy = proxy
      self.hostProxy = hostProxy
    }
  }

  private let client: EgressClient
  private let vault: Vault
  private let metrics: Metrics
  private let throttles: Throttles
  private let tokens: AccessTokens
  let crash: any CrashInjector

  private let clock: any HostClock

  package init(
    loop: EventLoop, vault: Vault, metrics: Metrics, crash: any CrashInjector, clock: any HostClock = SystemClock(),
    authoritiesFile: String? = nil
  ) {
    self.clock = clock
    self.crash = crash
    self.vault = vault
    self.metrics = metrics
    client = EgressClient(loop: loop, authoritiesFile: authoritiesFile)
    throttles = Throttles(loop: loop, metrics: metrics, clock: clock)
    tokens = AccessTokens(
      loop: loop, client: client, throttles: throttles, vault: vault, metrics: metrics, crash: crash,
      clock: clock)
  }

  /// Keeps no token of a tenant any more, whose instances have all ended.
  func forget(_ tenant: TenantID, _ done: @escaping () -> Void) { tokens.forget(tenant, done) }

  /// - Parameter closed: Called once access tokens that are on their way have come and been kept; nothing else is
  ///   waited for.
  package func close(_ closed: @escaping () -> Void = {}) {
    throttles.close()
    tokens.close { [client] in
      client.close()
      closed()
    }
  }

  /// Sends what was admitted, when the throttle lets it.
  /// - Parameter leaves: Called when it is sent, before anything of it can have arrived.
  /// - Parameter answered: Called once there is a status and headers, already scrubbed; or with why there are none.
  /// - Returns: The exchange, to be cancelled at any time; nil when the request was refused.
  func send(
    _ open: HTTPOpen, admitted: RequestRules.Admitted, route: Route, leaves: @escaping () -> Void,
    answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void
  ) -> GatedExchange? {
    let sending: Sending
    do throws(HTTPFailure) { sending = try Sending(open, admitted, route, vault) } catch {
      answered(.failure(error))
      return nil
    }
    let gated = GatedExchange()
    let noTurn: (HTTPFailure) -> Void = { answered(.failure($0)) }
    prepare(sending, gated, noTurn, answered) { [self] token, turn in
      leaves()
      start(sending, token, gated, turn, isAgain: false, answered)
    }
    return gated
  }

  /// An instance asks nothing any more.
  func leave(_ route: Route) {
    throttles.leave(route)
    for endpoint in route.manifest.endpoints { metrics.rateHint(instance: route.key, endpoint.name, remaining: nil) }
  }

  /// Goes on with a token, where one is needed, once it is the request's turn: in this order, since who waits for a token
  /// holds no place that the token itself may need.
  private func prepare(
    _ sending: Sending, _ gated: GatedExchange, _ noTurn: @escaping (HTTPFailure) -> Void,
    _ answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void, isAgain: Bool = false,
    _ go: @escaping (AccessTokens.Held?, Throttles.Turn) -> Void
  ) {
    withToken(sending, gated, answered) { [self] token in
      takeTurn(sending, gated, noTurn) { [self] turn in
        // It may have waited for longer than the token is good.
        if let token, !tokens.isGood(token), !isAgain {
          gated.giveTurnBack()
          return prepare(sending, gated, noTurn, answered, isAgain: true, go)
        }
        go(token, turn)
      }
    }
  }

  /// Goes on when it is the request's turn, unless it was cancelled by then. Each time that it leaves takes a turn.
  private func takeTurn(
    _ sending: Sending, _ gated: GatedExchange, _ noTurn: @escaping (HTTPFailure) -> Void,
    _ go: @escaping (Throttles.Turn) -> Void
  ) {
    let turn = throttles.turn(for: sending)
    gated.hold(turn, of: throttles)
    let isTaken = throttles.take(turn) {
      gated.throttledMs += turn.waitedMs
      go(turn)
    }
    guard !isTaken else { return }
    gated.finish()
    noTurn(.queueFull)
  }

  /// Goes on once there is an access token, where the slot needs one.
  private func withToken(
    _ sending: Sending, _ gated: GatedExchange, _ answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void,
    _ go: @escaping (AccessTokens.Held?) -> Void
  ) {
    guard let need = sending.tokenNeed else { return go(nil) }
    let wait = metrics.wait(.token, at: sending.member)
    gated.keepAlive = gated  // until it has ended: its operation may let go of it
    tokens.get(need) { result in
      wait.end()
      guard !gated.isFinished else { return }
      switch result {
      case .success(let held): go(held)
      case .failure(let failure):
        gated.finish()
        answered(.failure(failure))
      }
    }
  }

  private func start(
    _ sending: Sending, _ token: AccessTokens.Held?, _ gated: GatedExchange, _ turn: Throttles.Turn, isAgain: Bool,
    _ answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void
  ) {
    let (request, secrets) = sending.request(token: token, nowMs: clock.wallMs())
    gated.keepOut(secrets)
    let sentAt = clock.monotonicMs()
    gated.keepAlive = gated  // until it has ended: libcurl's callbacks must find it
    gated.isToBeSentAgain = false
    gated.awaitUpstream(metrics.idleWait(.upstreamSlow, at: turn.member))
    gated.exchange = client.send(request) { [self, unowned gated] head in
      gated.hearUpstream()
      switch head {
      case .success(let head):
        metrics.request(at: turn.member, status: head.status)
        throttles.heard(
          turn, status: head.status, sentAtMs: sentAt,
          pauseMs: RetryAfter.pauseMs(of: head, nowMs: clock.wallMs()))
        if head.status == 401, let token, !isAgain {
          // Nobody gets it any more; another one is asked for unless there is one already.
          tokens.drop(token)
          if sending.mayBeSentAgain { return startAgain(sending, gated, after: head, answered) }
        }
        answer(gated, head, answered)
      case .failure(let failure):
        metrics.request(at: turn.member, status: 0)
        if failure.isSilence { throttles.heard(turn, status: nil, sentAtMs: sentAt) }
        gated.finish()
        answered(.failure(HTTPFailure(failure)))
      }
    }
  }

  private func startAgain(
    _ sending: Sending, _ gated: GatedExchange, after head: EgressExchange.Head,
    _ answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void
  ) {
    gated.exchange?.cancel()
    gated.isToBeSentAgain = true
    gated.giveTurnBack()
    metrics.retry(at: sending.member, cause: "unauthorized")
    // It was sent, and refused: where there is no turn for another try, that is the answer.
    let noTurn: (HTTPFailure) -> Void = { [self] _ in answer(gated, head, answered) }
    prepare(sending, gated, noTurn, answered) { [self] token, turn in
      start(sending, token, gated, turn, isAgain: true, answered)
    }
  }

  private func answer(
    _ gated: GatedExchange, _ head: EgressExchange.Head,
    _ answered: (Result<GatedExchange, HTTPFailure>) -> Void
  ) {
    gated.status = head.status
    gated.headers = gated.scrub(head.headers)
    answered(.success(gated))
  }

  /// What a plugin read of its upstream's budget; it can only slow its own tenant down there, for an hour at most.
  /// - Parameter resetAtMs: Wall time; without it nobody knows when the hint ends, and it changes nothing.
  func lowerRate(_ route: Route, endpoint: String, remaining: Int64?, resetAtMs: Int64?) {
    guard route.manifest.endpoint(endpoint) != nil else { return }
    metrics.rateHint(instance: route.key, endpoint, remaining: remaining)
    guard let remaining, let resetAtMs else { return }
    let now = clock.monotonicMs()
    let (leftMs, isAbsurd) = resetAtMs.subtractingReportingOverflow(clock.wallMs())
    throttles.lower(
      route, endpoint: endpoint, remaining: remaining,
      untilMs: now + (isAbsurd ? 0 : min(leftMs, UpstreamBudget.longestMs)))
  }
}

extension RetryAfter {
  /// What an answer asks for.
  static func pauseMs(of head: EgressExchange.Head, nowMs: Int64) -> Int64? {
    func value(_ name: String) -> String? { head.headers.first { $0.name == name }?.value }
    return value("retry-after").flatMap { pauseMs($0, date: value("date"), nowMs: nowMs) }
  }
}

extension HTTPFailure {
  /// There is no turn to be had.
  static var queueFull: HTTPFailure {
    HTTPFailure(
      status: .rateLimited, code: "egress.queue_full",
      message: "The request was not sent: \(Throttle.waitingMax) requests of this tenant wait for this upstream.",
      retryAfterMs: 1_000)
  }
}
