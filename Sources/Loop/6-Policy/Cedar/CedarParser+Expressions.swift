extension Cedar.Parser {
  private typealias Expression = Cedar.Expression

  mutating func expression() throws(PolicyError) -> Cedar.Expression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthMax else { throw .tooDeep(position, limit: Self.depthMax) }
    if accept(word: "if") {
      let condition = try expression()
      try expect(word: "then")
      let then = try expression()
      try expect(word: "else")
      return .conditional(condition, then: then, else: try expression())
    }
    let first = try conjunction()
    guard token == .symbol("||") else { return first }
    var parts = [first]
    while accept("||") { parts.append(try conjunction()) }
    return .any(parts)
  }

  private mutating func conjunction() throws(PolicyError) -> Expression {
    let first = try relation()
    guard token == .symbol("&&") else { return first }
    var parts = [first]
    while accept("&&") { parts.append(try relation()) }
    return .all(parts)
  }

  private mutating func relation() throws(PolicyError) -> Expression {
    let left = try sum()
    if accept(word: "has") { return .has(left, try attributePath()) }
    if accept(word: "like") {
      guard case .string(let raw) = token else { throw unexpected("a pattern in quotation marks") }
      let elements = try Cedar.unescape(raw, inPattern: true, at: position)
      advance()
      return .like(left, Cedar.Pattern(elements: elements))
    }
    if accept(word: "is") {
      let type = Cedar.Text(try path("an entity type"))
      return .isType(left, type, in: accept(word: "in") ? try sum() : nil)
    }
    guard let comparison = acceptComparison() else {
      if token == .symbol("=") { throw unexpected("`==`") }
      return left
    }
    let right = try sum()
    let place = position
    if acceptComparison() != nil {
      throw .syntax(place, found: "a second comparison", expected: "parentheses around one of them")
    }
    return .compare(comparison, left, right)
  }

  private mutating func acceptComparison() -> Cedar.Comparison? {
    switch token {
    case .symbol(let symbol):
      guard let comparison = Cedar.Comparison(rawValue: symbol) else { return nil }
      advance()
      return comparison
    case .identifier("in"):
      advance()
      return .in
    default: return nil
    }
  }

  /// `has a`, `has "a b"`, `has a.b.c`.
  private mutating func attributePath() throws(PolicyError) -> [Cedar.Text] {
    if case .string = token { return [try key()] }
    var path = [Cedar.Text(try name("an attribute's name"))]
    while accept(".") { path.append(Cedar.Text(try name("an attribute's name"))) }
    return path
  }

  private mutating func sum() throws(PolicyError) -> Expression {
    let first = try product()
    var rest: [(Cedar.Arithmetic, Expression)] = []
    while true {
      if accept("+") {
        rest.append((.add, try product()))
      } else if accept("-") {
        rest.append((.subtract, try product()))
      } else {
        return rest.isEmpty ? first : .arithmetic(first, rest)
      }
    }
  }

  private mutating func product() throws(PolicyError) -> Expression {
    let first = try unary()
    var rest: [(Cedar.Arithmetic, Expression)] = []
    while accept("*") { rest.append((.multiply, try unary())) }
    if case .symbol(let symbol) = token, ["/", "%"].contains(symbol) {
      throw .unsupported(position, construct: "the operator `\(symbol)`")
    }
    return rest.isEmpty ? first : .arithmetic(first, rest)
  }

  private mutating func unary() throws(PolicyError) -> Expression {
    let place = position
    var count = 0
    guard case .symbol(let sign) = token, sign == "!" || sign == "-" else { return try member() }
    while accept(sign) { count += 1 }
    guard count <= 4 else {
      throw .syntax(place, found: "\(count) of `\(sign)`", expected: "at most 4 in a row")
    }
    var operand: Expression
    if sign == "-", case .integer(let digits) = token, !continuesAfterPrimary(peek()) {
      // The last minus belongs to the literal, so that the least integer can be written.
      guard let value = Int64("-\(digits)") else { throw .integerOutOfRange(place, literal: "-\(digits)") }
      advance()
      operand = .literal(.long(value))
      count -= 1
    } else {
      operand = try member()
    }
    for _ in 0..<count { operand = sign == "!" ? .not(operand) : .negate(operand) }
    return operand
  }

  private func continuesAfterPrimary(_ token: Cedar.Token) -> Bool { token == .symbol(".") || token == .symbol("[") }

  private mutating func member() throws(PolicyError) -> Expression {
    let base = try primary()
    var accessors: [Cedar.Accessor] = []
    while true {
      if accept(".") {
        let place = position
        let name = try name("an attribute or method")
        guard accept("(") else {
          accessors.append(.attribute(Cedar.Text(name)))
          continue
        }
        accessors.append(try method(name, at: place))
      } else if accept("[") {
        accessors.append(.attribute(Cedar.Text(try string("an attribute's name in quotation marks"))))
        try expect("]")
      } else {
        return accessors.isEmpty ? base : .access(base, accessors)
      }
    }
  }

  private mutating func arguments() throws(PolicyError) -> [Expression] {
    try list(until: ")") { (parser) throws(PolicyError) in try parser.expression() }
  }

  private mutating func method(_ name: String, at place: SourcePosition) throws(PolicyError) -> Cedar.Accessor {
    let arguments = try arguments()
    if let method = Cedar.Method(rawValue: name) {
      guard arguments.count == method.argumentCount else {
        throw .wrongArgumentCount(place, function: name, expected: method.argumentCount, found: arguments.count)
      }
      return .method(method, arguments)
    }
    guard let function = Cedar.ExtensionFunction(rawValue: name), !function.isConstructor else {
      throw .unknownFunction(place, name: name)
    }
    return .call(function, arguments)
  }

  private mutating func primary() throws(PolicyError) -> Expression {
    let place = position
    switch token {
    case .integer(let digits):
      guard let value = Int64(digits) else { throw .integerOutOfRange(place, literal: digits) }
      advance()
      return .literal(.long(value))
    case .string: return .literal(.string(Cedar.Text(try string("a string"))))
    case .symbol("("):
      advance()
      let inner = try expression()
      try expect(")")
      return inner
    case .symbol("["):
      advance()
      return .set(try list(until: "]") { (parser) throws(PolicyError) in try parser.expression() })
    case .symbol("{"):
      advance()
      return try record()
    case .symbol("?"): throw slot()
    case .identifier(let word): return try named(word, at: place)
    default: throw unexpected("an expression")
    }
  }

  private mutating func record() throws(PolicyError) -> Expression {
    var seen: Set<Cedar.Text> = []
    return .record(
      try list(until: "}") { (parser) throws(PolicyError) in
        let place = parser.position
        let key = try parser.key()
        guard seen.insert(key).inserted else { throw .nameTwice(place, what: "key", name: key.string) }
        try parser.expect(":")
        return (key, try parser.expression())
      })
  }

  /// A word begins a literal, a variable, an entity or a function call.
  private mutating func named(_ word: String, at place: SourcePosition) throws(PolicyError) -> Expression {
    if accept(word: "true") { return .literal(.bool(true)) }
    if accept(word: "false") { return .literal(.bool(false)) }
    if let variable = Cedar.Variable(rawValue: word), peek() != .symbol("::"), peek() != .symbol("(") {
      advance()
      return .variable(variable)
    }
    let path = try path("an expression")
    if accept("::") {
      if token == .symbol("{") { throw .unsupported(place, construct: "an entity written with a record") }
      return .literal(.entity(Cedar.EntityUID(type: path, id: try string("an entity's id"))))
    }
    guard accept("(") else {
      throw .syntax(
        place, found: "`\(path)`", expected: "an expression (a name alone is neither a variable nor an entity)")
    }
    guard let function = Cedar.ExtensionFunction(rawValue: path), function.isConstructor else {
      throw .unknownFunction(place, name: path)
    }
    return .call(function, try arguments())
  }
}
