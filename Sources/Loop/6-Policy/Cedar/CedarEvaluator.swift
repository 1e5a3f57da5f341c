extension Cedar {
  /// Why a statement could not be evaluated.
  enum EvaluationError: Error, Equatable {
    case wrongType(operation: String, expected: String, found: String)
    case overflow(operation: String)
    case entityUnknown(String)
    case attributeMissing(of: String, name: String)
    case tagMissing(of: String, name: String)
    case wrongArgumentCount(function: String, expected: Int, found: Int)
    case malformed(type: String)

    var message: String {
      switch self {
      case .wrongType(let operation, let expected, let found): "`\(operation)` needs \(expected), not \(found)"
      case .overflow(let operation): "`\(operation)` goes beyond 64 bits"
      case .entityUnknown(let uid): "there is no entity \(uid)"
      case .attributeMissing(let owner, let name): "\(owner) has no attribute `\(name)`"
      case .tagMissing(let owner, let name): "\(owner) has no tag \(Cedar.quoted(name))"
      case .wrongArgumentCount(let function, let expected, let found):
        "`\(function)` takes \(expected) argument\(expected == 1 ? "" : "s"), not \(found)"
      case .malformed(let type): "the text given to `\(type)` is not one"
      }
    }
  }

  /// Evaluates expressions for one request. Left to right, and no further than needed: what is not evaluated cannot err.
  struct Evaluator {
    let request: Request
    let entities: Entities

    func isSatisfied(_ statement: Statement) throws(EvaluationError) -> Bool {
      guard matches(statement.principal, request.principal), matches(statement.action),
        matches(statement.resource, request.resource)
      else { return false }
      for condition in statement.conditions {
        guard try bool(condition, "when") else { return false }
      }
      return true
    }

    private func matches(_ constraint: ScopeConstraint, _ uid: EntityUID) -> Bool {
      switch constraint {
      case .any: true
      case .equal(let wanted): uid == wanted
      case .within(let group): entities.isMember(uid, of: group)
      case .isType(let type, in: let group):
        uid.type == type && group.map { entities.isMember(uid, of: $0) } ?? true
      }
    }

    private func matches(_ constraint: ActionConstraint) -> Bool {
      switch constraint {
      case .any: true
      case .equal(let wanted): request.action == wanted
      case .within(let groups): groups.contains { entities.isMember(request.action, of: $0) }
      }
    }

    func value(_ expression: Expression) throws(EvaluationError) -> Value {
      switch expression {
      case .literal(let value): return value
      case .variable(let variable): return value(of: variable)
      case .conditional(let condition, let then, let otherwise):
        return try bool(condition, "if") ? value(then) : value(otherwise)
      case .all(let parts):
        for part in parts { guard try bool(part, "&&") else { return .bool(false) } }
        return .bool(true)
      case .any(let parts):
        for part in parts { if try bool(part, "||") { return .bool(true) } }
        return .bool(false)
      case .not(let operand): return .bool(!(try bool(operand, "!")))
      case .negate(let operand):
        let (result, overflow) = Int64(0).subtractingReportingOverflow(try long(value(operand), "-"))
        guard !overflow else { throw .overflow(operation: "-") }
        return .long(result)
      case .compare(let comparison, let left, let right):
        return .bool(try compare(comparison, value(left), value(right)))
      case .isType(let operand, let type, in: let group):
        let uid = try entity(value(operand), "is")
        guard uid.type == type else { return .bool(false) }
        guard let group else { return .bool(true) }
        return .bool(try isIn(uid, value(group)))
      case .has(let operand, let path): return .bool(try has(value(operand), path))
      case .like(let operand, let pattern):
        return .bool(pattern.matches(try string(value(operand), "like").string))
      case .arithmetic(let first, let rest): return try arithmetic(first, rest)
      case .access(let base, let accessors):
        var value = try value(base)
        for accessor in accessors { value = try access(value, accessor) }
        return value
      case .set(let items):
        var members: Set<Value> = []
        for item in items { members.insert(try value(item)) }
        return .set(members)
      case .record(let members):
        var record: [Text: Value] = [:]
        for (key, member) in members { record[key] = try value(member) }
        return .record(record)
      case .call(let function, let arguments): return try call(function, arguments, on: nil)
      }
    }

    private func value(of variable: Variable) -> Value {
      switch variable {
      case .principal: .entity(request.principal)
      case .action: .entity(request.action)
      case .resource: .entity(request.resource)
      case .context: .record(request.context)
      }
    }

    // MARK: operators

    private func compare(_ comparison: Comparison, _ left: Value, _ right: Value) throws(EvaluationError) -> Bool {
      switch comparison {
      case .equal: left == right
      case .notEqual: left != right
      case .less: try isOrdered(left, right, "<") { $0 < $1 }
      case .lessOrEqual: try isOrdered(left, right, "<=") { $0 <= $1 }
      case .greater: try isOrdered(left, right, ">") { $0 > $1 }
      case .greaterOrEqual: try isOrdered(left, right, ">=") { $0 >= $1 }
      case .in: try isIn(entity(left, "in"), right)
      }
    }

    private func isOrdered(
      _ left: Value, _ right: Value, _ operation: String, _ holds: (Int64, Int64) -> Bool
    ) throws(EvaluationError) -> Bool {
      switch (left, right) {
      case (.long(let a), .long(let b)), (.datetime(let a), .datetime(let b)), (.duration(let a), .duration(let b)):
        return holds(a, b)
      case (.long, _), (.datetime, _), (.duration, _):
        throw .wrongType(operation: operation, expected: left.kind, found: right.kind)
      default:
        throw .wrongType(operation: operation, expected: "a long, datetime or duration", found: left.kind)
      }
    }

    private func isIn(_ uid: EntityUID, _ right: Value) throws(EvaluationError) -> Bool {
      switch right {
      case .entity(let group): return entities.isMember(uid, of: group)
      case .set(let members):
        var found = false
        for member in members {
          // No order among members: all are looked at, so that the outcome is the same each time.
          guard case .entity(let group) = member else {
            throw .wrongType(operation: "in", expected: "a set of entities", found: "a set that holds other values")
          }
          found = found || entities.isMember(uid, of: group)
        }
        return found
      default: throw .wrongType(operation: "in", expected: "an entity or a set of entities", found: right.kind)
      }
    }

    /// `a has b.c` is `a has b && a.b has c`.
    private func has(_ operand: Value, _ path: [Text]) throws(EvaluationError) -> Bool {
      var value = operand
      for (i, name) in path.enumerated() {
        let members: [Text: Value]
        switch value {
        case .record(let record): members = record
        case .entity(let uid): members = entities[uid]?.attributes ?? [:]
        default: throw .wrongType(operation: "has", expected: "a record or an entity", found: value.kind)
        }
        guard let member = members[name] else { return false }
        if i < path.count - 1 { value = member }
      }
      return true
    }

    private func arithmetic(
      _ first: Expression, _ rest: [(Arithmetic, Expression)]
    ) throws(EvaluationError) -> Value {
      var result = try long(value(first), rest[0].0.rawValue)
      for (operation, operand) in rest {
        let right = try long(value(operand), operation.rawValue)
        let (partial, overflow) =
          switch operation {
          case .add: result.addingReportingOverflow(right)
          case .subtract: result.subtractingReportingOverflow(right)
          case .multiply: result.multipliedReportingOverflow(by: right)
          }
        guard !overflow else { throw .overflow(operation: operation.rawValue) }
        result = partial
      }
      return .long(result)
    }

    private func access(_ base: Value, _ accessor: Accessor) throws(EvaluationError) -> Value {
      switch accessor {
      case .attribute(let name): return try attribute(name, of: base)
      case .method(let method, let arguments): return try call(method, on: base, arguments)
      case .call(let function, let arguments): return try call(function, arguments, on: base)
      }
    }

    private func attribute(_ name: Text, of base: Value) throws(EvaluationError) -> Value {
      switch base {
      case .record(let members):
        guard let value = members[name] else { throw .attributeMissing(of: "a record", name: name.string) }
        return value
      case .entity(let uid):
        guard let entity = entities[uid] else { throw .entityUnknown(uid.description) }
        guard let value = entity.attributes[name] else {
          throw .attributeMissing(of: uid.description, name: name.string)
        }
        return value
      default:
        throw .wrongType(operation: ".\(name)", expected: "a record or an entity", found: base.kind)
      }
    }

    private func call(_ method: Method, on base: Value, _ arguments: [Expression]) throws(EvaluationError) -> Value {
      let name = method.rawValue
      switch method {
      case .isEmpty: return .bool(try set(base, name).isEmpty)
      case .contains: return .bool(try set(base, name).contains(value(arguments[0])))
      case .containsAll:
        let own = try set(base, name)
        return .bool(own.isSuperset(of: try set(value(arguments[0]), name)))
      case .containsAny:
        let own = try set(base, name)
        return .bool(!own.isDisjoint(with: try set(value(arguments[0]), name)))
      case .hasTag:
        let uid = try entity(base, name)
        let tag = try string(value(arguments[0]), name)
        return .bool(entities[uid]?.tags[tag] != nil)
      case .getTag:
        let uid = try entity(base, name)
        let tag = try string(value(arguments[0]), name)
        guard let entity = entities[uid] else { throw .entityUnknown(uid.description) }
        guard let value = entity.tags[tag] else { throw .tagMissing(of: uid.description, name: tag.string) }
        return value
      }
    }

    private func call(
      _ function: ExtensionFunction, _ arguments: [Expression], on base: Value?
    ) throws(EvaluationError) -> Value {
      var values = base.map { [$0] } ?? []
      for argument in arguments { values.append(try value(argument)) }
      return try function.apply(values)
    }

    // MARK: types

    private func bool(_ expression: Expression, _ operation: String) throws(EvaluationError) -> Bool {
      let value = try value(expression)
      guard case .bool(let result) = value else {
        throw .wrongType(operation: operation, expected: "a boolean", found: value.kind)
      }
      return result
    }
    private func long(_ value: Value, _ operation: String) throws(EvaluationError) -> Int64 {
      guard case .long(let result) = value else {
        throw .wrongType(operation: operation, expected: "a long", found: value.kind)
      }
      return result
    }
    private func string(_ value: Value, _ operation: String) throws(EvaluationError) -> Text {
      guard case .string(let result) = value else {
        throw .wrongType(operation: operation, expected: "a string", found: value.kind)
      }
      return result
    }
    private func entity(_ value: Value, _ operation: String) throws(EvaluationError) -> EntityUID {
      guard case .entity(let result) = value else {
        throw .wrongType(operation: operation, expected: "an entity", found: value.kind)
      }
      return result
    }
    private func set(_ value: Value, _ operation: String) throws(EvaluationError) -> Set<Value> {
      guard case .set(let result) = value else {
        throw .wrongType(operation: operation, expected: "a set", found: value.kind)
      }
      return result
    }
  }
}
