extension Cedar {
  enum Variable: String, Sendable, Hashable { case principal, action, resource, context }

  enum Comparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case `in` = "in"
  }

  enum Arithmetic: String, Sendable { case add = "+", subtract = "-", multiply = "*" }

  /// Methods of the language itself; their arguments are counted when loading.
  enum Method: String, Sendable {
    case contains, containsAll, containsAny, isEmpty, hasTag, getTag
    var argumentCount: Int { self == .isEmpty ? 0 : 1 }
  }

  /// Functions of [extension types](https://docs.cedarpolicy.com/policies/syntax-datatypes.html#datatype-extension).
  enum ExtensionFunction: String, Sendable {
    case decimal, ip, datetime, duration
    case lessThan, lessThanOrEqual, greaterThan, greaterThanOrEqual
    case isIpv4, isIpv6, isLoopback, isMulticast, isInRange
    case offset, durationSince, toDate, toTime
    case toMilliseconds, toSeconds, toMinutes, toHours, toDays

    /// `ip("…")`; the others are called on a value: `context.ip.isIpv4()`.
    var isConstructor: Bool {
      switch self {
      case .decimal, .ip, .datetime, .duration: true
      default: false
      }
    }
    /// The value it is called on counts.
    var argumentCount: Int {
      switch self {
      case .lessThan, .lessThanOrEqual, .greaterThan, .greaterThanOrEqual, .isInRange, .offset, .durationSince: 2
      default: 1
      }
    }
  }

  enum Accessor: Sendable {
    case attribute(Text)
    case method(Method, [Expression])
    case call(ExtensionFunction, [Expression])
  }

  /// Chains (`a && b && c`, `a + b - c`, `a.b.c`) are lists, so a tree is never deeper than the parser's limit.
  indirect enum Expression: Sendable {
    case literal(Value)
    case variable(Variable)
    case conditional(Expression, then: Expression, else: Expression)
    case all([Expression])
    case any([Expression])
    case not(Expression)
    case negate(Expression)
    case compare(Comparison, Expression, Expression)
    case isType(Expression, Text, in: Expression?)
    case has(Expression, [Text])
    case like(Expression, Pattern)
    case arithmetic(Expression, [(Arithmetic, Expression)])
    case access(Expression, [Accessor])
    case set([Expression])
    case record([(Text, Expression)])
    case call(ExtensionFunction, [Expression])
  }

  /// `like`'s right side: a wildcard is nil, any other element one scalar.
  struct Pattern: Sendable {
    let elements: [Unicode.Scalar?]

    /// Greedy with backtracking to the last wildcard only: linear in most cases, never more than quadratic.
    func matches(_ text: String) -> Bool {
      let scalars = Array(text.unicodeScalars)
      var (i, j) = (0, 0)
      var star: (pattern: Int, text: Int)?
      while i < scalars.count {
        if j < elements.count, let wanted = elements[j], wanted == scalars[i] {
          (i, j) = (i + 1, j + 1)
        } else if j < elements.count, elements[j] == nil {
          star = (j, i)
          j += 1
        } else if let last = star {
          star = (last.pattern, last.text + 1)
          (i, j) = (last.text + 1, last.pattern + 1)
        } else {
          return false
        }
      }
      return elements[j...].allSatisfy { $0 == nil }
    }
  }

  package enum Effect: String, Sendable, Hashable { case permit, forbid }

  /// What a policy's head says of principal or resource.
  enum ScopeConstraint: Sendable {
    case any
    case equal(EntityUID)
    case within(EntityUID)
    case isType(Text, in: EntityUID?)
  }

  enum ActionConstraint: Sendable {
    case any
    case equal(EntityUID)
    case within([EntityUID])
  }

  /// One statement.
  package struct Statement: Sendable {
    package let id: String
    package let effect: Effect
    package let annotations: [String: String]
    package let position: SourcePosition
    let principal: ScopeConstraint
    let action: ActionConstraint
    let resource: ScopeConstraint
    /// `unless { e }` stands here as `!e`.
    let conditions: [Expression]
  }
}
