package import Domain

/// The kinds of rows that a tenant has in the keystore, by the first step of their names: `KIND/TENANT/…`. Whoever keeps another
/// kind there adds it here, so that none is forgotten when a tenant is erased.
package enum TenantRow: String, CaseIterable, Sendable {
  /// The keys of a partition, wrapped.
  case key
  /// A slot's secret, sealed.
  case secret
  /// What an upstream gave in place of a part of a secret, sealed.
  case renewal
  /// The unguessable part of a webhook's address.
  case hook

  package func name(_ partition: Partition, _ rest: String...) -> String {
    ([rawValue, partition.name] + rest).joined(separator: "/")
  }

  /// How the names of all rows of this kind begin, of one tenant.
  package func prefix(_ tenant: TenantID) -> String { "\(rawValue)/\(tenant)/" }

  /// - Returns: Whose row of this kind that is; nil when it is of another kind, or the host's own.
  package func tenant(of name: String) -> TenantID? {
    let steps = name.split(separator: "/", maxSplits: 2)
    guard steps.count == 3, steps[0] == rawValue else { return nil }
    return TenantID(rawValue: String(steps[1]))
  }
}
