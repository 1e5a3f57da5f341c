import ConnectorFabric
import Domain
import Synchronization

/// Makes durable what a plugin makes of one delivery after the other: one commit at a time, and each holds what has come
/// meanwhile, of however many deliveries.
final class DeliveryLine: Sendable {
  /// Bytes that may wait for a commit before the next delivery does.
  private static let bytesMax = 1 << 20

  private struct Part: Sendable {
    let taken: Intake.Taken
    /// Of the operation that brought it; nil for what the host adds.
    let mailbox: Mailbox<OperationSession.Event>?
  }
  private struct Waiting {
    var bytes = 0
    var next: CheckedContinuation<Void, Never>?
  }
  private struct Broken: Error {}

  private let route: InstanceRoute
  private let workers: WorkerPool
  private let tenant: TenantRuntime
  private let metrics: Metrics
  private let parts = Mailbox<Part>()
  private let waiting = Mutex(Waiting())

  init(route: InstanceRoute, workers: WorkerPool, tenant: TenantRuntime, metrics: Metrics) {
    self.route = route
    self.workers = workers
    self.tenant = tenant
    self.metrics = metrics
  }

  /// - Throws: When what came before could not be made durable; `run` says why.
  func add(_ taken: Intake.Taken, of mailbox: Mailbox<OperationSession.Event>) throws {
    try add(Part(taken: taken, mailbox: mailbox))
  }

  /// Adds the batch that ends a delivery.
  /// - Throws: As `add`.
  func end(with content: IntakeAssembler.NewEntryContent) throws {
    try add(Part(taken: Intake.Taken(entries: [content]), mailbox: nil))
  }

  private func add(_ part: Part) throws {
    let taken = part.taken
    guard taken.isEmpty || parts.put(part) else { throw Broken() }
    waiting.withLock { $0.bytes += taken.entryBytes }
  }

  /// Returns when there is room for what another delivery brings. One caller only.
  func room() async {
    await withCheckedContinuation { next in
      waiting.withLock { if $0.bytes > Self.bytesMax { $0.next = next } else { next.resume() } }
    }
  }

  private func release(_ bytes: Int) {
    waiting.withLock { waiting in
      waiting.bytes -= bytes
      guard waiting.bytes <= Self.bytesMax else { return }
      waiting.next?.resume()
      waiting.next = nil
    }
  }

  /// Nothing more comes.
  func close() { parts.close() }

  /// Returns when the line is closed, and everything in it durable and applied.
  func run() async throws {
    var last = Position.origin
    while let next = await parts.takeAll() {
      do {
        let before = last
        if let end = try await commit(next) { last = end }
        release(next.reduce(0) { $0 + $1.taken.entryBytes })
        // At most two commits ahead of what is applied.
        let wait = metrics.wait(.applyLag, instance: route.key)
        defer { wait.end() }
        try await tenant.reached(before)
      } catch {
        // A worker that waits for credit would not tell us: whose operation is under way must end.
        parts.close()
        for case let mailbox? in (next + (await parts.takeAll() ?? [])).map(\.mailbox) {
          mailbox.close()
          workers.abandon(mailbox)
        }
        release(Int.max / 2)
        try? await tenant.reached(last)
        throw error
      }
    }
    try await tenant.reached(last)
  }

  /// - Returns: The position of the last entry.
  private func commit(_ parts: [Part]) async throws -> Position? {
    let entries = parts.flatMap(\.taken.entries)
    let wait = metrics.wait(.storageSlow, instance: route.key)
    defer { wait.end() }
    let last = entries.isEmpty ? nil : try await tenant.append(entries).last
    // Invariant 3: credit and `durable` are given only after the entries are.
    for part in parts { if let mailbox = part.mailbox { workers.complete(route, mailbox, part.taken) } }
    return last
  }
}
