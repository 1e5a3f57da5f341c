import Dispatch
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

/// A thread of its own for one piece of work that waits for disks as long as it lasts: a restore, an erasure. What of such a
/// task has no thread of its own runs on this one; the shared threads, one for each processor, stay everybody's.
final class OwnThread: TaskExecutor {
  private let queue: DispatchQueue
  init(label: String) { queue = DispatchQueue(label: label) }
  func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    queue.async { unowned.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
