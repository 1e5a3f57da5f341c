import Domain

/// Why the doors do not pass a request on.
package enum EdgeRefusal: OperatorError, Equatable {
  case notIdentified, unknown, notByGet, notJSON, failed
  case unknownHost, tooLarge, cutOff, tooSlow, busy

  package var code: String {
    switch self {
    case .notIdentified: "api.not_identified"
    case .unknown: "api.unknown"
    case .notByGet: "api.not_by_get"
    case .notJSON: "api.not_json"
    case .failed: "api.failed"
    case .unknownHost: "edge.unknown_host"
    case .tooLarge: "edge.too_large"
    case .cutOff: "edge.cut_off"
    case .tooSlow: "edge.too_slow"
    case .busy: "edge.busy"
    }
  }
  package var message: String {
    switch self {
    case .notIdentified: "Nobody is named by this request."
    case .unknown: "There is no such path."
    case .notByGet: "This command may change something, and GET must not."
    case .notJSON: "The body is not JSON, or does not say so."
    case .failed: "The command failed in a way nobody has named."
    case .unknownHost: "The name under which this was asked (`Host`) is none of this host's."
    case .tooLarge: "The body is larger than 1 MiB."
    case .cutOff: "The body broke off, or is not what its headers say."
    case .tooSlow: "The body did not come within 20 seconds."
    case .busy: "Too much is being read at once. Nothing was done."
    }
  }
  package var remedy: String {
    switch self {
    case .notIdentified: "Give an API token: `Authorization: Bearer TOKEN`."
    case .unknown: "Ask `POST /api/v1/COMMAND`; `sluice --help` lists the commands."
    case .notByGet: "POST it."
    case .notJSON: "Send JSON with `Content-Type: application/json`."
    case .failed: "Look into the host's log and report it."
    case .unknownHost:
      "Ask under the address of `listen`; for another name start the host with `--public-url` or `--host NAME`, or set `public_url` or `host_names` in sluice.yaml."
    case .tooLarge: "Send less at once."
    case .cutOff, .tooSlow: "Nothing was done: send it again, whole."
    case .busy: "Send it again in a few seconds."
    }
  }
  var status: Int {
    switch self {
    case .notIdentified: 401
    case .unknown: 404
    case .notByGet: 405
    case .notJSON, .cutOff: 400
    case .failed: 500
    case .unknownHost: 421
    case .tooLarge: 413
    case .tooSlow: 408
    case .busy: 503
    }
  }
}
