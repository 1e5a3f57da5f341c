import CanonicalJSON
import ConnectorFabric
package import Domain

/// Connectors of tenants: enabled, paused, resumed, disabled; started and stopped to match.
extension RunningHost {
  /// - Throws: `ConnectorRefusal` for one that is known and does not run, `HostError.unknown`.
  package func instance(_ tenant: TenantID, _ instance: InstanceID) throws -> ConnectorInstance {
    let key = "\(tenant)/\(instance)"
    if let found = instances[key] { return found }
    try checkCanRun(instance, of: tenant)
    throw ConnectorRefusal.notStarted(instance, reason: refused[key] ?? "it is being started or stopped")
  }

  /// Whether a connector runs, or will when what is under way has ended.
  /// - Throws: `ConnectorRefusal`, `HostError.unknown`.
  func checkCanRun(_ instance: InstanceID, of tenant: TenantID) throws {
    guard try enabling(of: instance, tenant).settings.enabled else { throw ConnectorRefusal.disabled(instance) }
    guard isRunningInstances else { throw ConnectorRefusal.nobodyRuns(instance, path: options.dataFolder) }
  }

  /// Journals that a connector is enabled, as it is from now on, and starts it.
  /// - Throws: `UpgradeError.busy` while its version is being replaced, which would write over this.
  package func enable(_ enabling: Enabling, for tenant: TenantID, by user: UserID?) async throws {
    try checkInForce(with: [enabling], of: tenant)
    try await change([enabling.instance], of: tenant) {
      try await activate(
        [(.instance, name: enabling.instance.rawValue, document: try JSONValue(encoding: enabling))], for: tenant,
        by: user)
    }
    if isRunningInstances { try await startInstances(of: tenant, only: enabling.instance) }
  }

  /// Journals that a connector is off; its checkpoints stay.
  package func disable(_ instance: InstanceID, for tenant: TenantID, by user: UserID?) async throws {
    await giveWay("\(tenant)/\(instance)")
    try await change(instance, for: tenant, by: user) { $0.enabled = false }
    await dryRuns["\(tenant)/\(instance)"]?.stop()
  }

  /// Journals that a connector starts nothing until it is resumed. Deliveries are still taken in, and wait.
  package func pause(_ instance: InstanceID, reason: String, for tenant: TenantID, by user: UserID?) async throws {
    await giveWay("\(tenant)/\(instance)")
    try await change(instance, for: tenant, by: user) { $0.pausedFor = reason }
  }

  /// Ends a connector's pause, which is journaled, or its parking, which is not.
  package func resume(_ instance: InstanceID, for tenant: TenantID, by user: UserID?) async throws {
    let settings = try enabling(of: instance, tenant).settings
    guard settings.enabled else { throw ConnectorRefusal.disabled(instance) }
    let isPaused = settings.pausedFor != nil
    if isPaused { try await change(instance, for: tenant, by: user) { $0.pausedFor = nil } }
    guard isRunningInstances else { return }
    try await self.instance(tenant, instance).resume()
    await (try opened(tenant)).actions.poke()
  }

  func enabling(of instance: InstanceID, _ tenant: TenantID) throws -> Enabling {
    let row = try self.tenant(tenant).view { try $0.value(FabricStage.instances, instance.rawValue) }
    guard let row else { throw HostError.unknown("the connector \(instance)", list: "connector list") }
    return try row.decode()
  }

  private func change(
    _ instance: InstanceID, for tenant: TenantID, by user: UserID?, _ body: (inout Enabling.Settings) -> Void
  ) async throws {
    var enabling = try enabling(of: instance, tenant)
    body(&enabling.settings)
    try await enable(enabling, for: tenant, by: user)
  }

  /// Every instance that was ever enabled, as it is now.
  func enablings(of tenant: TenantID) throws -> [Enabling] {
    try self.tenant(tenant).view { try $0.scan(FabricStage.instances).map { try $0.1.decode() } }
  }

  /// - Parameter only: the one that has changed, so that enabling a thousand does not look a thousand times at all.
  func startInstances(of tenant: TenantID, only: InstanceID? = nil) async throws {
    guard !turning.contains(tenant), !erasures.contains(tenant) else { return }
    let runtime = try self.tenant(tenant)
    if runtime.terms.suspension != nil { return try openDoors(of: tenant) }
    let enabled = try only.map { name in
      try runtime.view {
        try $0.value(FabricStage.instances, name.rawValue).map { [try $0.decode(Enabling.self)] } ?? []
      }
    }
    for enabling in try enabled ?? enablings(of: tenant) {
      let key = "\(tenant)/\(enabling.instance)"
      // Each turn of this loop waits for others' work: the tenant may be another one's matter by now.
      guard mayStart(tenant, runtime) else { return }
      if upgrading[key] != nil { continue }
      let before = running.updateValue(enabling, forKey: key)
      if before == enabling { continue }
      if let before, let instance = instances[key], enabling.differsOnlyByPause(from: before) {
        if let reason = enabling.settings.pausedFor {
          await instance.pause(for: reason)
        } else {
          await instance.resume()
          await (try opened(tenant)).actions.poke()
        }
        continue
      }
      let stopped = instances.removeValue(forKey: key)
      // First the door, or what comes meanwhile would wait for nobody; where it opens again, what comes meanwhile waits.
      if !enabling.hasDoor { ingress.close(key) }
      if stopped?.route.manifest.kind == .executor {
        // An effect that is under way ends first.
        let actions = try opened(tenant).actions
        await actions.hold()
        await stopped?.stop()
        await actions.goOn()
      } else {
        await stopped?.stop()
      }
      // Enabled or disabled once more meanwhile: that is who starts it now.
      guard running[key] == enabling else { continue }
      guard mayStart(tenant, runtime) else { return running[key] = nil }
      refused[key] = nil
      guard enabling.settings.enabled else { continue }
      do { try await start(enabling, key, of: tenant, runtime) } catch let error as any OperatorError {
        // What this version cannot run, for one instance, keeps no other from running.
        refused[key] = error.message
        ingress.close(key)
        log.error(error, ["tenant": "\(tenant)", "instance": "\(enabling.instance)"])
      }
    }
  }

  private func mayStart(_ tenant: TenantID, _ runtime: TenantRuntime) -> Bool {
    !turning.contains(tenant) && !erasures.contains(tenant) && runtime.terms.suspension == nil
  }

  /// Takes an instance out of work; what it brought is durable. It stays so until `startAgain`.
  func stopInstance(_ key: String) async {
    running[key] = nil
    await instances.removeValue(forKey: key)?.stop()
  }

  /// Takes all instances of a tenant out of work. Their webhooks' addresses stay open.
  func stopInstances(of tenant: TenantID) async {
    for (_, asked) in dryRuns where asked.route.tenant == tenant { await asked.stop() }
    // Whatever is there after one has stopped, too.
    while let (key, instance) = instances.first(where: { $0.value.route.tenant == tenant }) {
      running[key] = nil
      instances[key] = nil
      await instance.stop()
    }
    running = running.filter { !$0.key.hasPrefix("\(tenant)/") }
    refused = refused.filter { !$0.key.hasPrefix("\(tenant)/") }
  }

  func startAgain(_ tenant: TenantID) async throws { if isRunningInstances { try await startInstances(of: tenant) } }

  /// An instance that nobody else knows of, to be asked something: of a version that is to come, or beside the one that
  /// works.
  func aside(
    _ enabling: Enabling, _ manifest: Manifest, _ tenant: TenantID, _ runtime: TenantRuntime, isDryRun: Bool = false
  ) -> ConnectorInstance {
    var route = route(enabling, manifest, tenant)
    route.isDryRun = isDryRun
    return ConnectorInstance(
      route: route, clock: nil, pausedFor: nil, workers: pool, tenant: runtime, metrics: metrics, log: log)
  }

  func route(_ enabling: Enabling, _ manifest: Manifest, _ tenant: TenantID) -> InstanceRoute {
    var manifest = manifest
    if let limits = enabling.limits { manifest.limits = manifest.limits.lowered(to: limits) }
    return InstanceRoute(
      tenant: tenant, instance: enabling.instance, manifest: manifest, folder: pluginFolder(of: enabling),
      places: EndpointPlaces(manifest, config: enabling.config, overrides: enabling.endpoints), proxy: enabling.proxy,
      hostProxy: options.settings.egress.proxy?.leading, config: enabling.config.canonicalBytes)
  }

  private func start(_ enabling: Enabling, _ key: String, of tenant: TenantID, _ runtime: TenantRuntime) async throws {
    let manifest = try Manifest(SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:]))
    let clock = try enabling.clock(manifest)
    let route = route(enabling, manifest, tenant)
    let instance = ConnectorInstance(
      route: route, clock: clock, pausedFor: enabling.settings.pausedFor, workers: pool, tenant: runtime,
      metrics: metrics, log: log)
    instances[key] = instance
    try refreshHook(route)
    if manifest.kind == .source { await instance.start() } else { await (try opened(tenant)).actions.poke() }
  }

  /// The executor of a tool, as it runs now.
  func executor(_ instance: String, of tenant: TenantID) -> ConnectorInstance? {
    InstanceID(rawValue: instance).flatMap { instances["\(tenant)/\($0)"] }
  }

  /// The tenant's executors that are asked nothing until somebody resumes them.
  func restingExecutors(of tenant: TenantID) async -> Set<String> {
    var resting: Set<String> = []
    for instance in instances.values where instance.route.tenant == tenant && instance.route.manifest.kind == .executor
    {
      if await instance.isResting { resting.insert(instance.route.instance.rawValue) }
    }
    return resting
  }
}
