import ConnectorFabric
import Domain
import Policy

// What is told of a tenant as a whole.
extension RunningHost {
  /// What `tenant list` tells: without the parts of what each takes.
  func tenantRows() throws -> [JSONValue] {
    try tenantNames().map { tenant in
      guard case .object(var row) = try tenantRow(tenant) else { return .null }
      row["disk"] = nil
      return .object(row)
    }
  }

  func tenantRow(_ tenant: TenantID) throws -> JSONValue {
    let runtime = try self.tenant(tenant)
    let (terms, pause) = (runtime.terms, runtime.intakePause())
    let mode = try runtime.view { try Rules.mode($0) }
    let instances = try runtime.view { try $0.scan(FabricStage.instances) }.count { Enabling.isEnabled($0.1) }
    let counts = runtime.use?.counts ?? DiskUse.Counts()
    return [
      "tenant": .string(tenant.rawValue), "state": .string(terms.suspension == nil ? "active" : "suspended"),
      "mode": .string(mode.rawValue), "unapplied": .integer(Int64(runtime.lag)),
      "intake_pauses": pause.map { .string($0.message) } ?? .null,
      "suspended": terms.suspension.map {
        [
          "by": $0.by.map { .string($0.rawValue) } ?? .null, "since_ms": .integer($0.sinceMs),
          "reason": .string($0.reason),
        ]
      } ?? .null,
      "disk_bytes": .integer(counts.total), "disk_quota_bytes": terms.quotaBytes.map { .integer($0) } ?? .null,
      "instances": .integer(Int64(instances)), "instance_quota": terms.instancesMax.map { .integer($0) } ?? .null,
      "disk": [
        "journal": .integer(counts.journal), "database": .integer(counts.database), "ledger": .integer(counts.ledger),
      ],
    ]
  }

  /// For the metrics, when somebody asks.
  func measureTenants() {
    for tenant in tenantNames() {
      guard let runtime = try? self.tenant(tenant), let use = runtime.use else { continue }
      let labels = [("tenant", tenant.rawValue)]
      metrics.set("sluice_tenant_disk_bytes", Int(use.counts.total), labels)
      if let quota = runtime.terms.quotaBytes {
        metrics.set("sluice_tenant_disk_quota_bytes", Int(quota), labels)
      } else {
        metrics.remove("sluice_tenant_disk_quota_bytes", labels)
      }
    }
  }
}
