import ConnectorFabric
import Domain
import Synchronization

/// Makes durable what one pull emits, as it comes: one commit at a time, and while it is under way what comes
/// meanwhile is assembled for the next one. So order is kept, disk and processor work at once, and a slow disk makes
/// larger commits instead of more of them.
struct IntakeCommits: Sendable {
  let route: InstanceRoute
  let workers: WorkerPool
  let tenant: TenantRuntime
  let metrics: Metrics
  let mailbox: Mailbox<OperationSession.Event>

  /// Takes events until the mailbox is closed.
  /// - Parameter durable: Gets the last durable checkpoint of each stream, also when this throws.
  func run(durable: inout [StreamName: IntakeBatch.Checkpoint]) async throws {
    var intake = Intake(route, origin: .pull)
    let own = ApplyLag()
    var underWay: Task<Intake.Taken, any Error>?
    func begin() throws {
      let taken = try intake.take()
      if !taken.isEmpty { underWay = Task { try await commit(taken, own) } }
    }
    func finish() async throws {
      guard let ended = underWay else { return }
      underWay = nil
      for (stream, checkpoint) in try await ended.value.checkpoints { durable[stream] = checkpoint }
    }
    do {
      while let events = await mailbox.takeAll() {
        try intake.add(events)
        if underWay == nil || events.contains(where: \.isCommitted) {
          try await finish()
          try begin()
        }
      }
      try await finish()
      try begin()
      try await finish()
    } catch {
      try? await finish()
      throw error
    }
  }

  /// Makes durable what was taken, and gives its credit back. When that fails, nothing more is taken in: a worker that
  /// waits for credit would not tell us.
  private func commit(_ taken: Intake.Taken, _ own: ApplyLag) async throws -> Intake.Taken {
    do {
      let positions = try await append(taken.entries)
      own.add(positions)
    } catch {
      mailbox.close()
      throw error
    }
    // Invariant 3: credit and `durable` are given only after the entries are.
    workers.complete(route, mailbox, taken)
    let (lag, bytes, applied) = (tenant.lag, tenant.lineBytes, tenant.appliedNumber)
    if own.mustWait(lag: lag, bytes: bytes, applied: applied) {
      let wait = metrics.wait(.applyLag, instance: route.key)
      defer { wait.end() }
      try await tenant.catchUp(
        to: lag > ApplyLag.lagMost ? ApplyLag.lagMost / 2 : ApplyLag.lagMax / 2,
        bytes: bytes > ApplyLag.bytesMax ? ApplyLag.bytesMax / 2 : .max)
    }
    mailbox.put(.committed)
    return taken
  }

  private func append(_ contents: [IntakeAssembler.NewEntryContent]) async throws -> [Position] {
    guard !contents.isEmpty else { return [] }
    let wait = metrics.wait(.storageSlow, instance: route.key)
    defer { wait.end() }
    return try await tenant.append(contents)
  }
}

/// Who must wait for a tenant's durable entries to be applied: the sources that filled the line, not all that stand in it.
///
/// Beyond `lagMax` entries or `bytesMax` of records a pull waits that has more than its few in the line; beyond `lagMost` everyone does.
final class ApplyLag: Sendable {
  static let lagMax: UInt64 = 256
  static let lagMost: UInt64 = 8 * lagMax
  /// An entry may have a thousand records: what a person changes must not wait for hundreds of those.
  static let bytesMax = 8 << 20
  /// Entries of one pull that may always wait to be applied: what a small one brings, with its checkpoint.
  static let ownMax = 2
  private let own = Mutex<[UInt64]>([])

  func add(_ positions: [Position]) { own.withLock { $0 += positions.map(\.number) } }

  func mustWait(lag: UInt64, bytes: Int = 0, applied: UInt64) -> Bool {
    let count = own.withLock { own in
      own.removeAll { $0 <= applied }
      return own.count
    }
    return lag > Self.lagMost || ((lag > Self.lagMax || bytes > Self.bytesMax) && count > Self.ownMax)
  }
}

extension TenantRuntime {
  @discardableResult
  nonisolated func append(_ contents: [IntakeAssembler.NewEntryContent]) async throws -> [Position] {
    let now = clock.wallMs()
    return try await append(
      contents.map { NewEntry(id: $0.id, kind: .intake, cause: nil, recordedAtMs: now, body: $0.body) })
  }
}
