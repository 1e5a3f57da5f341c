import ConnectorFabric
import Domain

/// Why a connector that is known here cannot be asked for something now.
enum ConnectorRefusal: OperatorError, Equatable {
  case disabled(InstanceID)
  case nobodyRuns(InstanceID, path: String)
  case notStarted(InstanceID, reason: String)
  case rests(InstanceID, state: String)
  case nothingToPull(InstanceID)

  var code: String {
    switch self {
    case .disabled: "connector.disabled"
    case .nobodyRuns: "connector.no_host"
    case .notStarted: "connector.not_started"
    case .rests: "connector.rests"
    case .nothingToPull: "connector.nothing_to_pull"
    }
  }
  var message: String {
    switch self {
    case .disabled(let instance): "\(instance) is disabled. Nothing was changed."
    case .nobodyRuns(let instance, let path):
      "No host runs on \(path), and without one \(instance) does nothing. Nothing was changed."
    case .notStarted(let instance, let reason): "\(instance) does not run: \(reason). Nothing was changed."
    case .rests(let instance, let state): "\(instance) starts nothing: it is \(state)."
    case .nothingToPull(let instance): "\(instance) is an executor: it pulls nothing."
    }
  }
  var remedy: String {
    switch self {
    case .disabled: "Enable it: `sluice connector enable NAME --as INSTANCE`."
    case .nobodyRuns(_, let path): "Start one: `sluice up --data-dir \(path)`."
    case .notStarted: "Look at it with `sluice connector list`, and ask again."
    case .rests(let instance, _): "`sluice connector resume \(instance)` lets it go on, and pulls at once."
    case .nothingToPull: "Name a source: `sluice connector list`."
    }
  }
}

extension ConnectorInstance {
  /// - Throws: `ConnectorRefusal` where a pull that is asked for would not come.
  func checkMayPull() throws {
    let name = route.instance
    guard route.manifest.kind == .source else { throw ConnectorRefusal.nothingToPull(name) }
    func rests(_ state: State) -> ConnectorRefusal {
      // A reason may be a sentence, and what says it is one, too.
      let words = state.inWords
      return .rests(name, state: words.hasSuffix(".") ? String(words.dropLast()) : words)
    }
    if let pausedFor { throw rests(.paused(reason: pausedFor)) }
    if case .parked = state { throw rests(state) }
  }
}
