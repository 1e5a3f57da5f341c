package import ConnectorFabric
package import Domain
package import Egress

/// What an instance is and may do; fixed while it is enabled.
package struct InstanceRoute: Sendable {
  package let tenant: TenantID
  package let instance: InstanceID
  package let manifest: Manifest
  /// The folder of the manifest and its library.
  package let folder: String
  package let places: EndpointPlaces
  /// The proxy that an operator set for this instance, or "none"; nil leaves it to the host's.
  package let proxy: String?
  package let hostProxy: EgressProxy?
  /// The instance's configuration, canonical JSON.
  package let config: [UInt8]
  /// Of a dry run, whose worker is not the one that works.
  var isDryRun = false

  package var key: String { "\(tenant)/\(instance)" }
  /// Whose operations are run one after the other. No instance has a name with a space.
  var workerKey: String { isDryRun ? key + " dry run" : key }
  var fields: [String: String] { ["tenant": "\(tenant)", "instance": "\(instance)"] }
  var gate: EgressGate.Route {
    EgressGate.Route(
      tenant: tenant, instance: instance, manifest: manifest, places: places, proxy: proxy,
      hostProxy: hostProxy)
  }
  var library: String { folder + "/" + manifest.library.file }
}
