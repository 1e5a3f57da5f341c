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
    var throttleKey: String { "\(tenant)/\(instance)" }

    package init(tenant: TenantID, instance: InstanceID, manifest: Manifest, overrides: [String: String]) {
      self.tenant = tenant
      self.instance = instance
      self.manifest = manifest
      self.overrides = overrides
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

  package init(loop: EventLoop, vault: Vault, metrics: Metrics) {
    self.loop = loop
    self.vault = vault
    self.metrics = metrics
    client = EgressClient(loop: loop)
  }

  package func close() { client.close() }

  /// Sends what was admitted, when the throttle lets it.
  /// - Parameter leaves: Called when it is sent, before anything of it can have arrived.
  /// - Parameter answered: Called once there is a status and headers, already scrubbed; or with why there are none.
  /// - Returns: The exchange, to be cancelled at any time; nil when the request was refused.
  func send(
    _ open: HTTPOpen, admitted: RequestRules.Admitted, route: Route, leaves: @escaping () -> Void,
    answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void
  ) -> GatedExchange? {
    let secret: Secret?
    let request: EgressRequest
    do {
      secret = try admitted.declared.slot.map {
        try vault.secret(tenant: route.tenant, instance: route.instance, slot: $0)
      }
      request = try makeRequest(open, admitted, route, secret)
    } catch let error as VaultError {
      answered(.failure(HTTPFailure(status: .auth, code: error.code, message: error.message)))
      return nil
    } catch let failure as HTTPFailure {
      answered(.failure(failure))
      return nil
    } catch {
      answered(
        .failure(HTTPFailure(status: .permanent, code: "egress.failed", message: "The vault could not be read.")))
      return nil
    }
    let arrived = SystemSources.monotonicMs()
    let gated = GatedExchange(scrubber: SecretScrubber(secret.map { [$0] } ?? []))
    pass(gated, admitted.declared.endpoint, route) { [self] in
      gated.throttledMs = Int(SystemSources.monotonicMs() - arrived)
      metrics.wait(.throttled, instance: route.throttleKey, ms: gated.throttledMs)
      leaves()
      start(request, gated, route, answered)
    }
    return gated
  }

  private func start(
    _ request: EgressRequest, _ gated: GatedExchange, _ route: Route,
    _ answered: @escaping (Result<GatedExchange, HTTPFailure>) -> Void
  ) {
    let sentAt = SystemSources.monotonicMs()
    gated.ended = { [self] in leave(route) }
    gated.exchange = client.send(request) { [self, unowned gated] head in
      metrics.wait(.upstreamSlow, instance: route.throttleKey, ms: Int(SystemSources.monotonicMs() - sentAt))
      switch head {
      case .success(let head):
        metrics.request(instance: route.throttleKey, status: head.status)
        keepRetryAfter(head.status, head.headers, route)
        gated.status = head.status
        gated.headers = gated.scrub(head.headers)
        answered(.success(gated))
      case .failure(let failure):
        metrics.request(instance: route.throttleKey, status: 0)
        gated.finish()
        answered(.failure(HTTPFailure(failure)))
      }
    }
    gated.keepAlive = gated  // until it has ended: libcurl's callbacks must find it
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

  // Building the request.

  private func makeRequest(
    _ open: HTTPOpen, _ admitted: RequestRules.Admitted, _ route: Route, _ secret: Secret?
  ) throws(HTTPFailure) -> EgressRequest {
    let declared = admitted.declared
    guard let endpoint = route.manifest.endpoint(declared.endpoint) else { throw Self.invalid("the endpoint is gone") }
    let override = route.overrides[endpoint.name]
    let base = override ?? endpoint.base
    var request = EgressRequest(
      method: open.method, url: base + open.path + (open.query.isEmpty ? "" : "?" + open.query))
    request.allowsPrivateAddress = override != nil
    request.responseBytesMax = route.manifest.limits.responseBytesMax
    request.timeoutMs = route.manifest.limits.operationTimeoutMs
    request.isSentOnce = declared.effect != .read
    request.body = open.body
    var headers: [(name: String, value: String)] = [("User-Agent", "sluice")]
    headers += admitted.headers.map { ($0.name, $0.value) }
    if let slot = declared.slot.flatMap({ route.manifest.slot($0) }), let secret {
      headers.append(Self.credential(slot, secret))
    }
    request.headers = headers
    return request
  }

  private static func credential(_ slot: Manifest.Slot, _ secret: Secret) -> (name: String, value: String) {
    secret.reveal { bytes in
      switch slot.scheme {
      case .bearer: ("Authorization", "Bearer " + String(decoding: bytes, as: UTF8.self))
      case .basic: ("Authorization", "Basic " + String(decoding: Base64.encode(bytes), as: UTF8.self))
      case .header: (slot.header ?? "X-Api-Key", String(decoding: bytes, as: UTF8.self))
      }
    }
  }

  private static func invalid(_ what: String) -> HTTPFailure {
    HTTPFailure(status: .invalid, code: "egress.invalid_request", message: "The request was not sent: \(what).")
  }
}
