import CanonicalJSON
import ConnectorFabric
package import Domain
package import SQLiteStorage
import Synchronization
package import WholeLoop

/// One tenant's order of events: appends to its partition, applies what is durable, appends what follows.
///
/// An append does not wait for what is being applied: credit, webhooks and permits wait for the disk alone.
package actor TenantRuntime {
  private nonisolated let executor = BlockingExecutor(label: "sluice.tenant")
  package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  package nonisolated let tenant: TenantID
  package nonisolated let store: any StateStore
  let journal: SQLiteJournal
  private let assembly: LoopAssembly
  private let metrics: Metrics
  private let past: TrimmedPast?
  nonisolated let reserve: any DiskReserve
  nonisolated let partition: Partition
  nonisolated let clock: any HostClock
  /// What it takes of the disk, and how much it may when nobody has said so for this tenant.
  nonisolated let use: DiskUse?
  nonisolated let standardTerms: TenantTerms
  /// As of what is applied.
  nonisolated let held = Mutex(TenantTerms())
  struct Progress {
    var epoch: UInt64 = 0
    var head = Position.origin
    var applied = Position.origin
    /// Of records that are on their way into the journal, or in it and not applied.
    var lineBytes = 0
    /// Somebody applies, or is about to.
    var isApplying = false
    var lag: UInt64 { head.number - min(applied.number, head.number) }

    /// - Returns: Whether the caller is the one to apply.
    mutating func begin() -> Bool {
      defer { isApplying = true }
      return !isApplying
    }
  }
  nonisolated let progress = Mutex(Progress())
  private var failure: (any Error)?
  private var handed = LoopStep.Handed(takenOverAt: .origin)
  private var waiting: [(position: Position, done: CheckedContinuation<Void, any Error>)] = []
  private var changed: [CheckedContinuation<Void, any Error>] = []
  private var trailing: [(isMet: @Sendable (Progress) -> Bool, done: CheckedContinuation<Void, any Error>)] = []
  private var observers: [@Sendable () -> Void] = []

  package init(
    tenant: TenantID, journal: SQLiteJournal, store: any StateStore, assembly: LoopAssembly, metrics: Metrics,
    past: TrimmedPast? = nil, reserve: any DiskReserve = UnlimitedDisk(), use: DiskUse? = nil,
    standardTerms: TenantTerms = TenantTerms(), clock: any HostClock = SystemClock()
  ) {
    self.tenant = tenant
    self.clock = clock
    self.journal = journal
    self.store = store
    self.assembly = assembly
    self.metrics = metrics
    self.past = past
    self.reserve = reserve
    self.use = use
    self.standardTerms = standardTerms
    partition = .tenant(tenant)
  }

  /// Takes the partition over and applies it up to its durable end, before anything is appended.
  package func start() async throws {
    let epoch = try await journal.acquire(partition)
    let head = await journal.head(of: partition)
    var applied = try store.view { try LoopAssembly.applied($0) }
    // The database is gone or older than what is kept: what stood before is in the snapshot.
    if let past, applied.next < journal.firstKept(of: partition) { applied = try await past.begin(in: store) }
    guard applied <= head else {
      throw JournalError.behindState(partition: partition.name, head: head.number, applied: applied.number)
    }
    progress.withLock { $0 = Progress(epoch: epoch, head: head, applied: applied) }
    handed = LoopStep.Handed(takenOverAt: head)
    try await use?.countAnew()
    try readTerms()
    try await applyAll(progress.withLock { $0.begin() })
  }

  /// One transaction applies entries of about so many bytes: what a flood has left in the line is not all held at once.
  private static let groupBytesMax = 4 << 20
  /// With so many entries in line, or so many applied since, nobody whose own is applied waits for the line to end: it may never.
  private static let lineMax: UInt64 = 64

  /// Returns when the entry at `position`, and everything that followed from what was applied by then, is applied. While
  /// sources flood, what follows comes late: then it returns once the entry itself is applied.
  package func applied(to position: Position) async throws {
    if let failure { throw failure }
    if progress.withLock({ $0.applied >= position && !$0.isApplying }) { return }
    try await withCheckedThrowingContinuation { waiting.append((position, $0)) }
  }

  /// Returns when nothing is left to apply or append.
  package func settle() async throws { try await applied(to: progress.withLock { $0.head }) }

  /// Returns when at most `lagMax` durable entries, and so many bytes of records, wait to be applied.
  package func catchUp(to lagMax: UInt64, bytes bytesMax: Int = .max) async throws {
    try await trail { $0.lag == 0 || $0.lag <= lagMax && $0.lineBytes <= bytesMax }
  }

  /// Returns as soon as the entry at `position` is applied. What follows from it may still be on its way.
  package func reached(_ position: Position) async throws { try await trail { $0.applied >= position } }

  private func trail(_ isMet: @escaping @Sendable (Progress) -> Bool) async throws {
    if let failure { throw failure }
    if progress.withLock({ isMet($0) }) { return }
    try await withCheckedThrowingContinuation { trailing.append((isMet, $0)) }
  }

  /// Returns when the condition holds; it is asked again after everything that is applied.
  package func when(_ isMet: @escaping @Sendable (any StateView) throws -> Bool) async throws {
    while true {
      if let failure { throw failure }
      if try store.view(isMet) { return }
      try await withCheckedThrowingContinuation { changed.append($0) }
    }
  }

  /// Ends it for good: whoever waits or asks is told why. Nothing of its database is open any more.
  func close(for reason: any Error) throws {
    failure = reason
    for waiter in waiting { waiter.done.resume(throwing: reason) }
    for waiter in changed { waiter.resume(throwing: reason) }
    for waiter in trailing { waiter.done.resume(throwing: reason) }
    (waiting, changed, trailing, observers) = ([], [], [], [])
    try (store as? SQLiteStateStore)?.close()
  }

  /// Why applying has stopped, if it has.
  var failureText: String? { failure.map { "\($0)" } }

  package nonisolated var appliedNumber: UInt64 { progress.withLock { $0.applied.number } }

  /// How many entries are durable but not applied.
  package nonisolated var lag: UInt64 { progress.withLock { $0.lag } }

  /// How many bytes of records are not applied.
  nonisolated var lineBytes: Int { progress.withLock { $0.lineBytes } }

  /// Calls `observer` whenever entries have been applied.
  package func observe(_ observer: @escaping @Sendable () -> Void) { observers.append(observer) }

  /// The last entry that was recorded by then, found by halves; the one before the first kept when there is none.
  package func position(recordedUntilMs ms: Int64) async throws -> Position {
    var (low, high) = (journal.firstKept(of: partition).number - 1, progress.withLock { $0.head }.number)
    while low < high {
      let middle = low + (high - low + 1) / 2
      let entry = try await journal.read(partition, after: Position(middle - 1), countMax: 1).first
      if let entry, entry.recordedAtMs <= ms { low = middle } else { high = middle - 1 }
    }
    return Position(low)
  }

  package nonisolated func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result {
    try store.view(body)
  }

  /// - Parameter isOurs: What `Progress.begin` said: somebody else applies when it is false.
  func applyAll(_ isOurs: Bool) async throws {
    guard isOurs else { return }
    do {
      while true {
        if try await step() { continue }
        // What became durable while the journal was read found us applying, and woke nobody.
        let isDone = progress.withLock { progress in
          if progress.lag == 0 { progress.isApplying = false }
          return progress.lag == 0
        }
        if isDone { break }
      }
    } catch {
      progress.withLock { $0.isApplying = false }
      if error is DiskFull, failure == nil { applyAgainSoon() } else { failure = failure ?? error }
      for waiter in waiting { waiter.done.resume(throwing: error) }
      for waiter in changed { waiter.resume(throwing: error) }
      for waiter in trailing { waiter.done.resume(throwing: error) }
      (waiting, changed, trailing) = ([], [], [])
      throw error
    }
    let applied = progress.withLock { $0.applied }
    resumeWaiting { $0 <= applied }
    tellApplied()
  }

  /// Actions, publications and whoever waits for a condition: at the line's end, and while there is none, after each group.
  private func tellApplied() {
    for waiter in changed { waiter.resume() }
    changed = []
    for observer in observers { observer() }
  }

  private func resumeWaiting(_ isMet: (Position) -> Bool) {
    let ready = waiting.filter { isMet($0.position) }
    waiting.removeAll { isMet($0.position) }
    for waiter in ready { waiter.done.resume() }
  }

  /// A full disk is no reason to stop for good: the ballast makes room, or somebody does.
  private func applyAgainSoon() {
    _ = reserve.release()
    Task {
      try? await Task.sleep(for: .seconds(1))
      try? await self.applyAll(self.progress.withLock { $0.begin() })
    }
  }

  /// - Returns: Whether there was anything to do.
  private func step() async throws -> Bool {
    let applied = progress.withLock { $0.applied }
    let durable = try await journal.read(
      partition, after: applied, countMax: LoopStep.groupCountMax, bytesMax: Self.groupBytesMax)
    switch try LoopStep.next(durable: durable, in: store, handed: handed, nowMs: clock.wallMs()) {
    case .apply(let entries): try applyDurable(entries)
    case .append(let entries, let now):
      try await appendDurably(entries)
      handed = now
    case .rest: return false
    }
    return true
  }

  private func applyDurable(_ entries: [Entry]) throws {
    try assembly.apply(entries, to: store)
    if entries.contains(where: { $0.kind == .order }) { try readTerms() }
    use?.measureDatabase()
    let now = progress.withLock { progress in
      progress.applied = entries.last!.position
      progress.lineBytes = max(0, progress.lineBytes - Self.recordBytes(entries.map { ($0.kind, $0.body) }))
      progress.head = max(progress.head, progress.applied)
      return (applied: progress.applied, head: progress.head)
    }
    for entry in entries { try metrics.count(entry, of: tenant) }
    let came = entries.filter { $0.kind == .delivery }.map(\.position)
    if let first = came.first, let last = came.last {
      for (instance, why) in try store.view({ try FabricStage.untaken(first...last, in: $0) }) {
        metrics.add("sluice_deliveries_total", 1, [("instance", "\(tenant)/\(instance)"), ("outcome", why)])
      }
    }
    metrics.set("sluice_applied_position", Int(now.applied.number), [("tenant", tenant.rawValue)])
    metrics.set("sluice_journal_position", Int(now.head.number), [("tenant", tenant.rawValue)])
    let line = now.head.number - now.applied.number
    resumeWaiting { $0 <= now.applied && (line > Self.lineMax || now.applied.number - $0.number >= Self.lineMax) }
    if line > 0 { tellApplied() }
    guard !trailing.isEmpty else { return }
    let met = progress.withLock { progress in trailing.map { $0.isMet(progress) } }
    let ready = zip(trailing, met).filter(\.1).map(\.0)
    trailing = zip(trailing, met).filter { !$0.1 }.map(\.0)
    for waiter in ready { waiter.done.resume() }
  }
}
