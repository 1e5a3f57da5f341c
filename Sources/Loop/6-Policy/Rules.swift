import CanonicalJSON
package import Domain

/// What is in force for a tenant: policies with their numbers, and the ceiling.
package struct Rules: Sendable {
  package let document: PolicyDocument
  package let mode: TenantMode

  /// `document` → the document of the last accepted activation; `mode` → the mode.
  static let space = Space("policy.rules")

  package static func inForce(_ view: any StateView) throws -> Rules {
    Rules(
      document: try view.value(space, "document").map { json throws in try PolicyDocument(json, validates: false) }
        ?? .none,
      mode: try mode(view))
  }

  package static func mode(_ view: any StateView) throws -> TenantMode {
    try view.value(space, "mode")?.string.flatMap(TenantMode.init) ?? .propose
  }
  /// The numbers alone, without reading the policies.
  package static func governance(_ view: any StateView) throws -> Governance {
    guard let json = try view.value(space, "document")?["governance"] else { return Governance() }
    return try Governance(SourceDocument(name: "governance.yaml", value: json, marks: [:]))
  }
}

/// Why an activation or an order was not followed; what was in force stays in force.
package enum RulesRefusal: OperatorError, Equatable {
  case documentRefused(reason: String)
  case hashMismatch(claimed: Digest, computed: Digest)
  case modeUnknown(found: String)
  case killTargetInvalid(target: String)

  package var code: String {
    switch self {
    case .documentRefused: "policy.document_refused"
    case .hashMismatch: "policy.hash_mismatch"
    case .modeUnknown: "policy.mode_unknown"
    case .killTargetInvalid: "policy.kill_target_invalid"
    }
  }
  package var message: String {
    switch self {
    case .documentRefused(let reason): "The policies were not activated: \(reason)"
    case .hashMismatch(let claimed, let computed):
      "The policies were announced as \(claimed.hex.prefix(12)) but are \(computed.hex.prefix(12))."
    case .modeUnknown(let found): "\"\(found.prefix(40))\" is no mode of a tenant."
    case .killTargetInvalid(let target): "\"\(target.prefix(80))\" names nothing that can be stopped."
    }
  }
  package var remedy: String {
    switch self {
    case .documentRefused: "Run `sluice policy check`, correct the file it names, and activate again."
    case .hashMismatch: "Activate again; the set in force stays in force."
    case .modeUnknown: "Allowed: observe, propose, act."
    case .killTargetInvalid: "Allowed: all, tool:NAME, playbook:NAME, account:NAME, owner:NAME."
    }
  }
}
