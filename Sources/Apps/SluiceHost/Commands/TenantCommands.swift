import Domain
import Identity
import Vault

extension HostCommand {
  static let tenantCommands: [HostCommand] = [
    HostCommand("tenant.create", "Create a tenant with its keys", role: nil) { call in
      let tenant = try call.tenant()
      try await call.host.createTenant(tenant)
      // Whoever is to check the ledger one day keeps this key now, from a place that the host cannot change later.
      return [
        "tenant": .string(tenant.rawValue), "ledger_vkey": .string(try await call.host.opened(tenant).ledger.vkey),
      ]
    },
    HostCommand("tenant.list", "List tenants", role: nil) { call in
      var rows: [JSONValue] = []
      for tenant in await call.host.tenantNames() {
        let runtime = try await call.host.tenant(tenant)
        rows.append([
          "tenant": .string(tenant.rawValue), "unapplied": .integer(Int64(runtime.lag)),
        ])
      }
      return .array(rows)
    },
    HostCommand("secret.set", "Store a secret in a connector's slot", role: nil) { call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      let slot = try SlotName(parsing: try call.string("slot"))
      let value = Vault.withoutLastNewline(Array(try call.string("value").utf8))
      let use = try await call.host.checkSlot(slot, of: instance, try call.tenant(), value: value)
      try call.host.vault.put(
        value, tenant: try call.tenant(), instance: instance, slot: slot.rawValue, mayHaveLines: use == .receiving)
      try await call.host.refreshHooks(of: try call.tenant())
      return ["slot": .string(try call.string("slot"))]
    },
    HostCommand("secret.list", "List which slots hold a secret", role: .operator) { call in
      .array(
        try call.host.vault.slots(tenant: try call.tenant()).map {
          ["instance": .string($0.instance), "slot": .string($0.slot)]
        })
    },
    HostCommand("secret.revoke", "Remove a secret", role: .operator) { call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      let slot = try call.string("slot")
      guard
        try call.host.vault.slots(tenant: try call.tenant()).contains(where: {
          ($0.instance, $0.slot) == (instance.rawValue, slot)
        })
      else { throw HostError.unknown("the secret \(instance)/\(slot)") }
      try call.host.vault.revoke(
        tenant: try call.tenant(), instance: instance, slot: slot)
      try await call.host.refreshHooks(of: try call.tenant())
      return ["slot": .string(try call.string("slot"))]
    },
  ]
}
