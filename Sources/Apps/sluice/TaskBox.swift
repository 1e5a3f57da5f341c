import Synchronization

/// A task that is started after its owner was made.
final class TaskBox: Sendable {
  private let task = Mutex<Task<Void, any Error>?>(nil)
  func set(_ new: Task<Void, any Error>) { task.withLock { $0 = new } }
  var value: Task<Void, any Error>? { task.withLock { $0 } }
}
