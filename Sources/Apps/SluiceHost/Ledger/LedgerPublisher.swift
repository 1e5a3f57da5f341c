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

  /// The files of the open log.
  nonisolated let objects: any ObjectStore
  private nonisolated let epoch: LedgerEpoch
  /// Where they stand, for messages.
  private let folder: String
  private let tenant: TenantRuntime
  private let journal: SQLiteJournal
  private let signer: NoteSigner
  private let highWaterPath: String
  private let metrics: Metrics
  private let crash: any CrashInjector
  private let log: HostLog
  private let use: DiskUse?
  private let after: @Sendable (_ ms: Int64, _ fire: @escaping @Sendable () -> Void) -> Void
  private var published = 0
  /// By the monotonic clock; nil before the first time.
  private var lastMs: Int64?
  private var isTimerSet = false
  private var isClosed = false

  /// - Parameter folder: Holds the first log; later ones stand in folders of their own inside.
  init(
    tenant: TenantRuntime, journal: SQLiteJournal, folder: String, highWaterPath: String, vault: Vault,
    metrics: Metrics, crash: any CrashInjector, log: HostLog, use: DiskUse? = nil,
    after: @escaping @Sendable (_ ms: Int64, _ fire: @escaping @Sendable () -> Void) -> Void
  ) throws {
    self.tenant = tenant
    self.journal = journal
    epoch = try tenant.view { try LedgerStage.epoch(in: $0) }
    self.folder = Self.folder(of: epoch, in: folder)
    objects = try FileObjectStore(root: self.folder)
    self.highWaterPath = highWaterPath
    self.metrics = metrics
    self.crash = crash
    self.log = log
    self.use = use
    self.after = after
    signer = try NoteSigner(
      name: epoch.origin(of: tenant.tenant), seed: try vault.ledgerSeed(.tenant(tenant.tenant)))
  }

  static func folder(of epoch: LedgerEpoch, in folder: String) -> String {
    folder + (epoch.name.map { "/\($0)" } ?? "")
  }

  nonisolated var vkey: String { signer.key.vkey }
  /// The open log's name.
  nonisolated var origin: String { signer.key.name }

  /// Compares what was published with the journal's state.
  /// - Throws: `LedgerStateError.behindHighWater` when the journal is older than what others have seen.
  func start() throws {
    let promised: HighWater?
    do {
      promised = try LedgerRelease.mark(promisedBy: try objects.read("checkpoint"), of: epoch, signer: signer)
    } catch let error as LedgerError {
      throw LedgerStateError.checkpointDamaged(
        tenant: tenant.tenant.rawValue, path: "\(folder)/checkpoint", reason: error.message)
    }
    published = promised?.size ?? 0
    try objects.write([("log.vkey", Array((vkey + "\n").utf8))])
    let (tree, beginnings) = try tenant.view { (try LedgerStage.tree(in: $0), try LedgerStage.beginnings(in: $0)) }
    metrics.set("sluice_ledger_entries", tree.size, [("tenant", tenant.tenant.rawValue)])
    // The mark is the younger witness; where it is gone, the published checkpoint still tells what others have seen.
    var seen = [promised].compactMap(\.self)
    if let bytes = FileManager.default.contents(atPath: highWaterPath) {
      do { seen.append(try JSONValue(parsing: [UInt8](bytes)).decode()) } catch {
        throw LedgerStateError.markDamaged(path: highWaterPath)
      }
    }
    for mark in seen {
      if (mark.epoch ?? .first).number < epoch.number {
        try checkAnswered(mark, beginnings)
        continue
      }
      guard mark.epoch ?? .first == epoch else {
        throw LedgerStateError.behindEpoch(tenant: tenant.tenant.rawValue, published: mark.epoch?.name ?? "")
      }
      guard tree.size >= mark.size, tree.size > mark.size || tree.root == mark.root else {
        throw LedgerStateError.behindHighWater(tenant: tenant.tenant.rawValue, size: tree.size, published: mark.size)
      }
    }
  }

  /// What an earlier log came to is settled only when this one, or one between, began with an entry that commits to it.
  private func checkAnswered(_ mark: HighWater, _ beginnings: [EpochBeginning]) throws {
    let log = mark.epoch ?? .first
    let restored = beginnings.first { $0.previous == log }?.restored.size ?? 0
    // As far as it was restored, its own leaves tell.
    let isAnswered =
      mark.size <= restored
      ? try tenant.view { try LedgerStage.root(of: log, at: mark.size, in: $0) } == mark.root
      : try beginnings.commit(to: .init(size: mark.size, root: mark.root), of: log, of: tenant.tenant)
    guard isAnswered else {
      throw LedgerStateError.unansweredMark(log: log.origin(of: tenant.tenant), size: mark.size, path: highWaterPath)
    }
  }

  /// Publishes what is new: now, or by a timer as soon as a second has passed since the last time.
  func publishSoon() {
    guard !isTimerSet, !isClosed else { return }
    let waitMs = lastMs.map { $0 + Self.pauseMs - SystemSources.monotonicMs() } ?? 0
    guard waitMs <= 0 else { return publishLater(ms: waitMs) }
    do { try publishNow() } catch {
      log.error(error, ["tenant": tenant.tenant.rawValue])
      // A disk that is full now may have room later, and nothing else may be applied until then.
      publishLater(ms: Self.pauseAfterFailureMs)
    }
  }

  private static let pauseMs: Int64 = 1_000
  private static let pauseAfterFailureMs: Int64 = 10_000

  private func publishLater(ms: Int64) {
    isTimerSet = true
    after(ms) { [weak self] in Task { await self?.timerFired() } }
  }

  private func timerFired() {
    isTimerSet = false
    publishSoon()
  }

  /// Publishes nothing any more, whoever asks.
  func close() { isClosed = true }

  /// Publishes all that is new. It never waits inside, so that of two who ask at once the second one publishes what
  /// has come since.
  func publishNow() throws {
    guard !isClosed else { return }
    lastMs = SystemSources.monotonicMs()
    let due = try tenant.view { view in
      try LedgerStage.epoch(in: view) == epoch ? try LedgerRelease.Due(in: view, after: published) : nil
    }
    guard let due else { return }
    metrics.set("sluice_ledger_entries", due.tree.size, [("tenant", tenant.tenant.rawValue)])
    guard !due.isNothing else { return }
    let stored = try journal.entries(at: due.entries.map(\.position), of: .tenant(tenant.tenant))
    let objects = self.objects
    let release = try LedgerRelease(due, of: epoch, stored: stored, signer: signer) { path in try? objects.read(path) }
    crash.reach(.ledgerBeforeTiles)
    try write(release.files)
    crash.reach(.ledgerBeforeHighWater)
    // Invariant: nobody sees a checkpoint that we could forget.
    try writeHighWater(release.mark)
    crash.reach(.ledgerBeforeCheckpoint)
    try write(release.checkpoint)
    crash.reach(.ledgerAfterCheckpoint)
    published = release.mark.size
  }

  /// Counted as soon as it stands there: what comes after may fail, and finds it there the next time. Of what failed
  /// half-way only the folder tells.
  private func write(_ files: [(path: String, bytes: [UInt8])]) throws {
    let replaced = try files.reduce(0) { try $0 + (objects.size($1.path) ?? 0) }
    do { try objects.write(files) } catch {
      use?.countLedger()
      throw error
    }
    use?.add(ledgerBytes: files.reduce(-replaced) { $0 + $1.bytes.count })
  }

  /// Whether every leaf of entries up to a position is published.
  func hasPublished(through last: Position) throws -> Bool {
    let first = try tenant.view { try LedgerStage.unpublished(in: $0, after: published, countMax: 1).first }
    return first.map { $0.position > last } ?? true
  }

  private func writeHighWater(_ mark: HighWater) throws {
    let path = highWaterPath as NSString
    let store = try FileObjectStore(root: path.deletingLastPathComponent)
    try store.write([(path.lastPathComponent, try JSONValue(encoding: mark).canonicalBytes)])
  }
}

package enum LedgerStateError: OperatorError, Equatable {
  case behindHighWater(tenant: String, size: Int, published: Int)
  case behindEpoch(tenant: String, published: String)
  case markDamaged(path: String)
  case checkpointDamaged(tenant: String, path: String, reason: String)
  case unansweredMark(log: String, size: Int, path: String)

  package var code: String {
    switch self {
    case .behindHighWater: "ledger.behind_high_water"
    case .behindEpoch: "ledger.behind_epoch"
    case .markDamaged: "ledger.mark_damaged"
    case .checkpointDamaged: "ledger.checkpoint_damaged"
    case .unansweredMark: "ledger.unanswered_mark"
    }
  }
  package var message: String {
    switch self {
    case .behindHighWater(let tenant, let size, let published):
      "The journal of \(tenant) holds \(size) ledger entries, but \(published) were already published: it is older, or another one, than what others have seen."
    case .behindEpoch(let tenant, let published):
      "The log \(published) of \(tenant) was already published, but the journal does not come to it: it is older, or another one, than what others have seen."
    case .unansweredMark(let log, let size, let path):
      "\(path) says that the log \(log) was published with \(size) entries; no log that was begun here since commits to that."
    case .checkpointDamaged(let tenant, let path, let reason):
      "\(path) is not the last checkpoint of \(tenant). \(reason)"
    case .markDamaged(let path): "\(path) does not hold the size and root of a published checkpoint."
    }
  }
  package var remedy: String {
    switch self {
    case .behindHighWater, .behindEpoch:
      "Put the newest journal back. To go on would sign a second history; `sluice restore` begins a new log instead."
    case .unansweredMark:
      "Restore the backup again, with the newest checkpoint of that log: `sluice restore --checkpoint FILE`."
    case .checkpointDamaged:
      "Put it back from a copy. Where there is none, move it away and start: the high-water mark still says what others have seen, and it is signed anew."
    case .markDamaged:
      "Move the file away and ask `sluice ledger verify`, which needs none. Where it finds the published log sound, start: the mark is written again. Where not, put both back from a copy first."
    }
  }
}
