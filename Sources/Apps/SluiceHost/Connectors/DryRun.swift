package import Domain

/// How much of a dry run is shown.
struct DryRunExtent {
  static let recordsMost = 100
  var stream: String?
  var recordsMax = 5
  /// Of keys, versions and payloads, stream by stream.
  var bytesMax = 256 << 10
  /// The same of all streams together: somebody is to read it.
  var allBytesMax = 1 << 20
  /// How long one stream after the other is asked.
  var patienceMs: Int64 = 60_000

  /// Why a further stream is not asked; nil when it is.
  func ending(shownBytes: Int, askedForMs: Int64) -> String? {
    if shownBytes >= allBytesMax { return "not asked: enough is shown; ask for this stream alone" }
    if askedForMs >= patienceMs { return "not asked: the others took too long; ask for this stream alone" }
    return nil
  }
}

/// Why nothing was tried.
package enum DryRunError: OperatorError, Equatable {
  case busy(instance: InstanceID)
  case manyAtOnce(most: Int)
  case tooMany(most: Int)
  case rests(instance: InstanceID, state: String)
  case noExecutor(tool: String)
  case givenUp

  package var code: String {
    switch self {
    case .busy: "dry_run.busy"
    case .manyAtOnce: "dry_run.many_at_once"
    case .tooMany: "dry_run.too_many"
    case .rests: "dry_run.rests"
    case .noExecutor: "dry_run.no_executor"
    case .givenUp: "dry_run.given_up"
    }
  }
  package var message: String {
    switch self {
    case .busy(let instance): "\(instance) is being tried by somebody else."
    case .manyAtOnce(let most): "\(most) dry runs of this tenant are under way, as many as may be."
    case .tooMany(let most): "A dry run shows 1 to \(most) records of each stream."
    case .rests(let instance, let state): "\(instance) is asked nothing now: it is \(state)."
    case .noExecutor(let tool): "No executor that runs here has the tool \(tool)."
    case .givenUp: "Whoever was asked was stopped meanwhile."
    }
  }
  package var remedy: String {
    switch self {
    case .busy, .manyAtOnce: "Ask again in a moment."
    case .tooMany(let most): "Give `--records` a number up to \(most)."
    case .rests:
      "See `sluice connector list`; `sluice connector resume` ends a pause or a parking. One that is disabled is tried by `sluice connector enable NAME --dry-run`."
    case .noExecutor: "See `sluice tool list` and `sluice connector list`."
    case .givenUp: "Ask again when the host runs and the tenant is not suspended."
    }
  }
}
