import Dispatch

/// Runs an actor's jobs on a queue of its own, so that a blocking fsync never holds a thread of the shared pool.
package final class BlockingExecutor: SerialExecutor {
  private let queue: DispatchQueue
  package init(label: String) { queue = DispatchQueue(label: label) }
  package func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    queue.async { unowned.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }
}
