import SQLiteStorage

/// What takes long, one piece after the other on a thread of its own: replays and snapshots; and an erasure or a restore, each
/// on one that is nobody else's. The host's actor, which gives signs of life and takes orders, and the shared threads, one for
/// each processor, stay free.
///
/// Not by a preference of the task: with one, a task that goes from actor to actor is now and then never woken (Swift 6.3.1).
actor LongWork {
  private nonisolated let executor = BlockingExecutor(label: "sluice.long-work")
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  func run<Result: Sendable>(_ body: @Sendable (isolated LongWork) async throws -> Result) async rethrows -> Result {
    try await body(self)
  }
}
