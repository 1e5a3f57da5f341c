import CanonicalJSON
package import Domain
package import SQLiteStorage
package import WholeLoop

/// One tenant's order of events: appends to its partition, applies what is durable, appends what follows.
package actor TenantRuntime {
  private nonisolated let executor = BlockingExecutor(label: "sluice.tenant")
  package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  package nonisolated let tenant: TenantID
  package nonisolated let store: any StateStore
  private let journal: SQLiteJournal
  private let assembly: LoopAssembly
  private let metrics: Metrics
  private nonisolated let partition: Partition
  private var epoch: UInt64 = 0
  private var applied = Position.origin
  private var head = Position.origin
  private var isApplying = false
  private var failure: (any Error)?
  private var waiting: [(position: Position, done: CheckedContinuation<Void, any Error>)] = []
  private var changed: [CheckedContinuation<Void, any Error>] = []
  private var observers: [@Sendable () -> Void] = []

  package init(
    tenant: TenantID, journal: SQLiteJournal, store: any StateStore, assembly: LoopAssembly, metrics: Metrics
  ) {
    self.tenant = tenant
    self.journal = journal
    self.store = store
    self.assembly = assembly
    self.metrics = metrics
    partition = .tenant(tenant)
  }

  /// Takes the partition over and applies it up to its durable end, before anything is appended.
  package func start() async throws {
    epoch = try await journal.acquire(partition)
    head = await journal.head(of: partition)
    applied = try store.view { try LoopAssembly.applied($0) }
    try await applyAll()
  }

  /// Appends entries and returns when they are durable. Applying goes on by itself.
  @discardableResult
  package func append(_ entries: [NewEntry]) async throws -> [Position] {
    let positions = try await journal.append(entries, to: partition, epoch: epoch)
    head = max(head, positions.last ?? head)
    if !isApplying { Task { try? await self.applyAll() } }
    return positions
  }

  /// Appends one input as canonical JSON.
  @discardableResult
  package func append(_ kind: EntryKind, _ body: some Encodable & Sendable, id: Digest) async throws -> Position {
    let json = try JSONValue(encoding: body)
    let entry = NewEntry(
      id: id, kind: kind, cause: nil, recordedAtMs: SystemSources.wallClockMs(), body: json.canonicalBytes)
    return try await append([entry])[0]
  }

  /// Returns when the entry at `position`, and everything that followed from what was applied by then, is applied.
  package func applied(to position: Position) async throws {
    if let failure { throw failure }
    if applied >= position, !isApplying { return }
    try await withCheckedThrowingContinuation { waiting.append((position, $0)) }
  }

  /// Returns when nothing is left to apply or append.
  package func settle() async throws { try await applied(to: head) }

  /// Returns when the condition holds; it is asked again after everything that is applied.
  package func when(_ isMet: @escaping @Sendable (any StateView) throws -> Bool) async throws {
    while true {
      if let failure { throw failure }
      if try store.view(isMet) { return }
      try await withCheckedThrowingContinuation { changed.append($0) }
    }
  }

  /// Why applying has stopped, if it has.
  var failureText: String? { failure.map { "\($0)" } }

  package var appliedNumber: UInt64 { applied.number }

  /// How many entries are durable but not applied.
  package var lag: UInt64 { head.number - min(applied.number, head.number) }

  /// Calls `observer` whenever entries have been applied.
  package func observe(_ observer: @escaping @Sendable () -> Void) { observers.append(observer) }

  package nonisolated func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result {
    try store.view(body)
  }

  private func applyAll() async throws {
    guard !isApplying else { return }
    isApplying = true
    do {
      while try await step() {}
      isApplying = false
    } catch {
      isApplying = false
      failure = error
      for waiter in waiting { waiter.done.resume(throwing: error) }
      for waiter in changed { waiter.resume(throwing: error) }
      (waiting, changed) = ([], [])
      throw error
    }
    let ready = waiting.filter { $0.position <= applied }
    waiting.removeAll { $0.position <= applied }
    for waiter in ready { waiter.done.resume() }
    for waiter in changed { waiter.resume() }
    changed = []
    for observer in observers { observer() }
  }

  /// - Returns: Whether there was anything to do.
  private func step() async throws -> Bool {
    let durable = try await journal.read(partition, after: applied, countMax: LoopStep.groupCountMax)
    switch try LoopStep.next(durable: durable, in: store, nowMs: SystemSources.wallClockMs()) {
    case .apply(let entries): try applyDurable(entries)
    case .append(let entries):
      let positions = try await journal.append(entries, to: partition, epoch: epoch)
      head = max(head, positions.last!)
    case .rest: return false
    }
    return true
  }

  private func applyDurable(_ entries: [Entry]) throws {
    try assembly.apply(entries, to: store)
    applied = entries.last!.position
    head = max(head, applied)
    metrics.set("sluice_applied_position", Int(applied.number), [("tenant", tenant.rawValue)])
    metrics.set("sluice_journal_position", Int(head.number), [("tenant", tenant.rawValue)])
  }
}
