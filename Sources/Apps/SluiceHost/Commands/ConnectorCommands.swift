import CanonicalJSON
import ConnectorFabric
import Domain
import Identity

extension HostCommand {
  static let connectorCommands: [HostCommand] = [
    HostCommand(
      "connector.folders", "Which folders hold the plugins that connectors of all tenants run", role: nil,
      whileSuspended: .answered
    ) {
      call in
      var rows: [JSONValue] = []
      for tenant in await call.host.tenantNames() {
        for enabling in try await call.host.enablings(of: tenant) where enabling.settings.enabled {
          let folder = await call.host.pluginFolder(of: enabling)
          let name = "\(tenant)/\(enabling.instance)"
          rows.append(["instance": .string(name), "folder": .string(folder), "runs": true])
          guard let before = enabling.before else { continue }
          var earlier = enabling
          (earlier.manifest, earlier.folder) = (before.manifest, before.folder)
          let back = await call.host.pluginFolder(of: earlier)
          rows.append(["instance": .string(name), "folder": .string(back), "runs": false])
        }
      }
      return .array(rows)
    },
    HostCommand(
      "connector.disable", "Stop a connector and keep its checkpoints", role: .operator, takes: [.text("instance")]
    ) { call in
      let tenant = try call.tenant()
      let instance = try InstanceID(parsing: try call.string("instance"))
      try await call.host.disable(instance, for: tenant, by: call.user)
      return ["instance": .string(instance.rawValue), "enabled": false]
    },
    HostCommand("connector.run", "Pull now instead of at the next time", role: .operator, takes: [.text("instance")]) {
      call in
      let instance = try await call.host.instance(
        try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      try await instance.checkMayPull()
      await instance.poke()
      return ["instance": .string(instance.route.instance.rawValue)]
    },
    HostCommand(
      "connector.pause", "Start nothing more of a connector; what is under way ends", role: .operator,
      takes: [.text("instance"), .text("reason"), .flag("drain")]
    ) {
      call in
      let (tenant, instance) = (try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      let reason = call.optional("reason") ?? "paused by \(call.user)"
      // Before anything is journaled: what does not run cannot be waited for.
      if call.flag("drain") { try await call.host.checkCanRun(instance, of: tenant) }
      try await call.host.pause(instance, reason: reason, for: tenant, by: call.user)
      if call.flag("drain") {
        try await call.host.instance(tenant, instance).whenPaused()
        try await call.host.tenant(tenant).settle()
      }
      return ["instance": .string(instance.rawValue), "paused": .string(reason)]
    },
    HostCommand(
      "connector.resume", "End the pause or the parking of a connector", role: .operator, takes: [.text("instance")]
    ) { call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      try await call.host.resume(instance, for: try call.tenant(), by: call.user)
      return ["instance": .string(instance.rawValue)]
    },
    HostCommand(
      "connector.show", "Show how a connector is enabled, and what it does", role: .auditor, takes: [.text("instance")]
    ) { call in
      let (tenant, instance) = (try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      let rows = try await call.host.connectorRows(tenant).array ?? []
      let found = try await call.view { try $0.value(FabricStage.instances, instance.rawValue) }
      guard let row = rows.first(where: { $0["instance"]?.string == instance.rawValue }),
        case .object(var members) = row, let enabling = found
      else { throw HostError.unknown("the connector \(instance)", list: "connector list") }
      members["config"] = enabling["config"] ?? .null
      members["schedule"] = enabling["schedule"] ?? enabling["manifest"]?["schedule"] ?? .null
      members["limits"] = enabling["limits"] ?? .null
      members["settings"] = enabling["settings"] ?? .null
      members["manifest"] = enabling["manifest"] ?? .null
      return .object(members)
    },
    HostCommand("connector.list", "List a tenant's connectors with their state", role: .auditor) { call in
      let tenant = try call.tenant()
      let came = call.host.metrics.sums("sluice_records_total", by: "instance")
      return .array(
        (try await call.host.connectorRows(tenant).array ?? []).map { row in
          let name = "\(tenant)/\(row["instance"]?.string ?? "")"
          return .object((row.object ?? [:]).merging(["records": .integer(Int64(came[name] ?? 0))]) { $1 })
        })
    },
    HostCommand(
      "connector.hook", "Show where a connector's webhooks are sent", role: .operator, takes: [.text("instance")]
    ) { call in
      let instance = try InstanceID(parsing: try call.string("instance"))
      let path = try await call.host.hookPath(try call.tenant(), instance)
      let url = call.host.options.settings.publicURL.map { JSONValue.string($0 + path) }
      return .object(["path": .string(path)].merging(url.map { ["url": $0] } ?? [:]) { $1 })
    },
    HostCommand(
      "checkpoint.set", "Say where a paused connector's stream goes on", role: .operator,
      takes: [.text("instance"), .text("stream"), .text("state"), .number("state_version")]
    ) { call in
      let state = try CheckpointText.bytes(try call.string("state"))
      let version = call.number("state_version") ?? 1
      guard version >= 0, version <= Int64(UInt32.max), state.count <= 64 << 10 else {
        throw CommandError.refused(
          code: "checkpoint.bad_state", message: "A checkpoint has at most 65536 bytes and a version from 0 on.",
          remedy: "Take what `sluice checkpoint show` printed.")
      }
      let checkpoint = IntakeBatch.Checkpoint(
        stateHex: Hex.encode(state), stateVersion: Int(version), watermarkMs: nil)
      return try await call.setCheckpoint(checkpoint)
    },
    HostCommand(
      "checkpoint.reset", "Let a paused connector's stream begin anew", role: .operator,
      takes: [.text("instance"), .text("stream")]
    ) { call in
      try await call.setCheckpoint(nil)
    },
    HostCommand("checkpoint.show", "Show where each stream goes on", role: .auditor, takes: [.text("instance")]) {
      call in
      let wanted = call.optional("instance")
      return try await call.view { view in
        .array(
          try view.scan(FabricStage.checkpoints).compactMap { key, row in
            let names = key.split(separator: "/", maxSplits: 1).map(String.init)
            guard wanted == nil || names[0] == wanted else { return nil }
            return try CheckpointText.row(.string(names[0]), .string(names[1]), try row.decode())
          })
      }
    },
  ]
}

extension HostCommand.Call {
  /// Journals where a stream goes on. Its connector must rest: a running pull would write its own place over it.
  fileprivate func setCheckpoint(_ checkpoint: IntakeBatch.Checkpoint?) async throws -> JSONValue {
    let (tenant, name) = (try tenant(), try InstanceID(parsing: try string("instance")))
    let stream = try string("stream")
    let row = try await view { try $0.value(FabricStage.instances, name.rawValue) }
    guard let enabling = try row?.decode(Enabling.self) else {
      throw HostError.unknown("the connector \(name)", list: "connector list")
    }
    let streams = (enabling.manifest["streams"]?.array ?? []).compactMap { $0["name"]?.string }
    guard streams.contains(stream) else {
      throw HostError.unknown("the stream \(stream) of \(name)", list: "connector show \(name)")
    }
    guard !enabling.settings.enabled || enabling.settings.pausedFor != nil else {
      throw CommandError.refused(
        code: "checkpoint.not_paused",
        message: "\(name) runs.", remedy: "Pause it first: `sluice connector pause \(name) --drain`.")
    }
    if enabling.settings.enabled, let running = try? await host.instance(tenant, name) { await running.whenPaused() }
    let argument = try checkpoint.map { try JSONValue(encoding: $0).canonicalText }
    let order = Order(verb: .setCheckpoint, target: "\(name)/\(stream)", argument: argument, by: user)
    try await host.change([name], of: tenant) { try await host.order(order, for: tenant) }
    try? await host.instance(tenant, name).forgetCheckpoints()
    return try CheckpointText.row(.string(name.rawValue), .string(stream), checkpoint)
  }
}

extension RunningHost {
  func connectorRows(_ tenant: TenantID) async throws -> JSONValue {
    let enabled = try self.tenant(tenant).view {
      try $0.scan(FabricStage.instances).map { try $0.1.decode(Enabling.self) }
    }
    let isSuspended = try self.tenant(tenant).terms.suspension != nil
    var rows: [JSONValue] = []
    for enabling in enabled {
      let running = try? instance(tenant, enabling.instance)
      let state: String =
        switch await running?.state {
        case let state? where state != .stopped: state.inWords
        default:
          refused["\(tenant)/\(enabling.instance)"].map { "refused: \($0)" }
            ?? (!enabling.settings.enabled ? "disabled" : isSuspended ? "suspended" : "not running")
        }
      rows.append([
        "instance": .string(enabling.instance.rawValue), "connector": enabling.manifest["name"] ?? .null,
        "version": enabling.manifest["version"] ?? .null, "state": .string(state),
        "endpoints": .object(enabling.endpoints.mapValues { .string($0.base) }),
        "allow_private": .array(enabling.privateEndpoints.map { .string($0) }),
        "proxy": enabling.proxy.map { .string($0) } ?? .null,
      ])
    }
    return .array(rows)
  }
}
