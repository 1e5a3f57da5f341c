import CanonicalJSON
import ConnectorFabric
import Domain
import Identity

extension HostCommand {
  static let connectorCommands: [HostCommand] = [
    HostCommand("connector.enable", "Enable a connector for a tenant", role: nil) { call in
      let (enabling, _) = try await call.host.enabling(from: call.arguments)
      try await call.host.enable(enabling, for: try call.tenant(), by: call.user)
      return ["instance": .string(enabling.instance.rawValue), "enabled": true]
    },
    HostCommand("connector.disable", "Stop a connector and keep its checkpoints", role: .operator) { call in
      let tenant = try call.tenant()
      let instance = try InstanceID(parsing: try call.string("instance"))
      try await call.host.disable(instance, for: tenant, by: call.user)
      return ["instance": .string(instance.rawValue), "enabled": false]
    },
    HostCommand("connector.run", "Pull now instead of at the next time", role: .operator) { call in
      let instance = try await call.host.instance(
        try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      await instance.poke()
      return ["instance": .string(instance.route.instance.rawValue)]
    },
    HostCommand("connector.pause", "Start nothing more of a connector; what is under way ends", role: .operator) { call in
      let (tenant, instance) = (try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      let reason = call.optional("reason") ?? "paused by \(call.user)"
      try await call.host.pause(instance, reason: reason, for: tenant, by: call.user)
      if call.flag("drain") {
        try await call.host.instance(tenant, instance).whenPaused()
        try await call.host.tenant(tenant).settle()
      }
      return ["instance": .string(instance.rawValue), "paused": .string(reason)]
    },
    HostCommand("connector.resume", "End the pause or the parking of a connector", role: .operator) { call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      try await call.host.resume(instance, for: try call.tenant(), by: call.user)
      return ["instance": .string(instance.rawValue)]
    },
    HostCommand("connector.show", "Show how a connector is enabled, and what it does", role: .auditor) { call in
      let (tenant, instance) = (try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      let rows = try await call.host.connectorRows(tenant).array ?? []
      let found = try await call.view { try $0.value(FabricStage.instances, instance.rawValue) }
      guard let row = rows.first(where: { $0["instance"]?.string == instance.rawValue }),
        case .object(var members) = row, let enabling = found
      else { throw HostError.unknown("the connector \(instance)") }
      members["config"] = enabling["config"] ?? .null
      members["schedule"] = enabling["schedule"] ?? enabling["manifest"]?["schedule"] ?? .null
      members["settings"] = enabling["settings"] ?? .null
      members["manifest"] = enabling["manifest"] ?? .null
      return .object(members)
    },
    HostCommand("connector.list", "List a tenant's connectors with their state", role: .auditor) { call in
      try await call.host.connectorRows(try call.tenant())
    },
    HostCommand("connector.hook", "Show where a connector's webhooks are sent", role: .operator) { call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      return ["path": .string(try await call.host.hookPath(try call.tenant(), instance))]
    },
    HostCommand("checkpoint.show", "Show where each stream goes on", role: .auditor) { call in
      .array(
        try await call.host.tenant(try call.tenant()).view { view in
          try view.scan(FabricStage.checkpoints).map { key, value in ["stream": .string(key), "checkpoint": value] }
        })
    },
  ]
}

extension RunningHost {
  func connectorRows(_ tenant: TenantID) async throws -> JSONValue {
    let enabled = try self.tenant(tenant).view {
      try $0.scan(FabricStage.instances).map { try $0.1.decode(Enabling.self) }
    }
    var rows: [JSONValue] = []
    for enabling in enabled {
      let running = try? instance(tenant, enabling.instance)
      let state: String =
        switch await running?.state {
        case .idle: "idle"
        case .running(let what): what
        case .waiting(let reason): "waiting: \(reason)"
        case .parked(let reason): "parked: \(reason)"
        case .paused(let reason): "paused: \(reason)"
        case .stopped, nil:
          refused["\(tenant)/\(enabling.instance)"].map { "refused: \($0)" }
            ?? (enabling.settings.enabled ? "not running" : "disabled")
        }
      rows.append([
        "instance": .string(enabling.instance.rawValue), "connector": enabling.manifest["name"] ?? .null,
        "version": enabling.manifest["version"] ?? .null, "state": .string(state),
        "endpoints": .object(enabling.endpoints.mapValues { .string($0) }),
      ])
    }
    return .array(rows)
  }
}
