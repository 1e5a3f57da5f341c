import ConnectorFabric
import Domain

/// Makes durable what one pull emits, as it comes: one commit at a time, and while it is under way what comes
/// meanwhile is assembled for the next one. So order is kept, disk and processor work at once, and a slow disk makes
/// larger commits instead of more of them.
struct IntakeCommits: Sendable {
  /// Durable entries that may wait to be applied before a source must wait for them.
  private static let lagMax: UInt64 = 256

  let route: InstanceRoute
  let workers: WorkerPool
  let tenant: TenantRuntime
  let metrics: Metrics
  let mailbox: Mailbox<OperationSession.Event>

  /// Takes events until the mailbox is closed.
  /// - Parameter durable: Gets the last durable checkpoint of each stream, also when this throws.
  func run(durable: inout [StreamName: IntakeBatch.Checkpoint]) async throws {
    var intake = Intake(route, origin: .pull)
    var underWay: Task<Intake.Taken, any Error>?
    func begin() throws {
      let taken = try intake.take()
      if !taken.isEmpty { underWay = Task { try await commit(taken) } }
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
  private func commit(_ taken: Intake.Taken) async throws -> Intake.Taken {
    do { try await append(taken.entries) } catch {
      mailbox.close()
      throw error
    }
    // Invariant 3: credit and `durable` are given only after the entries are.
    workers.complete(
      route, mailbox, records: taken.records, bytes: taken.bytes, durableTokens: taken.durableTokens)
    if tenant.lag > Self.lagMax {
      let since = SystemSources.monotonicMs()
      try await tenant.catchUp(to: Self.lagMax / 2)
      metrics.wait(.applyLag, instance: route.key, ms: Int(SystemSources.monotonicMs() - since))
    }
    mailbox.put(.committed)
    return taken
  }

  private func append(_ contents: [IntakeAssembler.NewEntryContent]) async throws {
    guard !contents.isEmpty else { return }
    let since = SystemSources.monotonicMs()
    try await tenant.append(contents)
    metrics.wait(.storageSlow, instance: route.key, ms: Int(SystemSources.monotonicMs() - since))
  }
}

extension TenantRuntime {
  @discardableResult
  nonisolated func append(_ contents: [IntakeAssembler.NewEntryContent]) async throws -> [Position] {
    let now = SystemSources.wallClockMs()
    return try await append(
      contents.map { NewEntry(id: $0.id, kind: .intake, cause: nil, recordedAtMs: now, body: $0.body) })
  }
}
