import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import Foundation
import HTTPEdge
import Synchronization
import Vault

/// Takes webhooks in: identify, check, make durable, answer. Nothing is looked up in a database on this path; whether a
/// delivery is a duplicate shows when it is applied.
final class Ingress: Sendable {
  private struct Hook: Sendable {
    let route: InstanceRoute
    let webhook: Manifest.Webhook
    let secret: Secret
    /// What the slots of challenges' tokens hold.
    let tokens: [String: Secret]
    let tenant: TenantRuntime
    /// Lets those take it whose it may be.
    let wake: @Sendable () async -> Void
    let news: News
  }

  /// Tells instances that deliveries wait: one task for however many came meanwhile.
  private final class News: Sendable {
    private let last = Mutex<(position: Position, isOnItsWay: Bool)>((.origin, false))

    func tell(_ position: Position, _ tenant: TenantRuntime, _ wake: @escaping @Sendable () async -> Void) {
      let isFirst = last.withLock { last in
        defer { last = (max(last.position, position), true) }
        return !last.isOnItsWay
      }
      guard isFirst else { return }
      Task {
        // The first of them will do: the instance takes what it finds, until nothing is left.
        try? await tenant.reached(position)
        await wake()
        let later = last.withLock { last in
          last.isOnItsWay = false
          return last.position
        }
        if later > position { tell(later, tenant, wake) }
      }
    }
  }

  private let hooks = Mutex<[String: Hook]>([:])
  private let settings: HostSettings
  private let metrics: Metrics
  private let log: HostLog

  init(settings: HostSettings, metrics: Metrics, log: HostLog) {
    self.settings = settings
    self.metrics = metrics
    self.log = log
  }

  /// From now on deliveries to `id` belong to the instance, with the secrets of now. Without one in its slot nothing is
  /// accepted.
  func open(
    _ id: String, route: InstanceRoute, vault: Vault, tenant: TenantRuntime, wake: @escaping @Sendable () async -> Void
  ) {
    guard let webhook = route.manifest.webhook else { return }
    guard let secret = try? vault.secret(tenant: route.tenant, instance: route.instance, slot: webhook.slot) else {
      log.warning("ingress.no_secret", "The slot \(webhook.slot) holds no secret: webhooks are refused.", route.fields)
      return close(route.key)
    }
    if let lacking = Self.lacking(webhook, settings) {
      log.warning(lacking.code, "\(lacking.message) \(lacking.remedy)", route.fields)
    }
    var tokens: [String: Secret] = [:]
    for slot in webhook.challenges.compactMap(\.token?.slot) {
      tokens[slot] = try? vault.secret(tenant: route.tenant, instance: route.instance, slot: slot)
    }
    let hook = Hook(
      route: route, webhook: webhook, secret: secret, tokens: tokens, tenant: tenant, wake: wake, news: News())
    hooks.withLock { $0[id] = hook }
  }

  /// From now on nothing is accepted for the instance of this key.
  func close(_ key: String) {
    hooks.withLock { $0 = $0.filter { $0.value.route.key != key } }
  }

  /// From now on no address of the tenant takes anything.
  func close(of tenant: TenantID) {
    hooks.withLock { $0 = $0.filter { $0.value.route.tenant != tenant } }
  }

  /// What the operator must say before a proof of this kind can be checked; nil when nothing is missing.
  static func lacking(_ webhook: Manifest.Webhook, _ settings: HostSettings) -> IngressError? {
    if webhook.proof.needsPublicURL, settings.publicURL == nil { return .noPublicURL(scheme: webhook.scheme) }
    if webhook.proof == .certificate, settings.proxy == nil { return .noProxy(scheme: webhook.scheme) }
    return nil
  }

  func knows(_ id: String) -> Bool { hooks.withLock { $0[id] != nil } }

  func receive(hook id: String, _ asked: EdgeRequest) async -> HookAnswer {
    guard let hook = hooks.withLock({ $0[id] }) else { return refuse("unknown_address", nil) }
    let request = webhookRequest(asked)
    let now = SystemSources.wallClockMs()
    if let answer = challenged(request, hook, now) { return answer }
    do { try identify(request, hook, now) } catch let refusal as WebhookRefusal {
      return refuse(refusal.rawValue, hook.route)
    } catch { return .notIdentified }
    // Only who is identified learns that there is a limit, and so that there is an address.
    guard let delivery = KeptDelivery(request, hook.webhook) else {
      _ = refuse("too_large", hook.route)
      return .tooLarge
    }
    return await store(delivery, hook, now)
  }

  /// What a sender is told who asks whether this address is ours; nil when that is not what is asked.
  private func challenged(_ request: WebhookRequest, _ hook: Hook, _ now: Int64) -> HookAnswer? {
    let challenges = hook.webhook.challenges
    guard !challenges.isEmpty else { return nil }
    let question = Challenge.Question(request)
    guard let challenge = challenges.first(where: { $0.isAsked(by: question) }) else { return nil }
    do {
      if challenge.isSigned { try identify(request, hook, now) }
      func reply(token: [UInt8]?) throws -> Challenge.Reply {
        try hook.secret.reveal {
          try challenge.reply(to: question, secret: $0, token: token, base64: (Base64.encode, Base64.decode))
        }
      }
      let token = challenge.token.flatMap { hook.tokens[$0.slot] }
      let reply = try token.map { try $0.reveal { try reply(token: $0) } } ?? reply(token: nil)
      metrics.add("sluice_deliveries_total", 1, [("instance", hook.route.key), ("outcome", "challenge")])
      return .answered(type: reply.type, body: reply.body)
    } catch let refusal as Challenge.Refusal {
      return refuse(refusal.rawValue, hook.route)
    } catch let refusal as WebhookRefusal {
      return refuse(refusal.rawValue, hook.route)
    } catch { return .notIdentified }
  }

  private func identify(_ request: WebhookRequest, _ hook: Hook, _ now: Int64) throws {
    let methods = hook.webhook.kept.methods
    guard methods.isEmpty ? request.method == "POST" : methods.contains(request.method) else {
      throw WebhookRefusal.wrongMethod
    }
    try hook.secret.reveal { secret in
      try hook.webhook.proof.check(
        request, secret: secret, nowMs: now, toleranceMs: hook.webhook.toleranceMs,
        base64: (Base64.encode, Base64.decode))
    }
  }

  /// The request as its sender made it, as far as the operator has said what stands between.
  private func webhookRequest(_ asked: EdgeRequest) -> WebhookRequest {
    var certificate: String?
    if let proxy = settings.proxy, let peer = asked.peer, proxy.addresses.contains(where: { $0.contains(peer) }) {
      certificate = asked.headers[proxy.clientCertificateHeader] ?? ""
    }
    let target = asked.path + (asked.queryText.isEmpty ? "" : "?" + asked.queryText)
    return WebhookRequest(
      method: asked.method, uri: settings.publicURL.map { $0 + target }, query: asked.queryText,
      headers: asked.headers, body: asked.body, certificate: certificate)
  }

  private func store(_ delivery: KeptDelivery, _ hook: Hook, _ now: Int64) async -> HookAnswer {
    let document = delivery.document(of: hook.route.instance, receivedAtMs: now)
    let id = StableID.of("delivery", [hook.route.key, delivery.id, Hex.encode(SystemSources.random(16))])
    let position: Position
    do {
      // Invariant 3: answered 2xx only after this is durable.
      position = try await hook.tenant.append(.delivery, document, id: id)
    } catch {
      // Senders come often and again: while nothing is taken in they are counted, not logged one by one.
      if let pause = error as? any IntakePause { return refuse(pause, hook.route) }
      log.error(error, hook.route.fields)
      // It would be no smaller at another time.
      if case JournalError.entryTooLarge? = error as? JournalError {
        _ = refuse("too_large", hook.route)
        return .tooLarge
      }
      return .tryLater()
    }
    metrics.add("sluice_deliveries_total", 1, [("instance", hook.route.key), ("outcome", "accepted")])
    // The instance finds it once it is applied; the sender need not wait for that.
    hook.news.tell(position, hook.tenant, hook.wake)
    return .accepted
  }

  /// Who waits for an operator need not come every few seconds.
  private func refuse(_ pause: any IntakePause, _ route: InstanceRoute) -> HookAnswer {
    let (outcome, answer): (String, HookAnswer) =
      switch pause {
      case is TenantSuspended: ("suspended", .tryLater(seconds: 300))
      case is DiskQuotaReached: ("disk_quota", .tryLater(seconds: 60))
      default: ("disk_low", .tryLater())
      }
    metrics.add("sluice_deliveries_total", 1, [("instance", route.key), ("outcome", outcome)])
    return answer
  }

  private func refuse(_ why: String, _ route: InstanceRoute?) -> HookAnswer {
    metrics.add("sluice_deliveries_total", 1, [("instance", route?.key ?? "none"), ("outcome", why)])
    return .notIdentified
  }
}

/// Why no delivery of a connector can be believed.
package enum IngressError: OperatorError, Equatable {
  case noPublicURL(scheme: String)
  case noProxy(scheme: String)

  package var code: String {
    switch self {
    case .noPublicURL: "ingress.no_public_url"
    case .noProxy: "ingress.no_proxy"
    }
  }
  package var message: String {
    switch self {
    case .noPublicURL(let scheme):
      "The scheme \(scheme) signs the address that its sender calls, and nobody has said which: webhooks are refused."
    case .noProxy(let scheme):
      "The scheme \(scheme) needs to know a client's certificate, and no proxy was named that sees it: webhooks are refused."
    }
  }
  package var remedy: String {
    switch self {
    case .noPublicURL: "Start the host with `--public-url https://…`, or set `public_url` in sluice.yaml."
    case .noProxy: "Set `proxy` in sluice.yaml: its addresses, and the header in which it tells the certificate."
    }
  }
}
