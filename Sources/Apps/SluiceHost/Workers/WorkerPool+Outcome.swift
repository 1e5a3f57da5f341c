import ConnectorFabric
import Domain
import PluginHost
import WholeLoop

extension WorkerPool {
  /// How one operation ended, and what was seen of it.
  struct Outcome: Sendable {
    let result: Result<OperationResult, WorkerFailure>
    let sentWrites: [SentWrite]
    let refusals: [RequestRules.Refusal]
    /// Why a request had no usable credential; whatever the plugin makes of it.
    let credentialFault: String?
    /// What its upstream did to it: no answer, or one of trouble. Nil when it did nothing of the kind.
    var upstreamTrouble: String?
    /// Whether the host held it back when it ended.
    var wasHeldBack = false
    var name: String {
      switch result {
      case .success(let result): "\(result.status)"
      case .failure(let failure): failure.code
      }
    }
  }
}

extension WorkerPool.Outcome {
  /// That the upstream, or its token endpoint, refuses the credential, or that there is none to be used; nil when the
  /// operation went well or failed for something else.
  var credentialRefusal: String? {
    if case .success(let result) = result, result.status == .ok, result.outcome < 2 { return nil }
    if let credentialFault { return "Its credential cannot be used: \(credentialFault)" }
    if case .success(let result) = result, result.status == .auth {
      return "The upstream refused the credential: \(result.reason)"
    }
    // With an access token it was sent for a second time by then, with a new one.
    return sentWrites.last?.status == 401 ? "The upstream refused the credential: it answered 401 to a write." : nil
  }
}

extension OperationResult {
  var reason: String { message.isEmpty ? "The plugin gave no reason." : message }
}
