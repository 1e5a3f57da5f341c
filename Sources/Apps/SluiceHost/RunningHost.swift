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
  package nonisolated let metrics: Metrics
  nonisolated let flowWatch: FlowWatch
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
  var running: [String: Enabling] = [:]
  /// Why an enabled instance cannot be run by this version.
  var refused: [String: String] = [:]
  private(set) var isRunningInstances = false
  var isRunning: Bool { isRunningInstances }
  /// Nothing is asked any more.
  private(set) var isEnding = false
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
  /// What is being asked beside the instances that work, by the same keys.
  var dryRuns: [String: ConnectorInstance] = [:]
  /// Instances of which a change is on its way into the journal, and how many changes.
  var changing: [String: Int] = [:]
  var isBackingUp = false
  /// The tenants that were erased here, or in the folder that this one was restored from.
  var erasures = Erasures()

  /// Opens the data folder, takes its lock and recovers every tenant. Starts no connector.
  package init(_ options: Options) async throws {
    self.options = options
    log = options.log
    metrics = Metrics(clock: options.clock)
    flowWatch = FlowWatch(metrics)
    HostProcess.giveMemoryBack()
    HostProcess.raiseFilesMax()
    if !HostProcess.hideMemory() {
      log.warning("host.memory_readable", "The kernel does not let the host hide its memory; it holds keys.")
    }
    folder = try DataFolder(
      path: options.dataFolder, mayMake: options.mayMakeFolder, isRestoring: options.isRestoring)
    // Before anything is opened: on a full disk it gives up the ballast.
    let disk = options.settings.disk
    reserve = DiskBallast(
      folder: options.dataFolder, lowWaterBytes: disk.lowWaterBytes, ballastBytes: disk.ballastBytes,
      changed: { [log = options.log, path = options.dataFolder] isHeld in RunningHost.tell(isHeld, of: path, log) })
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
    try addErasuresOfFolder()
    keepErasuresBesideKey()
    try await finishErasures()
    for tenant in try folder.tenants(told: log) where !erasures.contains(tenant) {
      tenants[tenant] = try await open(tenant)
    }
  }

  private static func tell(_ isHeld: Bool, of path: String, _ log: HostLog) {
    if isHeld {
      return log.info("disk.ballast_back", "There is room on the disk again, and the ballast is back.", ["path": path])
    }
    log.warning(
      "disk.ballast_spent",
      "The disk is full: the ballast was given up for verdicts, receipts and kill switches. What else is written now takes their room; make some.",
      ["path": path])
  }

  /// Starts every enabled connector of every tenant.
  package func run() async throws {
    isRunningInstances = true
    flowWatch.start(on: loop)
    pool.startPinging()
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
    isEnding = true
    for asked in dryRuns.values { await asked.stop() }
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
    flowWatch.stop(on: loop)
    await pool.close()
    loop.stop()
    try await journal.close()
    folder.unlock()
  }
}

// Tenants.
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
    guard let open = tenants[tenant] else { throw HostError.unknown("the tenant \(tenant)", list: "tenant list") }
    return open
  }
}
