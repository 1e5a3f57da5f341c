import Domain

/// A place in a policy or schema, for a person who opens the file.
package struct SourcePosition: Hashable, Sendable, CustomStringConvertible {
  package let source: String
  /// Both count from 1; a column is a Unicode scalar.
  package let line: Int
  package let column: Int

  package init(source: String, line: Int, column: Int) {
    self.source = source
    self.line = line
    self.column = column
  }
  package var description: String { "\(source):\(line):\(column)" }
}

/// Why policies, entities, a schema or a request were refused. A refused set is never evaluated in part.
package enum PolicyError: OperatorError, Equatable {
  case syntax(SourcePosition, found: String, expected: String)
  case unsupported(SourcePosition, construct: String)
  case unknownFunction(SourcePosition, name: String)
  case wrongArgumentCount(SourcePosition, function: String, expected: Int, found: Int)
  case integerOutOfRange(SourcePosition, literal: String)
  case escapeInvalid(SourcePosition, escape: String)
  case nameTwice(SourcePosition, what: String, name: String)
  case tooDeep(SourcePosition, limit: Int)
  case tooLarge(source: String, bytes: Int, limit: Int)
  case policyTwice(id: String)
  case sourceTwice(name: String)
  case jsonMalformed(what: String, reason: String)
  case valueInvalid(path: String, reason: String)
  case entityTwice(String)
  case entityCycle(String)
  case typeUnknown(SourcePosition, name: String)
  case typeCycle(SourcePosition, name: String)

  package var code: String {
    switch self {
    case .syntax: "policy.syntax"
    case .unsupported: "policy.unsupported"
    case .unknownFunction: "policy.unknown_function"
    case .wrongArgumentCount: "policy.wrong_argument_count"
    case .integerOutOfRange: "policy.integer_out_of_range"
    case .escapeInvalid: "policy.escape_invalid"
    case .nameTwice: "policy.name_twice"
    case .tooDeep: "policy.too_deep"
    case .tooLarge: "policy.too_large"
    case .policyTwice: "policy.policy_twice"
    case .sourceTwice: "policy.source_twice"
    case .jsonMalformed: "policy.json_malformed"
    case .valueInvalid: "policy.value_invalid"
    case .entityTwice: "policy.entity_twice"
    case .entityCycle: "policy.entity_cycle"
    case .typeUnknown: "policy.type_unknown"
    case .typeCycle: "policy.type_cycle"
    }
  }

  package var message: String {
    switch self {
    case .syntax(let at, let found, let expected): "\(at): expected \(expected), found \(found)."
    case .unsupported(let at, let construct): "\(at): \(construct) is not supported."
    case .unknownFunction(let at, let name): "\(at): there is no function or method `\(name)`."
    case .wrongArgumentCount(let at, let function, let expected, let found):
      "\(at): `\(function)` takes \(expected) argument\(expected == 1 ? "" : "s"), not \(found)."
    case .integerOutOfRange(let at, let literal): "\(at): \(literal) does not fit 64 bits."
    case .escapeInvalid(let at, let escape): "\(at): `\(escape)` is no escape of a string."
    case .nameTwice(let at, let what, let name): "\(at): the \(what) `\(name)` is given twice."
    case .tooDeep(let at, let limit): "\(at): expressions nest deeper than \(limit) levels."
    case .tooLarge(let source, let bytes, let limit): "\(source) has \(bytes) bytes; the limit is \(limit)."
    case .policyTwice(let id): "Two policies have the id \(Cedar.quoted(id))."
    case .sourceTwice(let name): "Two policy texts have the name \(Cedar.quoted(name))."
    case .jsonMalformed(let what, let reason): "The \(what) is not JSON: \(reason)."
    case .valueInvalid(let path, let reason): "\(path): \(reason)."
    case .entityTwice(let uid): "The entity \(uid) is given twice."
    case .entityCycle(let uid): "The entity \(uid) is its own ancestor."
    case .typeUnknown(let at, let name): "\(at): there is no type `\(name)`."
    case .typeCycle(let at, let name): "\(at): the type `\(name)` is defined by itself."
    }
  }

  package var remedy: String {
    switch self {
    case .jsonMalformed, .valueInvalid, .entityTwice, .entityCycle:
      "This is a fault of whoever supplied the data; nothing was decided."
    case .unsupported, .unknownFunction:
      "Write the condition in another way; docs/guides/cedar.md lists what is understood."
    default: "Correct the text and activate it again; the set in force stays in force."
    }
  }
}
