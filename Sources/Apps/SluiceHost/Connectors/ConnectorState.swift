extension ConnectorInstance {
  /// What it does now.
  package enum State: Sendable, Equatable {
    case idle
    case running(String)
    case waiting(reason: String)
    case parked(reason: String)
    /// By an operator, until one resumes it.
    case paused(reason: String)
    case stopped

    var inWords: String {
      switch self {
      case .idle: "idle"
      case .running(let what): what
      case .waiting(let reason): "waiting: \(reason)"
      case .parked(let reason): "parked: \(reason)"
      case .paused(let reason): "paused: \(reason)"
      case .stopped: "not running"
      }
    }
  }
}
