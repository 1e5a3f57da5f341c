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
    let tenant: TenantRuntime
    let instance: ConnectorInstance
    let news: News
  }

  /// Tells an instance that deliveries wait: one task for however many came meanwhile.
  private final class News: Sendable {
    private let last = Mutex<(position: Position, isOnItsWay: Bool)>((.origin, false))

    func tell(_ position: Position, _ tenant: TenantRuntime, _ instance: ConnectorInstance) {
      let isFirst = last.withLock { last in
        defer { last = (max(last.position, position), true) }
        return !last.isOnItsWay
      }
      guard isFirst else { return }
      Task {
        // The first of them will do: the instance takes what it finds, until nothing is left.
        try? await tenant.reached(position)
        await instance.takeDeliveries()
        let later = last.withLock { last in
          last.isOnItsWay = false
          return last.position
        }
        if later > position { tell(later, tenant, instance) }
      }
    }
  }

  private let hooks = Mutex<[String: Hook]>([:])
  private let metrics: Metrics
  private let log: HostLog

  init(metrics: Metrics, log: HostLog) {
    self.metrics = metrics
    self.log = log
  }

  /// From now on deliveries to `id` belong to the instance. Without a secret in its slot nothing is accepted.
  func open(_ id: String, route: InstanceRoute, vault: Vault, tenant: TenantRuntime, instance: ConnectorInstance) {
    guard let webhook = route.manifest.webhook else { return }
    guard let secret = try? vault.secret(tenant: route.tenant, instance: route.instance, slot: webhook.slot) else {
      log.warning("ingress.no_secret", "The slot \(webhook.slot) holds no secret: webhooks are refused.", route.fields)
      return
    }
    let hook = Hook(route: route, webhook: webhook, secret: secret, tenant: tenant, instance: instance, news: News())
    hooks.withLock { $0[id] = hook }
  }

  func close(_ route: InstanceRoute) {
    hooks.withLock { $0 = $0.filter { $0.value.route.key != route.key } }
  }

  func receive(hook id: String, headers: [String: String], body: [UInt8]) async -> HookAnswer {
    guard let hook = hooks.withLock({ $0[id] }) else { return refuse("unknown_address", nil) }
    let now = SystemSources.wallClockMs()
    let delivery: String
    do {
      delivery = try hook.secret.reveal { secret in
        try WebhookSignature.check(
          headers: { headers[$0] }, body: body, secret: secret, nowMs: now, toleranceMs: hook.webhook.toleranceMs,
          base64: (Base64.encode, Base64.decode))
      }
    } catch let refusal as WebhookSignature.Refusal {
      return refuse(refusal.rawValue, hook.route)
    } catch { return .notIdentified }
    // Only who is identified learns that there is a limit, and so that there is an address.
    guard body.count <= hook.webhook.bodyBytesMax else {
      _ = refuse("too_large", hook.route)
      return .tooLarge
    }
    return await store(delivery, body, hook, now)
  }

  private func store(_ delivery: String, _ body: [UInt8], _ hook: Hook, _ now: Int64) async -> HookAnswer {
    var document: [String: JSONValue] = [
      "instance": .string(hook.route.instance.rawValue), "delivery_id": .string(delivery),
      "received_at_ms": .integer(now),
    ]
    if let text = String(validating: body, as: UTF8.self) {
      document["body"] = .string(text)
    } else {
      document["body_base64"] = .string(String(decoding: Base64.encode(body), as: UTF8.self))
    }
    let id = StableID.of("delivery", [hook.route.key, delivery, Hex.encode(SystemSources.random(16))])
    let position: Position
    do {
      // Invariant 3: answered 2xx only after this is durable.
      position = try await hook.tenant.append(.delivery, JSONValue.object(document), id: id)
    } catch {
      // Senders come often and again: while the disk is low they are counted, not logged one by one.
      if let shortage = error as? DiskShortage { return refuse(shortage, hook.route) }
      log.error(error, hook.route.fields)
      return .tryLater
    }
    metrics.add("sluice_deliveries_total", 1, [("instance", hook.route.key), ("outcome", "accepted")])
    // The instance finds it once it is applied; the sender need not wait for that.
    hook.news.tell(position, hook.tenant, hook.instance)
    return .accepted
  }

  private func refuse(_ shortage: DiskShortage, _ route: InstanceRoute) -> HookAnswer {
    metrics.add("sluice_deliveries_total", 1, [("instance", route.key), ("outcome", "disk_low")])
    return .tryLater
  }

  private func refuse(_ why: String, _ route: InstanceRoute?) -> HookAnswer {
    metrics.add("sluice_deliveries_total", 1, [("instance", route?.key ?? "none"), ("outcome", why)])
    return .notIdentified
  }
}
