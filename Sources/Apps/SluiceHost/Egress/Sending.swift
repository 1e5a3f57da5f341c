import ConnectorFabric
import Cryptography
import Domain
import Egress
import PluginHost
import Vault

/// One admitted request with what its slot holds: makes the request that leaves, as often as it is sent.
struct Sending {
  let route: EgressGate.Route
  private let declared: Manifest.Request
  private let target: RequestTarget
  private let credential: (slot: Manifest.Slot, secret: Secret, read: SlotSecret)?
  private let proxy: EgressProxy?

  init(
    _ open: HTTPOpen, _ admitted: RequestRules.Admitted, _ route: EgressGate.Route, _ vault: Vault
  ) throws(HTTPFailure) {
    self.route = route
    declared = admitted.declared
    guard let base = route.base(for: declared) else {
      throw HTTPFailure(
        status: .invalid, code: "egress.invalid_request", message: "The request was not sent: the endpoint is gone.")
    }
    target = RequestTarget(
      method: open.method, base: base, path: open.path, query: open.query, headers: admitted.headers, body: open.body)
    do {
      credential = try declared.slot.flatMap { route.manifest.slot($0) }.map { slot in
        let secret = try vault.secret(tenant: route.tenant, instance: route.instance, slot: slot.name)
        return (slot, secret, try secret.read(for: slot, of: route.instance))
      }
      proxy = try route.proxy(vault)
    } catch let error as any OperatorError where error is VaultError || error is SecretError {
      throw HTTPFailure(.auth, error)
    } catch {
      throw HTTPFailure(status: .permanent, code: "egress.failed", message: "The vault could not be read.")
    }
  }

  /// The access token that it needs, where its slot's scheme is OAuth 2.
  var tokenNeed: AccessTokens.Need? {
    guard let credential, case .oauth2(let grant) = credential.slot.scheme else { return nil }
    return AccessTokens.Need(
      route: route, slot: credential.slot.name, grant: grant, secret: credential.secret, client: credential.read,
      proxy: proxy)
  }

  /// Scheme, host and port of where it goes.
  var origin: String { target.origin }

  /// What the caller makes of the credential's bytes; nil without one.
  func code<Code>(_ make: ([UInt8]) -> Code) -> Code? { credential.map { $0.secret.reveal(make) } }

  /// Whose turn it takes.
  var member: Throttle.Member {
    Throttle.Member(route, endpoint: declared.endpoint, slot: credential?.slot.name ?? "", base: target.base)
  }

  /// After a 401 with an access token. That status says that nothing was done (RFC 9110, 15.5.2); a write is sent again
  /// only where its permit's key goes along, so that it happens once even if that was not true.
  var mayBeSentAgain: Bool { declared.effect != .write || declared.idempotencyHeader != nil }

  /// - Returns: The request, and what of it must not come back.
  func request(token: AccessTokens.Held?, nowMs: Int64) -> (EgressRequest, [Secret]) {
    let added = credential.map {
      RequestCredential(
        $0.slot.scheme, $0.read, token: token?.bytes, for: target, nowMs: nowMs, base64: Base64.encode)
    }
    var request = route.request(target.method, target.url(query: added?.query ?? target.query), to: declared.endpoint)
    request.proxy = proxy
    request.isSentOnce = declared.effect != .read
    request.body = target.body
    request.identity = added?.identity
    request.headers += (target.headers + (added?.headers ?? [])).map { ($0.name, $0.value) }
    return (request, (added?.echoes ?? []).map { Secret($0) } + [token?.renewal].compactMap(\.self))
  }
}

extension Throttle.Member {
  init(_ route: EgressGate.Route, endpoint: String, slot: String, base: String, isToken: Bool = false) {
    let limits = route.manifest.limits
    self.init(
      tenant: route.tenant.rawValue, instance: route.instance.rawValue, endpoint: endpoint, slot: slot, base: base,
      connector: route.manifest.name,
      limits: Throttle.Limits(
        ratePerSecond: limits.requestsPerSecond, burst: limits.requestBurst, concurrency: limits.concurrency),
      isExecutor: route.manifest.kind == .executor, isToken: isToken)
  }
}

extension EgressGate.Route {
  func base(of endpoint: String) -> String? { places.base(of: endpoint) }

  /// Where a request goes; nil when the instance has no address for it, or none for the token that it must bear.
  func base(for request: Manifest.Request) -> String? {
    if case .oauth2(let grant) = request.slot.flatMap(manifest.slot)?.scheme, base(of: grant.endpoint) == nil {
      return nil
    }
    return base(of: request.endpoint)
  }

  /// A request with this instance's bounds, without headers but its sender's.
  func request(_ method: String, _ url: String, to endpoint: String) -> EgressRequest {
    var request = EgressRequest(method: method, url: url)
    request.allowsPrivateAddress = places.allowsPrivate(endpoint)
    request.responseBytesMax = manifest.limits.responseBytesMax
    request.timeoutMs = manifest.limits.operationTimeoutMs
    request.headers = [("User-Agent", "sluice")]
    return request
  }

  /// - Throws: `VaultError`, `SecretError`.
  func proxy(_ vault: Vault) throws -> EgressProxy? {
    guard let proxy else { return hostProxy }
    guard proxy != Enabling.noProxy else { return nil }
    guard try vault.slots(tenant: tenant).contains(where: { $0 == (instance.rawValue, Manifest.proxySlot) }) else {
      return EgressProxy(address: proxy)
    }
    let secret = try vault.secret(tenant: tenant, instance: instance, slot: Manifest.proxySlot)
    return try secret.reveal { bytes in
      try SecretError.check(bytes, for: .basic, slot: Manifest.proxySlot, of: instance)
      let colon = bytes.firstIndex(of: UInt8(ascii: ":"))!
      return EgressProxy(
        address: proxy, login: (user: Array(bytes[..<colon]), password: Array(bytes[(colon + 1)...])))
    }
  }
}

extension Secret {
  fileprivate func read(for slot: Manifest.Slot, of instance: InstanceID) throws(SecretError) -> SlotSecret {
    let bytes = reveal { $0 }
    return try SecretError.check(bytes, for: slot.scheme, slot: slot.name, of: instance)
  }
}

/// A secret that its slot can do nothing with.
package enum SecretError: OperatorError, Equatable {
  case wrongShape(slot: String, instance: String, scheme: String, reason: String, expected: String)

  /// - Returns: The secret as its scheme reads it.
  @discardableResult
  static func check(
    _ bytes: [UInt8], for scheme: SlotScheme, slot: String, of instance: InstanceID
  ) throws(SecretError) -> SlotSecret {
    do { return try SlotSecret(bytes, for: scheme) } catch {
      throw .wrongShape(
        slot: slot, instance: instance.rawValue, scheme: scheme.name.rawValue, reason: error.reason,
        expected: error.expected)
    }
  }

  /// The secret of a slot by which is only received: some secrets, one a line, any of which counts.
  static func check(
    _ bytes: [UInt8], received manifest: Manifest, slot: String, of instance: InstanceID
  ) throws(SecretError) {
    let lines = bytes.split(separator: UInt8(ascii: "\n")).count
    guard lines > WebhookProof.secretsMax else { return }
    throw .wrongShape(
      slot: slot, instance: instance.rawValue, scheme: manifest.webhook?.scheme ?? "",
      reason: "it holds \(lines) lines",
      expected: "at most \(WebhookProof.secretsMax) secrets, one a line")
  }

  package var code: String {
    switch self {
    case .wrongShape: "secret.wrong_shape"
    }
  }
  package var message: String {
    switch self {
    case .wrongShape(let slot, let instance, let scheme, let reason, _):
      "The secret of the slot \"\(slot)\" of \(instance) does not fit its scheme \(scheme): \(reason)."
    }
  }
  package var remedy: String {
    switch self {
    case .wrongShape(let slot, let instance, _, _, let expected):
      "Give \(expected): `sluice secret set \(instance) \(slot) < FILE`."
    }
  }
}
