import ConnectorFabric
import Cryptography
package import Domain
import SQLiteStorage
import Vault

/// The addresses at which instances take webhooks.
extension RunningHost {
  /// The unguessable part of an instance's webhook address; made when first asked for.
  private func hookID(_ route: InstanceRoute) throws -> String {
    let name = TenantRow.hook.name(.tenant(route.tenant), route.instance.rawValue)
    if let known = try keystore.value(name) { return String(decoding: known, as: UTF8.self) }
    let id = Hex.encode(SystemSources.random(24))
    try keystore.set(name, Array(id.utf8))
    return id
  }

  /// The path to which an instance's webhooks are sent.
  package func hookPath(_ tenant: TenantID, _ instance: InstanceID) throws -> String {
    "/hooks/" + (try hookID(try self.instance(tenant, instance).route))
  }

  /// Takes changed secrets into use: an address without its secret takes nothing.
  package func refreshHooks(of tenant: TenantID) throws {
    for instance in instances.values where instance.route.tenant == tenant { try refreshHook(instance.route) }
  }

  func refreshHook(_ route: InstanceRoute) throws {
    guard route.manifest.webhook != nil else { return ingress.close(route.key) }
    ingress.open(
      try hookID(route), route: route, vault: vault, tenant: try tenant(route.tenant),
      wake: { [weak self] in await self?.wakeReceivers(of: route.tenant) })
  }

  /// Lets the tenant's instances look for deliveries that wait for them. By what waits, not by the routes: those in force
  /// now may be others than those that led it.
  func wakeReceivers(of tenant: TenantID) async {
    let instances = instances.values.filter { $0.route.tenant == tenant }
    let awaited = try? self.tenant(tenant).view { view in
      try instances.filter { try FabricStage.isAwaited($0.route.instance, in: view) }
    }
    for instance in awaited ?? instances { await instance.takeDeliveries() }
  }

  /// The addresses of a suspended tenant's webhooks, where senders are told to come again.
  func openDoors(of tenant: TenantID) throws {
    for enabling in try enablings(of: tenant) where enabling.settings.enabled && enabling.hasDoor {
      let document = SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:])
      guard let manifest = try? Manifest(document) else { continue }
      try refreshHook(route(enabling, manifest, tenant))
    }
  }
}
