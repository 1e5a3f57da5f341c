import Action
import CanonicalJSON
import ConnectorFabric
import Domain
import FileStorage
import Foundation
import SQLiteStorage
import ToolPlane
import TrustLedger
import Vault
import WholeLoop

/// What the host keeps of one tenant while it runs.
struct OpenTenant: Sendable {
  let runtime: TenantRuntime
  let actions: ActionRunner
  let ledger: LedgerPublisher
}

extension RunningHost {
  func open(_ tenant: TenantID) async throws -> OpenTenant {
    try vault.prepare(.tenant(tenant))
    let path = try folder.folder("tenants/\(tenant)")
    let assembly = LoopAssembly()
    let use = DiskUse(folder: path, partition: .tenant(tenant), journal: journal, objects: objects)
    let runtime = TenantRuntime(
      tenant: tenant, journal: journal, store: try SQLiteStateStore(path: path + "/state.db", crash: options.crash),
      assembly: assembly, metrics: metrics, past: past(of: tenant), reserve: reserve, use: use,
      standardTerms: TenantTerms(options.settings), clock: options.clock)
    try await runtime.start()
    let actions = ActionRunner(
      tenant: runtime, pool: pool, policy: assembly.policy, idSecret: try vault.idSecret(.tenant(tenant)),
      metrics: metrics, crash: options.crash, log: log,
      executors: ActionRunner.Executors(
        find: { [weak self] in await self?.executor($0, of: tenant) },
        resting: { [weak self] in await self?.restingExecutors(of: tenant) ?? [] }))
    let ledger = try LedgerPublisher(
      tenant: runtime, journal: journal, folder: path + "/ledger",
      highWaterPath: try folder.folder("high-water") + "/\(tenant).json", vault: vault, metrics: metrics,
      crash: options.crash, log: log, use: use, after: { [pool] ms, fire in _ = pool.after(ms: ms, fire) })
    try await ledger.start()
    use.countLedger()
    return OpenTenant(runtime: runtime, actions: actions, ledger: ledger)
  }

  /// Everything that a verifier of the tenant's logs needs.
  func ledgerCheck(_ tenant: TenantID) async throws -> LedgerCheck {
    if erasures.contains(tenant) { return try erasedLedgerCheck(tenant) }
    try await opened(tenant).ledger.publishNow()
    let open = try opened(tenant)
    return LedgerCheck(
      origin: open.ledger.origin, vkey: open.ledger.vkey, folder: try folder.folder("tenants/\(tenant)/ledger"))
  }

  /// The same of what remains of an erased one: the key stands beside the newest log.
  private func erasedLedgerCheck(_ tenant: TenantID) throws -> LedgerCheck {
    let path = TenantErasure.ledgerFolder(of: tenant, in: folder)
    let files = try FileObjectStore(root: path)
    let keys = try files.list("").filter { $0 == "log.vkey" || $0.hasSuffix("/log.vkey") }
    func number(_ path: String) -> Int { Int(path.split(separator: "-").dropFirst().first ?? "1") ?? 1 }
    let newest = keys.max { number($0) < number($1) } ?? "log.vkey"
    guard let vkey = try files.read(newest).map({ String(decoding: $0, as: UTF8.self) }) else {
      throw HostError.erased(tenant)
    }
    let key = vkey.trimmingCharacters(in: .whitespacesAndNewlines)
    return LedgerCheck(
      origin: String(key.prefix { $0 != "+" }), vkey: key, folder: path,
      ending: try TenantErasure.ending(of: tenant, in: folder), isErased: true)
  }

  /// What would be in force must still be a catalogue of tools, as an entry that cannot be applied would stop the tenant, and
  /// no more connectors than it may have.
  /// - Throws: `ToolError`, `InstanceQuotaReached`.
  func checkInForce(with changed: [Enabling], of tenant: TenantID) throws {
    let runtime = try self.tenant(tenant)
    let rows = try runtime.view { try $0.scan(FabricStage.instances) }
    var documents = Dictionary(rows.map { ($0.0, $0.1) }) { first, _ in first }
    // What somebody else is about to journal counts already.
    let prefix = "\(tenant)/"
    var enabled = Set(changing.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) })
    enabled.formUnion(documents.filter { Enabling.isEnabled($0.value) }.keys)
    let before = enabled.count
    for enabling in changed {
      let name = enabling.instance.rawValue
      documents[name] = try JSONValue(encoding: enabling)
      if enabling.settings.enabled { enabled.insert(name) } else { enabled.remove(name) }
    }
    // A quota that was lowered takes nothing away, and keeps nobody from changing what there is.
    if let most = runtime.terms.instancesMax, enabled.count > max(before, Int(most)) {
      throw InstanceQuotaReached(tenant: tenant, wanted: enabled.count, quota: most)
    }
    _ = try ToolCatalogue.assemble(
      from: documents.compactMap { name, document in
        InstanceID(rawValue: name).map { (instance: $0, document: document) }
      })
  }

  /// Runs what journals a change of instances: no upgrade of theirs begins meanwhile.
  /// - Throws: `UpgradeError.busy` while one is under way, which would write over this.
  func change(_ instances: [InstanceID], of tenant: TenantID, _ body: () async throws -> Void) async throws {
    try refuseChange(of: tenant)
    for instance in instances where upgrading["\(tenant)/\(instance)"] != nil {
      throw UpgradeError.busy(instance: instance)
    }
    let keys = instances.map { "\(tenant)/\($0)" }
    for key in keys { changing[key, default: 0] += 1 }
    defer { for key in keys { changing[key] = changing[key] == 1 ? nil : changing[key]! - 1 } }
    try await body()
  }

  /// From now on what is applied leads to effects and publications.
  func startActing(_ open: OpenTenant) async throws {
    try await open.actions.recover()
    // One that is suspended starts no action, and asks after none, until it is resumed.
    if open.runtime.terms.suspension != nil { await open.actions.suspend() }
    await open.runtime.observe {
      Task { await open.actions.poke() }
      Task { await open.ledger.publishSoon() }
    }
    await open.actions.poke()
    await open.ledger.publishSoon()
  }
}
