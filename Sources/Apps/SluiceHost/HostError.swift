package import Domain

/// Why a host refuses a name.
package enum HostError: OperatorError, Equatable {
  case exists(String)
  /// - Parameter list: The command that lists what there is.
  case unknown(String, list: String)
  case erased(TenantID)

  package var code: String {
    switch self {
    case .exists: "host.exists"
    case .unknown: "host.unknown"
    case .erased: "tenant.erased"
    }
  }
  package var message: String {
    switch self {
    case .exists(let what): "\(what) exists already."
    case .erased(let tenant): "The tenant \(tenant) was erased; its name is not used again."
    case .unknown(let what, _): "There is no \(what.hasPrefix("the ") ? String(what.dropFirst(4)) : what) here."
    }
  }
  package var remedy: String {
    switch self {
    case .exists: "Choose another name, or use the one that exists."
    case .erased: "Choose another name."
    case .unknown(_, let list): "List what there is: `sluice \(list)`."
    }
  }
}
