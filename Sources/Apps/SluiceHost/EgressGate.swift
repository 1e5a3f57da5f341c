package import ConnectorFabric
import Cryptography
package import Domain
import Egress
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
    /// An operator's override of an endpoint's base address, which also allows private addresses and plain http.
    let overrides: [String: String]
    /// An operator's proxy for everything that this instance asks.
    let proxy: String?
    var throttleKey: String { "\(tenant)/\(instance)" }

    package init(
      tenant: TenantID, instance: InstanceID, manifest: Manifest, overrides: [String: String], proxy: String? = nil
    ) {
      self.tenant = tenant
      self.instance = instance
      self.manifest = manifest
      self.overrides = overrides
      self.proxy = proxy
    }
  }

  private struct Throttle {
    var bucket: TokenBucket
    var inFlight = 0
    var queue: [(exchange: GatedExchange, go: () -> Void)] = []
  }

  private let loop: EventLoop
  private let client: EgressClient
  private let vault: Vault
  private let metrics: Metrics
  private var throttles: [String: Throttle] = [:]
  private let tokens: AccessTokens

  package init(loop: EventLoop, vault: Vault, metrics: Metrics, crash: any CrashInjector) {
    self.loop = loop
    self.vault = vault
    self.metrics = metrics
    client = EgressClient(loop: loop)
    tokens = AccessTokens(loop: loop, client: client, vault: vault, metrics: metrics, crash: crash)
  }

  /// - Parameter closed: Called once access tokens that are on their way have come and been kept; nothing else is
  ///   waited for.
  package func close(_ closed: @escaping () -> Void = {}) {
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
    let arrived = SystemSources.monotonicMs()
    let gated = GatedExchange()
    pass(gated, admitted.declared.endpoint, route) { [self] in
      gated.ended = { [self] in leave(route) }
      gated.throttledMs = Int(SystemSources.monotonicMs() - arrived)
      metrics.wait(.throttled, instance: route.throttleKey, ms: gated.throttledMs)
      withToken(sending, gated, answered) { [self] token in
        leaves()
        start(sending, token, gated, isAgain: false, answered)
      }
    }
    return gated
  }

  /// Goes on once there is an access token, where the slot needs one.
  /// - Parameter refused: One that the upstream has refused; another one is asked for unless there is one already.
  private func withToken(
    _ sending: Sending, _ gated: GatedExchange, refused: AccessTokens.Held? = nil,
    _ answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void, _ go: @escaping (AccessTokens.Held?) -> Void
  ) {
    guard let need = sending.tokenNeed else { return go(nil) }
    let since = SystemSources.monotonicMs()
    gated.keepAlive = gated  // until it has ended: its operation may let go of it
    tokens.get(need, after: refused) { [self] result in
      metrics.wait(.token, instance: sending.route.throttleKey, ms: Int(SystemSources.monotonicMs() - since))
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
    _ sending: Sending, _ token: AccessTokens.Held?, _ gated: GatedExchange, isAgain: Bool,
    _ answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void
  ) {
    let route = sending.route
    let (request, secrets) = sending.request(token: token, nowMs: SystemSources.wallClockMs())
    gated.keepOut(secrets)
    let sentAt = SystemSources.monotonicMs()
    gated.keepAlive = gated  // until it has ended: libcurl's callbacks must find it
    gated.exchange = client.send(request) { [self, unowned gated] head in
      metrics.wait(.upstreamSlow, instance: route.throttleKey, ms: Int(SystemSources.monotonicMs() - sentAt))
      switch head {
      case .success(let head):
        metrics.request(instance: route.throttleKey, status: head.status)
        if head.status == 401, let token, !isAgain {
          guard sending.mayBeSentAgain else {
            tokens.drop(token)
            return answer(gated, head, route, answered)
          }
          gated.exchange?.cancel()
          return withToken(sending, gated, refused: token, answered) { [self] in
            start(sending, $0, gated, isAgain: true, answered)
          }
        }
        answer(gated, head, route, answered)
      case .failure(let failure):
        metrics.request(instance: route.throttleKey, status: 0)
        gated.finish()
        answered(.failure(HTTPFailure(failure)))
      }
    }
  }

  private func answer(
    _ gated: GatedExchange, _ head: EgressExchange.Head, _ route: Route,
    _ answered: (Result<GatedExchange, HTTPFailure>) -> Void
  ) {
    keepRetryAfter(head.status, head.headers, route)
    gated.status = head.status
    gated.headers = gated.scrub(head.headers)
    answered(.success(gated))
  }

  // Throttling: a token bucket and a number of requests at once, per tenant and instance.

  /// Lets the exchange go when it is its turn, unless it was cancelled by then.
  private func pass(_ exchange: GatedExchange, _ endpoint: String, _ route: Route, _ go: @escaping () -> Void) {
    guard !exchange.isFinished else { return }
    let key = route.throttleKey
    makeThrottle(route)
    guard throttles[key]!.inFlight < route.manifest.limits.concurrency else {
      throttles[key]!.queue.append((exchange, { [self] in pass(exchange, endpoint, route, go) }))
      return
    }
    let waitMs = throttles[key]!.bucket.take(nowMs: SystemSources.monotonicMs(), endpoint: endpoint)
    guard waitMs > 0 else {
      throttles[key]!.inFlight += 1
      go()
      return
    }
    let timer = LoopTimer(loop)
    timer.start(after: .milliseconds(waitMs)) { [self] in
      timer.close()
      pass(exchange, endpoint, route, go)
    }
  }

  private func makeThrottle(_ route: Route) {
    guard throttles[route.throttleKey] == nil else { return }
    let limits = route.manifest.limits
    throttles[route.throttleKey] = Throttle(
      bucket: TokenBucket(
        ratePerSecond: limits.requestsPerSecond, burst: limits.requestBurst, nowMs: SystemSources.monotonicMs()))
  }

  /// What a plugin read of its upstream's budget; it can only slow this instance down, and for an hour at most.
  /// - Parameter resetAtMs: Wall time; without it nobody knows when the hint ends, and it changes nothing.
  func lowerRate(_ route: Route, endpoint: String, remaining: Int64?, resetAtMs: Int64?) {
    guard let remaining, let resetAtMs, route.manifest.endpoint(endpoint) != nil else { return }
    let now = SystemSources.monotonicMs()
    let (leftMs, isAbsurd) = resetAtMs.subtractingReportingOverflow(SystemSources.wallClockMs())
    makeThrottle(route)
    throttles[route.throttleKey]!.bucket.lower(
      endpoint: endpoint, remaining: remaining, untilMs: now + (isAbsurd ? 0 : min(leftMs, 3_600_000)), nowMs: now)
  }

  private func leave(_ route: Route) {
    throttles[route.throttleKey]!.inFlight -= 1
    throttles[route.throttleKey]!.queue.removeAll { $0.exchange.isFinished }
    guard !throttles[route.throttleKey]!.queue.isEmpty else { return }
    throttles[route.throttleKey]!.queue.removeFirst().go()
  }

  /// RFC 9110, 10.2.3: seconds only; a date is left to the plugin's own pause.
  private func keepRetryAfter(_ status: Int, _ headers: [(name: String, value: String)], _ route: Route) {
    guard status == 429 || status == 503, let text = headers.first(where: { $0.name == "retry-after" })?.value,
      let seconds = Double(text), (0...3600).contains(seconds)
    else { return }
    throttles[route.throttleKey]!.bucket.pause(
      untilMs: SystemSources.monotonicMs() + Int64((seconds * 1000).rounded(.up)))
  }
}
