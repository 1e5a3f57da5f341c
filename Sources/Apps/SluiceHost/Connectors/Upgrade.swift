import CanonicalJSON
import ConnectorFabric
import Cryptography
package import Domain

/// Another version of a connector in the place of the one that runs: what it would change, and what became of its places.
struct Upgrade {
  /// What was in force, and what will be.
  let old: Enabling
  var new: Enabling
  let manifest: Manifest
  /// What the new manifest says otherwise, a line each; empty when that was granted before.
  let asked: [String]
  /// Where streams may go on when the version cannot read where they are: an upgrade is taken back.
  var fallback: [String: IntakeBatch.Checkpoint] = [:]
  var isWayBack = false

  var from: JSONValue { old.manifest["version"] ?? .null }
  var isUnchanged: Bool { old.manifest == new.manifest && old.folder == new.folder && old.config == new.config }

  /// A stream's place before and after.
  struct Place {
    let stream: StreamName
    let old: IntakeBatch.Checkpoint
    let new: IntakeBatch.Checkpoint?
  }
}

extension RunningHost {
  /// What it would be to run an instance by another manifest.
  /// - Parameter name: A plugin's name, NAME@VERSION or a manifest's path; the newest of its name when nil.
  func upgrade(_ instance: InstanceID, to name: String?, of tenant: TenantID) throws -> Upgrade {
    let old = try enabling(of: instance, tenant)
    let plugin = old.manifest["name"]?.string ?? ""
    var arguments: [String: JSONValue] = [
      "name": .string(name ?? plugin), "instance": .string(instance.rawValue), "config": old.config,
      "replay": .bool(old.settings.replay),
    ]
    arguments["proxy"] = old.proxy.map { .string($0) }
    arguments["schedule"] = old.schedule
    var (new, manifest): (Enabling, Manifest)
    do {
      (new, manifest) = try enabling(from: .object(arguments), keeping: old.endpoints)
    } catch EnablingError.badConfig(let faults) {
      let newest = InstalledPlugins.known(as: plugin, dataFolder: options.dataFolder, bundled: []).last
      throw UpgradeError.otherConfig(instance: instance, to: name ?? newest ?? plugin, faults: faults)
    }
    // Held to the same, also where the new manifest asks for less.
    new.limits = old.limits
    (new.settings.pausedFor, new.settings.enabled) = (old.settings.pausedFor, old.settings.enabled)
    return try upgrade(from: old, to: new, manifest)
  }

  /// The same where the new state of things is known.
  func upgrade(from old: Enabling, to new: Enabling, _ manifest: Manifest) throws -> Upgrade {
    guard manifest.name == old.manifest["name"]?.string, manifest.kind.rawValue == old.manifest["kind"]?.string else {
      throw UpgradeError.otherPlugin(
        instance: old.instance, plugin: old.manifest["name"]?.string ?? "", asked: manifest.name)
    }
    let before = try Manifest(SourceDocument(name: old.source, value: old.manifest, marks: [:]))
    let asked = Authority(manifest, document: new.manifest).changes(from: Authority(before, document: old.manifest))
    return Upgrade(old: old, new: new, manifest: manifest, asked: asked)
  }

  /// The way back to the version before the last upgrade.
  /// - Throws: `UpgradeError.nothingBefore`.
  func rollback(_ instance: InstanceID, of tenant: TenantID) throws -> Upgrade {
    let old = try enabling(of: instance, tenant)
    guard let before = old.before else { throw UpgradeError.nothingBefore(instance: instance) }
    var new = old
    (new.source, new.manifest, new.folder, new.config) = (before.source, before.manifest, before.folder, before.config)
    new.before = nil
    let manifest = try Manifest(SourceDocument(name: new.source, value: new.manifest, marks: [:]))
    // What it may do was granted when it ran.
    var back = Upgrade(old: old, new: new, manifest: manifest, asked: [])
    back.isWayBack = true
    // A stream that the version to be left does not have is where the old one left it.
    let known = Set((old.manifest["streams"]?.array ?? []).compactMap { $0["name"]?.string })
    back.fallback = before.checkpoints.filter { known.contains($0.key) }
    return back
  }

  /// Lets the running version end, has the new one read its places, and journals all of it at once: until then nothing has
  /// changed, and whatever fails leaves the old version running.
  /// - Returns: Each stream's place.
  func carryOut(_ upgrade: Upgrade, for tenant: TenantID, by user: UserID?) async throws -> [Upgrade.Place] {
    let key = "\(tenant)/\(upgrade.old.instance)"
    try refuseChange(of: tenant)
    // What was planned from is still in force, and stays so: nobody's pause or new configuration is written over.
    let isAsPlanned = try enabling(of: upgrade.old.instance, tenant) == upgrade.old && changing[key] == nil
    guard isAsPlanned, upgrading[key] == nil else { throw UpgradeError.busy(instance: upgrade.old.instance) }
    let trial = UpgradeTrial()
    upgrading[key] = trial
    // An effect that is under way ends first, and none is started on a version that goes.
    let actions = upgrade.manifest.kind == .executor ? try opened(tenant).actions : nil
    await actions?.hold()
    await stopInstance(key)
    let taken: Result<[Upgrade.Place], any Error>
    do { taken = .success(try await take(upgrade, trial, tenant, user)) } catch { taken = .failure(error) }
    upgrading[key] = nil
    // The one that is in force now: the new one, or the old one as before.
    let started: Result<Void, any Error>
    do { started = .success(try await startAgain(tenant)) } catch { started = .failure(error) }
    await actions?.goOn()
    trial.end()
    try started.get()
    return try taken.get()
  }

  private func take(
    _ upgrade: Upgrade, _ underWay: UpgradeTrial, _ tenant: TenantID, _ user: UserID?
  ) async throws -> [Upgrade.Place] {
    let runtime = try self.tenant(tenant)
    try await runtime.settle()
    let instance = upgrade.old.instance
    let trial = aside(upgrade.new, upgrade.manifest, tenant, runtime)
    underWay.tries(trial)
    guard !underWay.isGivenUp else { throw UpgradeError.givenUp(instance: instance) }
    let read: Result<[Upgrade.Place], any Error>
    do {
      // One that is disabled asks nobody anything; its places are read all the same.
      if upgrade.new.settings.enabled { try await trial.tries() }
      read = .success(try await self.read(upgrade, trial, runtime))
    } catch { read = .failure(error) }
    await trial.stop()
    guard underWay.decide() else { throw UpgradeError.givenUp(instance: instance) }
    let places = try read.get()
    var new = upgrade.new
    if !upgrade.isWayBack {
      new.before = Enabling.Before(
        source: upgrade.old.source, manifest: upgrade.old.manifest, folder: upgrade.old.folder,
        config: upgrade.old.config, checkpoints: try checkpoints(of: upgrade.old, runtime))
    }
    try checkInForce(with: [new], of: tenant)
    options.crash.reach(.upgradeBeforeCommit)
    try await journal(new, places.filter { $0.new != $0.old }, of: instance, for: tenant, by: user)
    options.crash.reach(.upgradeAfterCommit)
    return places
  }

  /// Where the streams of a version are.
  private func checkpoints(of old: Enabling, _ runtime: TenantRuntime) throws -> [String: IntakeBatch.Checkpoint] {
    let names = (old.manifest["streams"]?.array ?? []).compactMap { $0["name"]?.string.flatMap(StreamName.init) }
    var places: [String: IntakeBatch.Checkpoint] = [:]
    for name in names {
      places[name.rawValue] = try runtime.view { try FabricStage.checkpoint(of: old.instance, stream: name, in: $0) }
    }
    return places
  }

  /// Every stream's place as the new version writes it.
  private func read(
    _ upgrade: Upgrade, _ trial: ConnectorInstance, _ runtime: TenantRuntime
  ) async throws -> [Upgrade.Place] {
    var places: [Upgrade.Place] = []
    for stream in upgrade.manifest.streams {
      let known = try runtime.view { try FabricStage.checkpoint(of: upgrade.old.instance, stream: stream.name, in: $0) }
      guard let old = known else { continue }
      do {
        let new = try await trial.migrated(old, of: stream.name)
        if new == nil, let back = upgrade.fallback[stream.name.rawValue], back.stateVersion != old.stateVersion {
          // It takes states as they are, and this one is of another version: where it was itself it can go on.
          places.append(Upgrade.Place(stream: stream.name, old: old, new: back))
        } else {
          places.append(Upgrade.Place(stream: stream.name, old: old, new: new ?? old))
        }
      } catch let error as UpgradeError {
        guard let back = upgrade.fallback[stream.name.rawValue] else { throw error }
        places.append(Upgrade.Place(stream: stream.name, old: old, new: back))
      }
    }
    return places
  }

  /// The new version and its places, in one commit.
  private func journal(
    _ new: Enabling, _ places: [Upgrade.Place], of instance: InstanceID, for tenant: TenantID, by user: UserID?
  ) async throws {
    let runtime = try self.tenant(tenant)
    let now = SystemSources.wallClockMs()
    var entries = try activations(
      [(.instance, name: instance.rawValue, document: try JSONValue(encoding: new))], for: tenant, by: user)
    for place in places {
      let order = Order(
        verb: .setCheckpoint, target: "\(instance)/\(place.stream)",
        argument: try place.new.map { try JSONValue(encoding: $0).canonicalText }, by: user)
      entries.append(
        NewEntry(
          id: StableID.of("order", [order.verb.rawValue, order.target, Hex.encode(SystemSources.random(16))]),
          kind: .order, cause: nil,
          recordedAtMs: now, body: try JSONValue(encoding: order).canonicalBytes))
    }
    guard let last = try await runtime.append(entries).last else { return }
    try await runtime.applied(to: last)
  }
}

/// Why one version cannot take the place of another.
package enum UpgradeError: OperatorError, Equatable {
  case otherPlugin(instance: InstanceID, plugin: String, asked: String)
  case moreAuthority(instance: InstanceID, asked: Int)
  case otherConfig(instance: InstanceID, to: String, faults: String)
  case doesNotWork(version: String, reason: String)
  case notMigrated(stream: String, stateVersion: Int, reason: String)
  case nothingBefore(instance: InstanceID)
  case busy(instance: InstanceID)
  case givenUp(instance: InstanceID)

  package var code: String {
    switch self {
    case .otherPlugin: "connector.other_plugin"
    case .moreAuthority: "connector.more_authority"
    case .otherConfig: "connector.other_config"
    case .doesNotWork: "connector.version_does_not_work"
    case .notMigrated: "connector.state_not_migrated"
    case .nothingBefore: "connector.nothing_before"
    case .busy: "connector.busy"
    case .givenUp: "connector.upgrade_given_up"
    }
  }
  package var message: String {
    switch self {
    case .otherPlugin(let instance, let plugin, let asked): "\(instance) is \(plugin); \(asked) is no version of it."
    case .moreAuthority(let instance, let asked):
      "The manifest for \(instance) says \(asked) things that nobody has granted here."
    case .otherConfig(let instance, let to, let faults):
      "The configuration of \(instance) does not fit \(to): \(faults). The old version runs on."
    case .doesNotWork(let version, let reason): "Version \(version) does not work here: \(reason) The old one runs on."
    case .notMigrated(let stream, let stateVersion, let reason):
      "The new version cannot go on with \(stream) from its checkpoint of version \(stateVersion): \(reason) The old one runs on."
    case .nothingBefore(let instance): "There is no version of \(instance) to go back to."
    case .givenUp(let instance):
      "\(instance) was paused or disabled while the other version was tried: the version before stays."
    case .busy(let instance): "\(instance) is being upgraded, or was changed by somebody else meanwhile."
    }
  }
  package var remedy: String {
    switch self {
    case .otherPlugin: "Enable the other plugin as an instance of its own, with `--as`."
    case .moreAuthority: "Read them with `--plan`, then say `--accept`."
    case .otherConfig(let instance, let to, _):
      "Enable it once more with another one, and with all else that was said for it: `sluice connector enable \(to) --as \(instance) --config FILE --accept`; its checkpoints stay."
    case .doesNotWork: "See the host's log of that time; try it by hand with `sluice plugin run`."
    case .notMigrated: "Ask its author for `sluice.state-migrate/1`, or reset the checkpoint and upgrade then."
    case .nothingBefore: "Upgrade to the version that you want: `sluice connector upgrade INSTANCE --to NAME@VERSION`."
    case .givenUp: "Ask for it again when the connector may run."
    case .busy: "Look at it with `sluice connector show`, and ask again."
    }
  }
}
