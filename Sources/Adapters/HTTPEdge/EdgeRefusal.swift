import Domain

/// Why the API does not pass a request on.
enum EdgeRefusal: OperatorError, Equatable {
  case notIdentified, unknown, notByGet, notJSON, failed

  var code: String {
    switch self {
    case .notIdentified: "api.not_identified"
    case .unknown: "api.unknown"
    case .notByGet: "api.not_by_get"
    case .notJSON: "api.not_json"
    case .failed: "api.failed"
    }
  }
  var message: String {
    switch self {
    case .notIdentified: "Nobody is named by this request."
    case .unknown: "There is no such path."
    case .notByGet: "This command may change something, and GET must not."
    case .notJSON: "The body is not JSON, or does not say so."
    case .failed: "The command failed in a way nobody has named."
    }
  }
  var remedy: String {
    switch self {
    case .notIdentified: "Give an API token: `Authorization: Bearer TOKEN`."
    case .unknown: "Ask `POST /api/v1/COMMAND`; `sluice --help` lists the commands."
    case .notByGet: "POST it."
    case .notJSON: "Send JSON with `Content-Type: application/json`."
    case .failed: "Look into the host's log and report it."
    }
  }
}
