import Domain

/// Why there is no access token.
package enum TokenError: OperatorError, Equatable {
  case refused(instance: String, slot: String, reason: String)
  case unreachable(instance: String, slot: String, reason: String)
  case tooMany(instance: String, slot: String)
  case notKept(instance: String, slot: String)
  case notRead(instance: String, slot: String)

  static func refused(_ need: AccessTokens.Need, _ reason: String) -> TokenError {
    .refused(instance: need.route.instance.rawValue, slot: need.slot, reason: reason)
  }
  static func unreachable(_ need: AccessTokens.Need, _ reason: String) -> TokenError {
    .unreachable(instance: need.route.instance.rawValue, slot: need.slot, reason: reason)
  }
  static func tooMany(_ need: AccessTokens.Need) -> TokenError {
    .tooMany(instance: need.route.instance.rawValue, slot: need.slot)
  }
  static func notKept(_ need: AccessTokens.Need) -> TokenError {
    .notKept(instance: need.route.instance.rawValue, slot: need.slot)
  }
  static func notRead(_ need: AccessTokens.Need) -> TokenError {
    .notRead(instance: need.route.instance.rawValue, slot: need.slot)
  }

  package var code: String {
    switch self {
    case .refused: "token.refused"
    case .unreachable: "token.unreachable"
    case .tooMany: "token.too_many"
    case .notKept: "token.not_kept"
    case .notRead: "token.not_read"
    }
  }
  package var message: String {
    switch self {
    case .refused(let instance, let slot, let reason):
      "The token endpoint refused the client of the slot \"\(slot)\" of \(instance): \(reason)."
    case .unreachable(let instance, let slot, let reason):
      "The token endpoint for the slot \"\(slot)\" of \(instance) gave no token: \(reason)."
    case .tooMany(let instance, let slot):
      "The token endpoint for the slot \"\(slot)\" of \(instance) answered 429: it was asked too often."
    case .notKept(let instance, let slot):
      "The new refresh token of the slot \"\(slot)\" of \(instance) could not be stored, so what came with it is not used."
    case .notRead(let instance, let slot):
      "The refresh token of the slot \"\(slot)\" of \(instance) could not be read."
    }
  }
  package var remedy: String {
    switch self {
    case .refused(let instance, let slot, _):
      "After invalid_grant, which says that the grant has ended, was revoked or was used elsewhere, authorise the client again; else its secret is wrong here. Once it is stored, `sluice secret set \(instance) \(slot) < FILE`, it is tried again; what was corrected at the upstream alone needs `sluice connector resume \(instance)`."
    case .tooMany:
      "It is asked again after its `Retry-After`, or a second; see whether others use the same client."
    case .unreachable: "It is tried again with growing pauses; check the upstream."
    case .notKept, .notRead: "It is tried again; make room on the disk, and check that the data folder can be written."
    }
  }
}
