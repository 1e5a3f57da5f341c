import CanonicalJSON
import Cryptography
import Domain
import FileStorage
import Foundation
import SQLiteStorage
import TrustLedger
import Vault
import WholeLoop

/// Publishes one tenant's log: payloads and tiles first, then the high-water mark, then the signed checkpoint. At most one
/// checkpoint a second, and only when there are new entries.
actor LedgerPublisher {
  private nonisolated let executor = BlockingExecutor(label: "sluice.ledger")
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  nonisolated let objects: any ObjectStore
  private let tenant: TenantRuntime
  private let journal: SQLiteJournal
  private let signer: NoteSigner
  private let highWaterPath: String
  private let metrics: Metrics
  private let crash: any CrashInjector
  private let log: HostLog
  private var published = 0
  private var lastMs: Int64 = 0
  private var isPublishing = false

  init(
    tenant: TenantRuntime, journal: SQLiteJournal, objects: any ObjectStore, highWaterPath: String, vault: Vault,
    metrics: Metrics, crash: any CrashInjector, log: HostLog
  ) throws {
    self.tenant = tenant
    self.journal = journal
    self.objects = objects
    self.highWaterPath = highWaterPath
    self.metrics = metrics
    self.crash = crash
    self.log = log
    signer = try NoteSigner(
      name: "sluice/\(tenant.tenant)", seed: try vault.ledgerSeed(.tenant(tenant.tenant)))
  }

  nonisolated var vkey: String { signer.key.vkey }

  /// Compares what was published with the journal's state.
  /// - Throws: `LedgerStateError.behindHighWater` when the journal is older than what others have seen.
  func start() throws {
    let promised = try LedgerRelease.mark(promisedBy: try objects.read("checkpoint"), signer: signer)
    published = promised?.size ?? 0
    try objects.write([("log.vkey", Array((vkey + "\n").utf8))])
    let tree = try tenant.view { try LedgerStage.tree(in: $0) }
    metrics.set("sluice_ledger_entries", tree.size, [("tenant", tenant.tenant.rawValue)])
    // The mark is the younger witness; where it is gone, the published checkpoint still tells what others have seen.
    var seen = [promised].compactMap(\.self)
    if let bytes = FileManager.default.contents(atPath: highWaterPath) {
      do { seen.append(try JSONValue(parsing: [UInt8](bytes)).decode()) } catch {
        throw LedgerStateError.markDamaged(path: highWaterPath)
      }
    }
    for mark in seen {
      guard tree.size >= mark.size, tree.size > mark.size || tree.root == mark.root else {
        throw LedgerStateError.behindHighWater(tenant: tenant.tenant.rawValue, size: tree.size, published: mark.size)
      }
    }
  }

  /// Publishes what is new, unless that was done within the last second.
  func publishSoon(nowMs: Int64) async {
    guard nowMs - lastMs >= 1000 else { return }
    do { try await publishNow(nowMs: nowMs) } catch { log.error(error, ["tenant": tenant.tenant.rawValue]) }
  }

  func publishNow(nowMs: Int64) async throws {
    guard !isPublishing else { return }
    isPublishing = true
    defer { isPublishing = false }
    lastMs = nowMs
    let due = try tenant.view { try LedgerRelease.Due(in: $0, after: published) }
    metrics.set("sluice_ledger_entries", due.tree.size, [("tenant", tenant.tenant.rawValue)])
    guard !due.isNothing else { return }
    var stored: [Entry] = []
    for entry in due.entries {
      stored.append(try journal.entry(at: entry.position, of: .tenant(tenant.tenant)))
    }
    let objects = self.objects
    let release = try LedgerRelease(due, stored: stored, signer: signer) { path in try? objects.read(path) }
    crash.reach(.ledgerBeforeTiles)
    try objects.write(release.files)
    crash.reach(.ledgerBeforeHighWater)
    // Invariant: nobody sees a checkpoint that we could forget.
    try writeHighWater(release.mark)
    crash.reach(.ledgerBeforeCheckpoint)
    try objects.write(release.checkpoint)
    crash.reach(.ledgerAfterCheckpoint)
    published = release.mark.size
  }

  private func writeHighWater(_ mark: HighWater) throws {
    let path = highWaterPath as NSString
    let store = try FileObjectStore(root: path.deletingLastPathComponent)
    try store.write([(path.lastPathComponent, try JSONValue(encoding: mark).canonicalBytes)])
  }
}

package enum LedgerStateError: OperatorError, Equatable {
  case behindHighWater(tenant: String, size: Int, published: Int)
  case markDamaged(path: String)

  package var code: String {
    switch self {
    case .behindHighWater: "ledger.behind_high_water"
    case .markDamaged: "ledger.mark_damaged"
    }
  }
  package var message: String {
    switch self {
    case .behindHighWater(let tenant, let size, let published):
      "The journal of \(tenant) holds \(size) ledger entries, but \(published) were already published: it is older, or another one, than what others have seen."
    case .markDamaged(let path): "\(path) does not hold the size and root of a published checkpoint."
    }
  }
  package var remedy: String {
    switch self {
    case .behindHighWater: "Put the newest journal back. To go on would sign a second history."
    case .markDamaged: "Remove the file once `sluice ledger verify` finds the published log sound; it is written again."
    }
  }
}
