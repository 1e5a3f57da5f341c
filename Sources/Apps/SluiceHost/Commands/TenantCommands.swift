import ConnectorFabric
import Domain
import Foundation
import Identity
import Vault

extension HostCommand {
  static let tenantCommands: [HostCommand] = [
    HostCommand("tenant.create", "Create a tenant with its keys", role: nil, whileSuspended: .answered) { call in
      let tenant = try call.tenant()
      try await call.host.createTenant(tenant)
      // Whoever is to check the ledger one day keeps this key now, from a place that the host cannot change later.
      return [
        "tenant": .string(tenant.rawValue), "ledger_vkey": .string(try await call.host.opened(tenant).ledger.vkey),
      ]
    },
    HostCommand("tenant.list", "List tenants", role: nil, whileSuspended: .answered) { call in
      .array(try await call.host.tenantRows())
    },
    HostCommand("tenant.show", "Show whether a tenant runs, and what it takes of the disk", role: .auditor) { call in
      try await call.host.tenantRow(try call.tenant())
    },
    HostCommand(
      "tenant.suspend", "Stop all of a tenant until it is resumed; everything stays readable", role: nil,
      whileSuspended: .answered, takes: [.text("reason")]
    ) { call in
      let tenant = try call.tenant()
      let reason = (call.optional("reason") ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
      _ = try await call.host.suspend(tenant, reason: reason, by: call.user)
      return try await call.host.tenantRow(tenant)
    },
    HostCommand("tenant.resume", "Let a suspended tenant go on", role: nil, whileSuspended: .answered) { call in
      try await call.host.resume(try call.tenant(), by: call.user)
      return try await call.host.tenantRow(try call.tenant())
    },
    HostCommand(
      "tenant.quota", "Set how much of the disk and how many connectors a tenant may use", role: nil,
      whileSuspended: .answered, takes: [.text("disk"), .text("instances")]
    ) { call in
      let (disk, instances) = (call.optional("disk"), call.optional("instances"))
      let bytes = try disk.map { text in
        guard let quota = quota(text, by: DiskQuota.size) else {
          throw DiskQuota.isTooLarge(text) ? TenantRefusal.tooLarge(text) : .badSize(text)
        }
        return quota
      }
      let count = try instances.map { text in
        let quota = quota(text) { Int64($0).flatMap { (0...InstanceQuota.countMax).contains($0) ? $0 : nil } }
        guard let quota else { throw TenantRefusal.badCount(text) }
        return quota
      }
      if bytes == nil, count == nil { throw TenantRefusal.noQuota }
      let tenant = try call.tenant()
      if let bytes { _ = try await call.order(.setDiskQuota, target: tenant.rawValue, argument: bytes.text) }
      if let count { _ = try await call.order(.setInstanceQuota, target: tenant.rawValue, argument: count.text) }
      return try await call.host.tenantRow(tenant)
    },
    HostCommand(
      "tenant.erase", "Make everything of a tenant unreadable, for good", role: nil, whileSuspended: .answered,
      takes: [.text("confirm")]
    ) { call in
      let tenant = try call.tenant()
      guard let confirm = call.optional("confirm") else { return try await call.host.erasurePlan(of: tenant) }
      return try await call.host.erase(tenant, confirm: confirm, by: call.user)
    },
    HostCommand(
      "secret.set", "Store a secret in a connector's slot", role: nil,
      takes: [.text("instance"), .text("slot"), .text("value")]
    ) { call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      let slot = try SlotName(parsing: try call.string("slot"))
      let value = Vault.withoutLastNewline(Array(try call.string("value").utf8))
      let use = try await call.host.checkSlot(slot, of: instance, try call.tenant(), value: value)
      try call.host.vault.put(
        value, tenant: try call.tenant(), instance: instance, slot: slot.rawValue, mayHaveLines: use == .receiving)
      try await call.host.takeSecret(of: slot, for: use, of: instance, try call.tenant())
      return ["slot": .string(try call.string("slot"))]
    },
    HostCommand("secret.list", "List which slots hold a secret", role: .operator, whileSuspended: .answered) { call in
      .array(
        try call.host.vault.slots(tenant: try call.tenant()).map {
          ["instance": .string($0.instance), "slot": .string($0.slot)]
        })
    },
    HostCommand("secret.revoke", "Remove a secret", role: .operator, takes: [.text("instance"), .text("slot")]) {
      call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      let slot = try call.string("slot")
      guard
        try call.host.vault.slots(tenant: try call.tenant()).contains(where: {
          ($0.instance, $0.slot) == (instance.rawValue, slot)
        })
      else { throw HostError.unknown("the secret \(instance)/\(slot)", list: "secret list") }
      try call.host.vault.revoke(
        tenant: try call.tenant(), instance: instance, slot: slot)
      try await call.host.refreshHooks(of: try call.tenant())
      return ["slot": .string(try call.string("slot"))]
    },
  ]
  /// - Returns: nil for what is neither a word nor an amount.
  private static func quota(_ text: String, by amount: (String) -> Int64?) -> QuotaArgument? {
    switch text {
    case "default": .standard
    case "none": .unlimited
    default: amount(text).map { .amount($0) }
    }
  }
}
