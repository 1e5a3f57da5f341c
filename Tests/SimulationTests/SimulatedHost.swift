import Action
import CanonicalJSON
import Cryptography
import Domain
import LedgerVerifier
import Policy
import TrustLedger
import WholeLoop

/// What a simulation is made of besides the host: it stays when the host dies.
final class Surroundings {
  let chance: Chance
  let trace: Trace
  let disk: SimulatedDisk
  let crm: SimulatedCRM
  let setting: Setting
  let fault: Fault?
  /// Wall time in milliseconds since 1970.
  private(set) var nowMs: Int64 = 1_804_000_000_000
  /// Every write that left for the CRM, with how much of the journal was durable then.
  var sends: [(start: EffectStart, head: Position)] = []
  /// proposal → the hash of each call that a person was shown of it.
  var shown: [Digest: Set<Digest>] = [:]
  /// What somebody does between a permit and its start.
  var interfere: () throws -> Void = {}
  /// At the end of a run nothing fails any more.
  var isSettling = false

  init(setting: Setting, fault: Fault?) {
    self.setting = setting
    self.fault = fault
    let chance = Chance(seed: setting.seed)
    self.chance = chance
    trace = Trace()
    disk = SimulatedDisk(
      chance: chance, trace: trace,
      salt: { fault == .saltsFromElsewhere ? (0..<$0).map { _ in UInt8.random(in: 0...255) } : chance.bytes($0) })
    crm = SimulatedCRM(chance: Chance(seed: setting.history))
    crm.isIdempotent = setting.isIdempotent
  }

  func pass(ms: Int64) {
    nowMs += ms
    crm.advance(toMs: nowMs)
  }

  func entry(_ kind: EntryKind, _ body: some Encodable, id: Digest? = nil) throws -> NewEntry {
    NewEntry(
      id: id ?? Digest(chance.bytes(32))!, kind: kind, cause: nil, recordedAtMs: nowMs,
      body: try JSONValue(encoding: body).canonicalBytes)
  }
}

/// One life of the host: what it knows is gone when it dies. Every step is the product's; only waiting is left out.
final class SimulatedHost {
  static let signer = try! NoteSigner(name: "sluice/acme", seed: Array(repeating: 7, count: 32))

  let around: Surroundings
  let assembly = LoopAssembly()
  var applied = Position.origin
  private var handed = LoopStep.Handed(takenOverAt: .origin)
  var runner = SimulatedRunner.idle
  /// Checkpoints that are known to be durable, by stream.
  var cursors: [String: Int] = [:]
  /// Keys that were taken in, for a host that holds the key alone for a record.
  var knownKeys: Set<String> = []
  private var published = 0

  var disk: SimulatedDisk { around.disk }
  var chance: Chance { around.chance }
  var trace: Trace { around.trace }

  init(_ around: Surroundings) { self.around = around }

  func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result { try disk.store.view(body) }

  /// As `TenantRuntime.start`, `LedgerPublisher.start` and `ActionRunner.recover`, in that order.
  func start() throws {
    trace.note("start")
    applied = try view { try LoopAssembly.applied($0) }
    handed = LoopStep.Handed(takenOverAt: disk.journal.head)
    try settle()
    published = try LedgerRelease.mark(promisedBy: disk.objects["checkpoint"], signer: Self.signer)?.size ?? 0
    let tree = try view { try LedgerStage.tree(in: $0) }
    if let mark = disk.highWater, tree.size < mark.size || published > mark.size {
      throw Violation("high-water mark", "published \(published), marked \(mark.size), kept \(tree.size)")
    }
    try verifyLedger(earlier: nil)
    try recover()
  }

  // MARK: - The loop

  /// - Returns: Whether there was anything to do.
  @discardableResult
  func step() throws -> Bool {
    let durable = disk.journal.read(after: applied, countMax: chance.within(1...LoopStep.groupCountMax))
    switch try LoopStep.next(durable: durable, in: disk.store, handed: handed, nowMs: around.nowMs) {
    case .apply(let entries):
      try assembly.apply(entries, to: disk.store)
      applied = entries.last!.position
      trace.note("applied", "to \(applied)")
    case .append(let entries, let now):
      trace.note("derived", entries.map(\.kind.rawValue).joined(separator: " "))
      _ = try disk.append(faulty(entries))
      handed = now
    case .rest: return false
    }
    return true
  }

  private func faulty(_ entries: [NewEntry]) -> [NewEntry] {
    switch around.fault {
    case .appendsOutboxTwice where chance.percent(10):
      entries
        + entries.map {
          NewEntry(
            id: SHA256.digest($0.id.bytes), kind: $0.kind, cause: $0.cause, recordedAtMs: $0.recordedAtMs, body: $0.body
          )
        }
    case .forgetsSignals where chance.percent(5):
      entries.map {
        NewEntry(
          id: $0.id, kind: $0.kind, cause: $0.cause, recordedAtMs: $0.recordedAtMs,
          body: $0.kind == .signals
            ? Array(#"{"day":"\#(around.crm.today)","signals":[]}"#.utf8) : $0.body)
      }
    default: entries
    }
  }

  /// Applies and appends until nothing is left.
  func settle() throws { while try step() {} }

  // MARK: - The published log

  /// As `LedgerPublisher.publishNow`.
  func publish() throws {
    let due = try view { try LedgerRelease.Due(in: $0, after: published) }
    guard !due.isNothing else { return }
    let objects = disk.objects
    let release = try LedgerRelease(
      due, stored: due.entries.map { disk.journal[$0.position] }, signer: Self.signer
    ) { objects[$0] }
    let earlier = objects["checkpoint"]
    if around.fault == .publishesCheckpointFirst { try disk.write(release.checkpoint) }
    try disk.reach(.ledgerBeforeTiles, weight: 3)
    try disk.write(release.files)
    try disk.reach(.ledgerBeforeHighWater, weight: 3)
    disk.set(release.mark)
    try disk.reach(.ledgerBeforeCheckpoint, weight: 3)
    try disk.write(release.checkpoint)
    try disk.reach(.ledgerAfterCheckpoint, weight: 3)
    published = release.mark.size
    trace.note("published", "\(published) leaves")
    try verifyLedger(earlier: earlier)
  }

  /// As a stranger does, from the published files alone.
  func verifyLedger(earlier: [UInt8]?) throws {
    guard let checkpoint = disk.objects["checkpoint"] else { return }
    let objects = disk.objects
    let report = LedgerVerification.verify(
      checkpoint: checkpoint, vkey: Self.signer.key.vkey, earlier: earlier
    ) { objects[$0] }
    guard report.isSound, report.extendsEarlier != false else {
      throw Violation("the published log verifies", "\(report.findings.first.map { "\($0)" } ?? "it was rewritten")")
    }
  }
}
