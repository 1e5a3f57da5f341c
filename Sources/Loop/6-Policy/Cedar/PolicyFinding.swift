import Domain

/// What a schema finds wrong with a policy that parses: names that nothing can have. Such a policy would be in force and
/// silently never mean what was written.
package enum PolicyFinding: OperatorError, Hashable {
  case unknownEntityType(SourcePosition, policy: String, name: String)
  case unknownEntityID(SourcePosition, policy: String, entity: String)
  case unknownAction(SourcePosition, policy: String, name: String)
  case unknownAttribute(SourcePosition, policy: String, owner: String, name: String)
  case neverApplies(SourcePosition, policy: String)

  package var code: String {
    switch self {
    case .unknownEntityType: "policy.unknown_entity_type"
    case .unknownEntityID: "policy.unknown_entity_id"
    case .unknownAction: "policy.unknown_action"
    case .unknownAttribute: "policy.unknown_attribute"
    case .neverApplies: "policy.never_applies"
    }
  }
  package var message: String {
    switch self {
    case .unknownEntityType(let at, let policy, let name):
      "\(at): policy \(policy) names no entity type with `\(name)`."
    case .unknownEntityID(let at, let policy, let entity):
      "\(at): policy \(policy) names \(entity), which is none of its type's ids."
    case .unknownAction(let at, let policy, let name): "\(at): policy \(policy) names no action with \(name)."
    case .unknownAttribute(let at, let policy, let owner, let name):
      "\(at): policy \(policy) asks \(owner) for `\(name)`, which it never has."
    case .neverApplies(let at, let policy):
      "\(at): policy \(policy) fits no action's principals and resources, so it never applies."
    }
  }
  package var remedy: String { "Correct the name, or add it to the schema." }
}
