extension Cedar.PolicySet {
  /// Looks up every name of the policies in a schema.
  ///
  /// Narrower than Cedar's own validator: entity types, enumerated ids, actions and attributes are looked up; an
  /// attribute is found wrong only when no request that the policy's head admits can have it. Types of operands and
  /// optional attributes used without `has` are not judged: those err when evaluated, and are reported then.
  package func validate(against schema: Cedar.Schema) -> [PolicyFinding] {
    statements.flatMap { Cedar.Validator(schema: schema, statement: $0).findings() }
  }
}

extension Cedar {
  /// One kind of request that a statement can be asked about.
  struct Environment: Hashable {
    let action: EntityUID
    let principal: Text
    let resource: Text
  }

  struct Validator {
    let schema: Schema
    let statement: Statement

    func findings() -> [PolicyFinding] {
      var names = NameCollector()
      names.collect(statement)
      var findings: [PolicyFinding] = []
      let (position, policy) = (statement.position, statement.id)
      for type in names.types.sorted() where schema.entities[type] == nil {
        findings.append(.unknownEntityType(position, policy: policy, name: type.string))
      }
      for uid in names.entities.sorted() {
        if uid.type.string == "Action" || uid.type.string.hasSuffix("::Action") {
          if schema.actions[uid] == nil {
            findings.append(.unknownAction(position, policy: policy, name: uid.description))
          }
        } else if let type = schema.entities[uid.type] {
          if let ids = type.ids, !ids.contains(uid.id) {
            findings.append(.unknownEntityID(position, policy: policy, entity: uid.description))
          }
        } else {
          findings.append(.unknownEntityType(position, policy: policy, name: uid.type.string))
        }
      }
      // With an unknown name, what the head admits cannot be said.
      guard findings.isEmpty else { return Array(Set(findings)).sorted { $0.message < $1.message } }
      let environments = environments()
      guard !environments.isEmpty else { return [.neverApplies(position, policy: policy)] }
      var missing: Set<Missing>?
      for environment in environments {
        var inference = Inference(schema: schema, environment: environment)
        for condition in statement.conditions { _ = inference.type(of: condition) }
        missing = missing?.intersection(inference.missing) ?? inference.missing
        if missing == [] { return [] }
      }
      return (missing ?? []).sorted { ($0.owner, $0.name) < ($1.owner, $1.name) }
        .map { .unknownAttribute(position, policy: policy, owner: $0.owner, name: $0.name.string) }
    }

    private func environments() -> [Environment] {
      var found: [Environment] = []
      for (uid, action) in schema.actions where admits(uid) {
        for principal in action.principals where admits(statement.principal, principal) {
          for resource in action.resources where admits(statement.resource, resource) {
            found.append(Environment(action: uid, principal: principal, resource: resource))
          }
        }
      }
      return found
    }

    private func admits(_ uid: EntityUID) -> Bool {
      switch statement.action {
      case .any: true
      case .equal(let wanted): uid == wanted
      case .within(let groups): groups.contains { isMember(uid, of: $0, seen: []) }
      }
    }

    private func isMember(_ uid: EntityUID, of group: EntityUID, seen: Set<EntityUID>) -> Bool {
      guard uid != group else { return true }
      guard !seen.contains(uid) else { return false }
      return (schema.actions[uid]?.parents ?? []).contains { isMember($0, of: group, seen: seen.union([uid])) }
    }

    private func admits(_ constraint: ScopeConstraint, _ type: Text) -> Bool {
      switch constraint {
      case .any: true
      case .equal(let uid): uid.type == type
      case .within(let group): canBelong(type, to: group.type, seen: [])
      case .isType(let wanted, in: let group):
        wanted == type && group.map { canBelong(type, to: $0.type, seen: []) } ?? true
      }
    }

    private func canBelong(_ type: Text, to group: Text, seen: Set<Text>) -> Bool {
      guard type != group else { return true }
      guard !seen.contains(type) else { return false }
      return (schema.entities[type]?.parents ?? []).contains { canBelong($0, to: group, seen: seen.union([type])) }
    }
  }

  struct Missing: Hashable {
    /// As an operator reads it: `context`, `an entity of type Account`, `a record`.
    let owner: String
    let name: Text
  }

  /// Follows types through an expression as far as the schema gives them.
  struct Inference {
    let schema: Schema
    let environment: Environment
    var missing: Set<Missing> = []

    init(schema: Schema, environment: Environment) {
      self.schema = schema
      self.environment = environment
    }

    /// - Returns: nil when it is not known; then nothing is said about what follows.
    mutating func type(of expression: Expression) -> SchemaType? {
      switch expression {
      case .literal(let value):
        if case .entity(let uid) = value { return .entity(uid.type) }
        return nil
      case .variable(.principal): return .entity(environment.principal)
      case .variable(.action): return .entity(environment.action.type)
      case .variable(.resource): return .entity(environment.resource)
      case .variable(.context): return schema.actions[environment.action].map { .record($0.context) }
      case .conditional(let condition, let then, let otherwise):
        _ = type(of: condition)
        let (first, second) = (type(of: then), type(of: otherwise))
        return first == second ? first : nil
      case .access(let base, let accessors):
        var owner = "a record"
        if case .variable(.context) = base { owner = "the context" }
        var type = type(of: base)
        for accessor in accessors {
          type = self.type(of: accessor, on: type, owner)
          owner = "a record"
        }
        return type
      case .has(let operand, let path):
        var owner = "a record"
        if case .variable(.context) = operand { owner = "the context" }
        var type = type(of: operand)
        for name in path {
          type = attribute(name, of: type, owner)
          owner = "a record"
        }
        return .bool
      case .set(let items):
        let types = Set(items.map { type(of: $0) })
        return types.count == 1 ? types.first!.map { .set($0) } : nil
      case .all, .any, .not, .negate, .compare, .isType, .like, .arithmetic, .record, .call:
        for part in expression.parts { _ = type(of: part) }
        return nil
      }
    }

    private mutating func type(of accessor: Accessor, on base: SchemaType?, _ owner: String) -> SchemaType? {
      switch accessor {
      case .attribute(let name): return attribute(name, of: base, owner)
      case .method(let method, let arguments):
        for argument in arguments { _ = type(of: argument) }
        guard method == .getTag, case .entity(let type)? = base else { return nil }
        return schema.entities[type]?.tags
      case .call(_, let arguments):
        for argument in arguments { _ = type(of: argument) }
        return nil
      }
    }

    private mutating func attribute(_ name: Text, of base: SchemaType?, _ owner: String) -> SchemaType? {
      switch base {
      case .entity(let type):
        guard let entity = schema.entities[type] else { return nil }
        if let attribute = entity.attributes[name] { return attribute.type }
        missing.insert(Missing(owner: "an entity", name: name))
        return nil
      case .record(let members):
        if let attribute = members[name] { return attribute.type }
        missing.insert(Missing(owner: owner, name: name))
        return nil
      default: return nil
      }
    }
  }

  /// The entity types and entities that a statement names.
  struct NameCollector {
    var types: Set<Text> = []
    var entities: Set<EntityUID> = []

    mutating func collect(_ statement: Statement) {
      collect(statement.principal)
      collect(statement.resource)
      switch statement.action {
      case .any: break
      case .equal(let uid): entities.insert(uid)
      case .within(let uids): entities.formUnion(uids)
      }
      for condition in statement.conditions { collect(condition) }
    }

    private mutating func collect(_ constraint: ScopeConstraint) {
      switch constraint {
      case .any: break
      case .equal(let uid), .within(let uid): entities.insert(uid)
      case .isType(let type, in: let group):
        types.insert(type)
        if let group { entities.insert(group) }
      }
    }

    private mutating func collect(_ expression: Expression) {
      if case .literal(.entity(let uid)) = expression { entities.insert(uid) }
      if case .isType(_, let type, _) = expression { types.insert(type) }
      for part in expression.parts { collect(part) }
    }
  }
}

extension Cedar.Expression {
  /// The expressions directly inside this one.
  var parts: [Cedar.Expression] {
    switch self {
    case .literal, .variable: []
    case .conditional(let condition, let then, let otherwise): [condition, then, otherwise]
    case .all(let parts), .any(let parts), .set(let parts), .call(_, let parts): parts
    case .not(let operand), .negate(let operand), .has(let operand, _), .like(let operand, _): [operand]
    case .compare(_, let left, let right): [left, right]
    case .isType(let operand, _, let group): [operand] + (group.map { [$0] } ?? [])
    case .arithmetic(let first, let rest): [first] + rest.map(\.1)
    case .record(let members): members.map(\.1)
    case .access(let base, let accessors):
      [base]
        + accessors.flatMap { accessor -> [Cedar.Expression] in
          switch accessor {
          case .attribute: []
          case .method(_, let arguments), .call(_, let arguments): arguments
          }
        }
    }
  }
}
