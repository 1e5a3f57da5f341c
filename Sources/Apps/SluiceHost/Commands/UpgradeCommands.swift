import CanonicalJSON
import ConnectorFabric
import Domain

extension HostCommand {
  static let upgradeCommands: [HostCommand] = [
    HostCommand(
      "connector.upgrade", "Run a connector by another version of its plugin", role: nil, whileSuspended: .onlyPlanned,
      takes: [.text("instance"), .text("name"), .flag("plan"), .flag("accept")]
    ) { call in
      let (tenant, instance) = (try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      let upgrade = try await call.host.upgrade(instance, to: call.optional("name"), of: tenant)
      var answer = upgrade.answer
      answer["upgraded"] = false
      if call.flag("plan") || upgrade.isUnchanged { return .object(answer) }
      guard upgrade.asked.isEmpty || call.flag("accept") else {
        throw UpgradeError.moreAuthority(instance: instance, asked: upgrade.asked.count)
      }
      let places = try await call.host.carryOut(upgrade, for: tenant, by: call.user)
      answer["upgraded"] = true
      answer["streams"] = .array(places.map(\.row))
      return .object(answer)
    },
    HostCommand(
      "connector.rollback", "Go back to the version before the last upgrade", role: nil, takes: [.text("instance")]
    ) { call in
      let (tenant, instance) = (try call.tenant(), try InstanceID(parsing: try call.string("instance")))
      let upgrade = try await call.host.rollback(instance, of: tenant)
      let places = try await call.host.carryOut(upgrade, for: tenant, by: call.user)
      var answer = upgrade.answer
      answer["streams"] = .array(places.map(\.row))
      return .object(answer)
    },
  ]
}

extension Upgrade {
  fileprivate var answer: [String: JSONValue] {
    [
      "instance": .string(old.instance.rawValue), "from": from, "to": .string(manifest.version),
      "asks": .array(asked.map { .string($0) }),
    ]
  }
}

extension Upgrade.Place {
  fileprivate var row: JSONValue {
    let what = new == nil ? "begins anew" : new == old ? "goes on" : "goes on, written anew"
    return [
      "stream": .string(stream.rawValue), "place": .string(what),
      "state_version_before": .integer(Int64(old.stateVersion)),
      "state_version": new.map { .integer(Int64($0.stateVersion)) } ?? .null,
    ]
  }
}
