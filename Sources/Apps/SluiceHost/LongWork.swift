import SQLiteStorage

/// What takes long, one piece after the other on a thread of its own: replays and snapshots. The host's actor, which gives signs
/// of life and takes orders, and the shared threads stay free.
actor LongWork {
  private nonisolated let executor = BlockingExecutor(label: "sluice.long-work")
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  func run<Result: Sendable>(_ body: @Sendable (isolated LongWork) async throws -> Result) async rethrows -> Result {
    try await body(self)
  }
}
