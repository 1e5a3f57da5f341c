import Synchronization

/// The names under which a browser may reach this host; known once the port is bound.
final class HostNames: Sendable {
  private let names = Mutex<Set<String>>([])
  func allow(_ more: [String]) { names.withLock { $0.formUnion(more) } }
  @Sendable func contains(_ name: String) -> Bool { names.withLock { $0.contains(name) } }
}

/// A task that is started after its owner was made.
final class TaskBox: Sendable {
  private let task = Mutex<Task<Void, any Error>?>(nil)
  func set(_ new: Task<Void, any Error>) { task.withLock { $0 = new } }
  var value: Task<Void, any Error>? { task.withLock { $0 } }
}
