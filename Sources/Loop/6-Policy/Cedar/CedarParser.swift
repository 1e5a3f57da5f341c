extension Cedar {
  /// Reads statements: [Cedar's grammar](https://docs.cedarpolicy.com/policies/syntax-grammar.html).
  struct Parser {
    /// How deep expressions may nest. At this depth parser and evaluator need less than two mebibytes of stack, even in a
    /// debug build; a thread has eight.
    static let depthMax = 64
    /// Words that are no names.
    static let reserved: Set<String> = [
      "true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar",
    ]

    private let lexer: Lexer
    private var at = 0
    var depth = 0

    init(source: String, text: String) throws(PolicyError) { lexer = try Lexer(source: source, text: text) }

    // MARK: tokens

    var token: Token { lexer.tokens[at].token }
    var position: SourcePosition {
      SourcePosition(source: lexer.source, line: lexer.tokens[at].line, column: lexer.tokens[at].column)
    }
    var isAtEnd: Bool { token == .end }
    func peek(_ distance: Int = 1) -> Token { lexer.tokens[min(at + distance, lexer.tokens.count - 1)].token }
    mutating func advance() { if token != .end { at += 1 } }

    func unexpected(_ expected: String) -> PolicyError {
      .syntax(position, found: token.shown, expected: expected)
    }

    mutating func accept(_ symbol: String) -> Bool {
      guard token == .symbol(symbol) else { return false }
      advance()
      return true
    }
    mutating func expect(_ symbol: String) throws(PolicyError) {
      guard accept(symbol) else { throw unexpected("`\(symbol)`") }
    }
    mutating func accept(word: String) -> Bool {
      guard token == .identifier(word) else { return false }
      advance()
      return true
    }
    mutating func expect(word: String) throws(PolicyError) {
      guard accept(word: word) else { throw unexpected("`\(word)`") }
    }

    mutating func name(_ what: String) throws(PolicyError) -> String {
      guard case .identifier(let name) = token, !Parser.reserved.contains(name) else { throw unexpected(what) }
      advance()
      return name
    }

    mutating func string(_ what: String) throws(PolicyError) -> String {
      guard case .string(let raw) = token else { throw unexpected(what) }
      let scalars = try Cedar.unescape(raw, inPattern: false, at: position)
      advance()
      return String(String.UnicodeScalarView(scalars.compactMap { $0 }))
    }

    /// An attribute's or record key's name: an identifier or a string.
    mutating func key() throws(PolicyError) -> Text {
      if case .string = token { return Text(try string("a name")) }
      return Text(try name("a name or a string"))
    }

    /// `A::B`. Reserved words are refused, `__cedar` too unless the caller reads a schema.
    mutating func path(_ what: String, allowingBuiltIn: Bool = false) throws(PolicyError) -> String {
      var path: String
      if allowingBuiltIn, accept(word: "__cedar") { path = "__cedar" } else { path = try name(what) }
      while token == .symbol("::"), case .identifier = peek() {
        advance()
        path += "::" + (try name(what))
      }
      return path
    }

    /// `A::B::"id"`.
    mutating func entity() throws(PolicyError) -> EntityUID {
      if token == .symbol("?") { throw slot() }
      let type = try path("an entity such as `User::\"ann\"`")
      try expect("::")
      return EntityUID(type: type, id: try string("an entity's id"))
    }

    func slot() -> PolicyError {
      guard case .identifier(let name) = peek() else { return unexpected("an expression") }
      return .unsupported(position, construct: "the template slot `?\(name)`")
    }

    /// `{key: value, …}`-like lists: items between brackets, a comma after the last is allowed (Cedar RFC 71).
    mutating func list<Item>(
      until close: String, _ item: (inout Parser) throws(PolicyError) -> Item
    ) throws(PolicyError) -> [Item] {
      var items: [Item] = []
      while !accept(close) {
        items.append(try item(&self))
        if accept(close) { break }
        guard accept(",") else { throw unexpected("`,` or `\(close)`") }
      }
      return items
    }

    // MARK: statements

    mutating func annotations() throws(PolicyError) -> [String: String] {
      var annotations: [String: String] = [:]
      while token == .symbol("@") {
        let place = position
        advance()
        // Any word may name an annotation, reserved or not.
        guard case .identifier(let name) = token else { throw unexpected("an annotation's name") }
        advance()
        var value = ""
        if accept("(") {
          value = try string("the annotation's value")
          try expect(")")
        }
        guard annotations.updateValue(value, forKey: name) == nil else {
          throw .nameTwice(place, what: "annotation", name: name)
        }
      }
      return annotations
    }

    /// - Parameter identify: Names a statement by its place in the text and its annotations.
    mutating func statements(
      _ identify: (_ index: Int, _ annotations: [String: String]) -> String
    ) throws(PolicyError) -> [Statement] {
      var statements: [Statement] = []
      while !isAtEnd {
        let position = position
        let annotations = try annotations()
        let effect: Effect
        if accept(word: "permit") {
          effect = .permit
        } else if accept(word: "forbid") {
          effect = .forbid
        } else {
          throw unexpected("`permit` or `forbid`")
        }
        try expect("(")
        let principal = try scope("principal")
        try expect(",")
        let action = try actionScope()
        try expect(",")
        let resource = try scope("resource")
        _ = accept(",")
        try expect(")")
        let conditions = try conditions()
        try expect(";")
        statements.append(
          Statement(
            id: identify(statements.count, annotations), effect: effect, annotations: annotations, position: position,
            principal: principal, action: action, resource: resource, conditions: conditions))
      }
      return statements
    }

    private mutating func scope(_ variable: String) throws(PolicyError) -> ScopeConstraint {
      try expect(word: variable)
      if accept("==") { return .equal(try entity()) }
      if accept(word: "in") { return .within(try entity()) }
      guard accept(word: "is") else { return .any }
      let type = Text(try path("an entity type"))
      return .isType(type, in: accept(word: "in") ? try entity() : nil)
    }

    private mutating func actionScope() throws(PolicyError) -> ActionConstraint {
      try expect(word: "action")
      if accept("==") { return .equal(try action()) }
      if token == .identifier("is") { throw .unsupported(position, construct: "`action is`") }
      guard accept(word: "in") else { return .any }
      guard accept("[") else { return .within([try action()]) }
      return .within(try list(until: "]") { (parser) throws(PolicyError) in try parser.action() })
    }

    /// Cedar allows entities of type `Action`, in any namespace, and no other.
    private mutating func action() throws(PolicyError) -> EntityUID {
      let place = position
      let entity = try entity()
      guard entity.type.string == "Action" || entity.type.string.hasSuffix("::Action") else {
        throw .syntax(place, found: "\(entity)", expected: "an entity of type `Action`")
      }
      return entity
    }

    private mutating func conditions() throws(PolicyError) -> [Expression] {
      var conditions: [Expression] = []
      while true {
        let negated = token == .identifier("unless")
        guard negated || token == .identifier("when") else { return conditions }
        advance()
        try expect("{")
        if token == .symbol("}") { throw unexpected("a condition") }
        let condition = try expression()
        try expect("}")
        conditions.append(negated ? .not(condition) : condition)
      }
    }
  }
}
