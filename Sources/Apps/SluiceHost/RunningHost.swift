// SluiceHost: the running host; the one place where ports meet adapters. Comes in: commands, webhooks, what workers send.
// Goes out: journal entries, requests through the gate, answers. What is decided is decided in the loop's rooms, not here.

import CanonicalJSON
import ConnectorFabric
import Cryptography
package import Domain
import FileStorage
import Foundation
package import Identity
import PluginHost
import SQLiteStorage
package import Synchronization
import UVLoop
package import Vault

/// One running host: the place where ports meet adapters.
package actor RunningHost {
  package struct Options: Sendable {
    package var dataFolder: String
    /// A file, or `-` for standard input. Absolute: what lies beside it is written by its name.
    package var hostKeyPath: String {
      didSet { if hostKeyPath != "-" { hostKeyPath = OperatorFile.absolute(hostKeyPath) } }
    }
    /// The key itself, when it was read already.
    package var hostKey: [UInt8]?
    /// Where `sluice-worker` stands.
    package var workerProgram: String
    /// Folders that hold plugins: `NAME.yaml` with the library beside it.
    package var pluginFolders: [String]
    package var settings = HostSettings()
    /// Whether a data folder is made where there is none.
    package var mayMakeFolder = true
    /// Whether this is `restore`, on the folder that it is filling.
    package var isRestoring = false
    package var crash: any CrashInjector = NoCrash()
    package var clock: any HostClock = SystemClock()
    package var log: HostLog
    package init(
      dataFolder: String, workerProgram: String, pluginFolders: [String], log: HostLog
    ) {
      self.dataFolder = dataFolder
      self.workerProgram = workerProgram
      self.pluginFolders = pluginFolders
      self.log = log
      hostKeyPath = HostKey.defaultPath(dataFolder: dataFolder)
    }
  }

  package nonisolated let options: Options
  package nonisolated let metrics = Metrics()
  nonisolated let startedMs = SystemSources.monotonicMs()
  /// Where console, API and webhooks are served, as `http://host:port`; nil while nothing is.
  package nonisolated let servedAt = Mutex<String?>(nil)
  package nonisolated let vault: Vault
  package nonisolated let directory: Directory
  nonisolated let ingress: Ingress
  nonisolated let reserve: any DiskReserve
  nonisolated let log: HostLog
  let folder: DataFolder
  let keystore: SQLiteKeystore
  nonisolated let journal: SQLiteJournal
  let packer: JournalPacker
  /// Packs and snapshots, by their paths in the data folder.
  nonisolated let objects: any ObjectStore
  private let loop = EventLoop()
  let pool: WorkerPool
  /// What holds workers to their limits here; nil before `run`.
  package private(set) var enforcement: LimitEnforcement?
  var tenants: [TenantID: OpenTenant] = [:]
  var opening: Set<TenantID> = []
  /// Tenants that are being suspended, resumed or erased: nothing of theirs is started meanwhile.
  var turning: Set<TenantID> = []
  var instances: [String: ConnectorInstance] = [:]
  /// What each running instance was started with.
  private var running: [String: Enabling] = [:]
  /// Why an enabled instance cannot be run by this version.
  private(set) var refused: [String: String] = [:]
  private(set) var isRunningInstances = false
  var isRunning: Bool { isRunningInstances }
  /// A round of packing and trimming that is under way; whether another one is wanted, at once or in an hour.
  var housekeeping: Task<Void, Never>?
  var isHousekeepingAgain = false
  var isHousekeepingLater = false
  /// Tenants for whose applying packing waits.
  var awaited: Set<TenantID> = []
  var retentionClock: RetentionClock?
  let longWork = LongWork()
  /// Tenants whose old entries are being let go.
  var trimming: Set<TenantID> = []
  /// Instances whose version is being replaced: nobody starts them meanwhile.
  var upgrading: [String: UpgradeTrial] = [:]
  /// Instances of which a change is on its way into the journal, and how many changes.
  var changing: [String: Int] = [:]
  var isBackingUp = false
  /// The tenants that were erased here, or in the folder that this one was restored from.
  var erasures = Erasures()

  /// Opens the data folder, takes its lock and recovers every tenant. Starts no connector.
  package init(_ options: Options) async throws {
    self.options = options
    log = options.log
    if !HostProcess.hideMemory() {
      log.warning("host.memory_readable", "The kernel does not let the host hide its memory; it holds keys.")
    }
    folder = try DataFolder(
      path: options.dataFolder, mayMake: options.mayMakeFolder, isRestoring: options.isRestoring)
    let keystorePath = folder.file("keystore.db")
    let keystoreExists = FileManager.default.fileExists(atPath: keystorePath)
    let segments = try FileManager.default.contentsOfDirectory(atPath: try folder.folder("journal"))
    guard keystoreExists || segments.isEmpty else { throw DataFolderError.noKeystore(path: keystorePath) }
    let hostKey =
      try options.hostKey
      ?? HostKey.load(
        path: options.hostKeyPath, keystoreExists: keystoreExists, random: SystemSources.random)
    keystore = try SQLiteKeystore(path: keystorePath, crash: options.crash)
    vault = try Vault(hostKey: hostKey, keystore: keystore, random: { SystemSources.random($0) })
    try vault.prepare(.host)
    erasures = try Erasures.read(folder.file("erasures")) ?? Erasures()
    directory = Directory(keystore: keystore, random: { SystemSources.random($0) })
    ingress = Ingress(settings: options.settings, metrics: metrics, log: log)
    let disk = options.settings.disk
    reserve = DiskBallast(
      folder: options.dataFolder, lowWaterBytes: disk.lowWaterBytes, ballastBytes: disk.ballastBytes)
    var limits = SQLiteJournal.Limits()
    limits.segmentBytesMax = options.settings.segmentBytesMax
    limits.packBytesMax = options.settings.packBytesMax
    objects = try FileObjectStore(root: options.dataFolder)
    journal = try SQLiteJournal(
      folder: try folder.folder("journal"), objects: objects, sealer: vault, random: { SystemSources.random($0) },
      limits: limits,
      reserve: reserve, crash: options.crash)
    packer = JournalPacker(journal)
    loop.start()
    pool = WorkerPool(
      loop: loop,
      settings: .init(
        program: options.workerProgram, sandbox: options.settings.isDegradedSandboxAllowed ? .degraded : .strict,
        intakeBytesMax: options.settings.intakeBytesMax, authoritiesFile: options.settings.egress.authoritiesFile),
      vault: vault, metrics: metrics, crash: options.crash, log: log, clock: options.clock)
    keepErasuresBesideKey()
    try await finishErasures()
    for name in try FileManager.default.contentsOfDirectory(atPath: try folder.folder("tenants")).sorted() {
      guard let tenant = TenantID(rawValue: name), !erasures.contains(tenant) else { continue }
      tenants[tenant] = try await open(tenant)
    }
  }

  /// Starts every enabled connector of every tenant.
  package func run() async throws {
    isRunningInstances = true
    let enforcement = LimitEnforcement.prepare(options.settings.controlGroups)
    self.enforcement = enforcement
    await pool.use(enforcement.groups)
    for tenant in tenantNames() {
      // Commands are taken already: one may have erased it meanwhile.
      do {
        try await startInstances(of: tenant)
        if let open = tenants[tenant], !erasures.contains(tenant) { try await startActing(open) }
      } catch { if !erasures.contains(tenant) { throw error } }
    }
    await keepHouse()
  }

  /// Drains: workers stop, what they brought is durable and applied, files are closed.
  package func stop() async throws {
    isRunningInstances = false
    for instance in instances.values { await instance.stop() }
    instances = [:]
    for tenant in tenants.values {
      await tenant.actions.stop()
      try? await tenant.runtime.settle()
      try? await tenant.ledger.publishNow()
    }
    // A pack that is being made comes to its end, and so does a trim.
    await packer.stop()
    await endHousekeeping()
    await pool.close()
    loop.stop()
    try await journal.close()
    folder.unlock()
  }
}

// Tenants and connectors.
extension RunningHost {
  package func createTenant(_ tenant: TenantID) async throws {
    // Before anything is made for it. Its old journal may still be here, sealed with keys that are gone.
    guard !erasures.contains(tenant) else { throw HostError.erased(tenant) }
    // Reserved before the first wait, so that of two who ask at once one is told that it exists.
    guard tenants[tenant] == nil, opening.insert(tenant).inserted else {
      throw HostError.exists("The tenant \(tenant)")
    }
    defer { opening.remove(tenant) }
    let opened = try await open(tenant)
    tenants[tenant] = opened
    if isRunningInstances { try await startActing(opened) }
  }

  package func tenantNames() -> [TenantID] { tenants.keys.filter { !erasures.contains($0) }.sorted() }

  package func tenant(_ tenant: TenantID) throws -> TenantRuntime {
    try opened(tenant).runtime
  }

  func opened(_ tenant: TenantID) throws -> OpenTenant {
    guard !erasures.contains(tenant) else { throw HostError.erased(tenant) }
    guard let open = tenants[tenant] else { throw HostError.unknown("the tenant \(tenant)") }
    return open
  }

  package func instance(_ tenant: TenantID, _ instance: InstanceID) throws -> ConnectorInstance {
    guard let found = instances["\(tenant)/\(instance)"] else { throw HostError.unknown("the connector \(instance)") }
    return found
  }

  /// Journals that a connector is enabled, as it is from now on, and starts it.
  /// - Throws: `UpgradeError.busy` while its version is being replaced, which would write over this.
  package func enable(_ enabling: Enabling, for tenant: TenantID, by user: UserID?) async throws {
    try checkTools(with: [enabling], of: tenant)
    try await change(enabling.instance, of: tenant) {
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
  }

  /// Journals that a connector starts nothing until it is resumed. Deliveries are still taken in, and wait.
  package func pause(_ instance: InstanceID, reason: String, for tenant: TenantID, by user: UserID?) async throws {
    await giveWay("\(tenant)/\(instance)")
    try await change(instance, for: tenant, by: user) { $0.pausedFor = reason }
  }

  /// Ends a connector's pause, which is journaled, or its parking, which is not.
  package func resume(_ instance: InstanceID, for tenant: TenantID, by user: UserID?) async throws {
    let isPaused = try enabling(of: instance, tenant).settings.pausedFor != nil
    if isPaused { try await change(instance, for: tenant, by: user) { $0.pausedFor = nil } }
    guard isRunningInstances else { return }
    try await self.instance(tenant, instance).resume()
    await (try opened(tenant)).actions.poke()
  }

  func enabling(of instance: InstanceID, _ tenant: TenantID) throws -> Enabling {
    let row = try self.tenant(tenant).view { try $0.value(FabricStage.instances, instance.rawValue) }
    guard let row else { throw HostError.unknown("the connector \(instance)") }
    return try row.decode()
  }

  private func change(
    _ instance: InstanceID, for tenant: TenantID, by user: UserID?, _ body: (inout Enabling.Settings) -> Void
  ) async throws {
    var enabling = try enabling(of: instance, tenant)
    body(&enabling.settings)
    try await enable(enabling, for: tenant, by: user)
  }

  /// The unguessable part of an instance's webhook address; made when first asked for.
  private func hookID(_ route: InstanceRoute) throws -> String {
    let name = TenantRow.hook.name(.tenant(route.tenant), route.instance.rawValue)
    if let known = try keystore.value(name) { return String(decoding: known, as: UTF8.self) }
    let id = Hex.encode(SystemSources.random(24))
    try keystore.set(name, Array(id.utf8))
    return id
  }

  /// The path to which an instance's webhooks are sent.
  package func hookPath(_ tenant: TenantID, _ instance: InstanceID) throws -> String {
    "/hooks/" + (try hookID(try self.instance(tenant, instance).route))
  }

  /// Takes changed secrets into use: an address without its secret takes nothing.
  package func refreshHooks(of tenant: TenantID) throws {
    for instance in instances.values where instance.route.tenant == tenant { try refreshHook(instance.route) }
  }

  private func refreshHook(_ route: InstanceRoute) throws {
    guard route.manifest.webhook != nil else { return ingress.close(route.key) }
    ingress.open(
      try hookID(route), route: route, vault: vault, tenant: try tenant(route.tenant),
      wake: { [weak self] in await self?.wakeReceivers(of: route.tenant) })
  }

  /// Lets the tenant's instances look for deliveries that wait for them. By what waits, not by the routes: those in force
  /// now may be others than those that led it.
  func wakeReceivers(of tenant: TenantID) async {
    let instances = instances.values.filter { $0.route.tenant == tenant }
    let awaited = try? self.tenant(tenant).view { view in
      try instances.filter { try FabricStage.isAwaited($0.route.instance, in: view) }
    }
    for instance in awaited ?? instances { await instance.takeDeliveries() }
  }

  /// Every instance that was ever enabled, as it is now.
  func enablings(of tenant: TenantID) throws -> [Enabling] {
    try self.tenant(tenant).view { try $0.scan(FabricStage.instances).map { try $0.1.decode() } }
  }

  /// - Parameter only: the one that has changed, so that enabling a thousand does not look a thousand times at all.
  private func startInstances(of tenant: TenantID, only: InstanceID? = nil) async throws {
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

  /// An instance of the version that is to come, which nobody else knows of.
  func trial(_ upgrade: Upgrade, _ tenant: TenantID, _ runtime: TenantRuntime) -> ConnectorInstance {
    ConnectorInstance(
      route: route(upgrade.new, upgrade.manifest, tenant), clock: nil, pausedFor: nil, workers: pool, tenant: runtime,
      metrics: metrics, log: log)
  }

  private func route(_ enabling: Enabling, _ manifest: Manifest, _ tenant: TenantID) -> InstanceRoute {
    InstanceRoute(
      tenant: tenant, instance: enabling.instance, manifest: manifest, folder: pluginFolder(of: enabling),
      overrides: enabling.endpoints, proxy: enabling.proxy,
      hostProxy: options.settings.egress.proxy?.leading, config: enabling.config.canonicalBytes)
  }

  /// The addresses of a suspended tenant's webhooks, where senders are told to come again.
  private func openDoors(of tenant: TenantID) throws {
    for enabling in try enablings(of: tenant) where enabling.settings.enabled && enabling.hasDoor {
      let document = SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:])
      guard let manifest = try? Manifest(document) else { continue }
      try refreshHook(route(enabling, manifest, tenant))
    }
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
