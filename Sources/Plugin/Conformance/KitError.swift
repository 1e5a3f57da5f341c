import Domain

/// Why the kit cannot check at all.
package enum KitError: OperatorError, Equatable {
  case noUpstream(errno: Int32)
  case unknownCheck(name: String)
  case noManifest(path: String)

  package var code: String {
    switch self {
    case .noUpstream: "kit.no_upstream"
    case .unknownCheck: "kit.unknown_check"
    case .noManifest: "kit.no_manifest"
    }
  }
  package var message: String {
    switch self {
    case .noUpstream(let number): "The kit could not listen on 127.0.0.1 (errno \(number))."
    case .unknownCheck(let name): "There is no check \"\(name)\"."
    case .noManifest(let path): "There is no manifest for \(path)."
    }
  }
  package var remedy: String {
    switch self {
    case .noUpstream: "Allow the kit to open a port of 127.0.0.1; it needs no other network."
    case .unknownCheck: "`sluice plugin check --list` prints them all."
    case .noManifest: "Give the manifest, or the library with its manifest beside it under the same name."
    }
  }
}
