extension Cedar.Parser {
  private typealias Declarations = Cedar.SchemaDeclarations

  /// [The grammar of Cedar schemas](https://docs.cedarpolicy.com/schema/human-readable-schema-grammar.html).
  mutating func schema(into declarations: inout Cedar.SchemaDeclarations) throws(PolicyError) {
    while !isAtEnd {
      _ = try annotations()
      if accept(word: "namespace") {
        let namespace = try path("a namespace")
        try expect("{")
        while !accept("}") {
          _ = try annotations()
          try declaration(into: &declarations, namespace)
        }
      } else {
        try declaration(into: &declarations, "")
      }
    }
  }

  private mutating func declaration(
    into declarations: inout Cedar.SchemaDeclarations, _ namespace: String
  ) throws(PolicyError) {
    let place = position
    if accept(word: "entity") {
      let names = try commaSeparated { (parser) throws(PolicyError) in try parser.name("an entity type") }
      let entity = try entityDeclaration()
      for name in names {
        let known = declarations.entities.updateValue(
          .init(namespace: namespace, body: entity), forKey: Declarations.qualified(name, in: namespace))
        guard known == nil else { throw .nameTwice(place, what: "entity type", name: name) }
      }
    } else if accept(word: "action") {
      let names = try commaSeparated { (parser) throws(PolicyError) in try parser.key() }
      let action = try actionDeclaration()
      for name in names {
        let uid = Cedar.EntityUID(type: Declarations.qualified("Action", in: namespace), id: name.string)
        guard declarations.actions.updateValue(.init(namespace: namespace, body: action), forKey: uid) == nil else {
          throw .nameTwice(place, what: "action", name: name.string)
        }
      }
    } else if accept(word: "type") {
      let name = try name("a type's name")
      try expect("=")
      let known = declarations.types.updateValue(
        .init(namespace: namespace, body: try type()), forKey: Declarations.qualified(name, in: namespace))
      guard known == nil else { throw .nameTwice(place, what: "type", name: name) }
    } else {
      throw unexpected("`entity`, `action` or `type`")
    }
    try expect(";")
  }

  private mutating func commaSeparated<Item>(
    _ item: (inout Cedar.Parser) throws(PolicyError) -> Item
  ) throws(PolicyError) -> [Item] {
    var items = [try item(&self)]
    while accept(",") { items.append(try item(&self)) }
    return items
  }

  private mutating func entityDeclaration() throws(PolicyError) -> Cedar.SchemaDeclarations.EntityText {
    var entity = Declarations.EntityText()
    if accept(word: "enum") {
      try expect("[")
      entity.ids = Set(
        try list(until: "]") { (parser) throws(PolicyError) in Cedar.Text(try parser.string("an entity's id")) })
      return entity
    }
    if accept(word: "in") { entity.parents = try entityTypes() }
    if accept("=") || token == .symbol("{") {
      guard token == .symbol("{") else { throw unexpected("`{`") }
      entity.attributes = try type()
    }
    if accept(word: "tags") { entity.tags = try type() }
    return entity
  }

  /// One name, or several in brackets.
  private mutating func entityTypes() throws(PolicyError) -> [(String, SourcePosition)] {
    if accept("[") {
      return try list(until: "]") { (parser) throws(PolicyError) in
        let place = parser.position
        return (try parser.path("an entity type"), place)
      }
    }
    let place = position
    return [(try path("an entity type"), place)]
  }

  private mutating func actionDeclaration() throws(PolicyError) -> Cedar.SchemaDeclarations.ActionText {
    var action = Declarations.ActionText()
    if accept(word: "in") {
      if accept("[") {
        action.parents = try list(until: "]") { (parser) throws(PolicyError) in try parser.group() }
      } else {
        action.parents = [try group()]
      }
    }
    if accept(word: "appliesTo") {
      try expect("{")
      _ = try list(until: "}") { (parser) throws(PolicyError) in
        if parser.accept(word: "principal") {
          try parser.expect(":")
          action.principals = try parser.entityTypes()
        } else if parser.accept(word: "resource") {
          try parser.expect(":")
          action.resources = try parser.entityTypes()
        } else {
          try parser.expect(word: "context")
          try parser.expect(":")
          action.context = try parser.type()
        }
      }
    }
    if token == .identifier("attributes") { throw .unsupported(position, construct: "an action's `attributes`") }
    return action
  }

  /// An action's group: `"read"`, `read`, or `NS::Action::"read"`.
  private mutating func group() throws(PolicyError) -> (Cedar.EntityUID, SourcePosition) {
    let place = position
    if case .string = token { return (Cedar.EntityUID(type: "Action", id: try string("an action")), place) }
    let name = try path("an action")
    guard accept("::") else { return (Cedar.EntityUID(type: "Action", id: name), place) }
    return (Cedar.EntityUID(type: name, id: try string("an action's id")), place)
  }

  private mutating func type() throws(PolicyError) -> Cedar.SchemaDeclarations.TypeText {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthMax else { throw .tooDeep(position, limit: Self.depthMax) }
    let place = position
    if accept("{") {
      var members: [Cedar.Text: (Cedar.SchemaDeclarations.TypeText, isRequired: Bool)] = [:]
      _ = try list(until: "}") { (parser) throws(PolicyError) in
        _ = try parser.annotations()
        let place = parser.position
        let key = try parser.key()
        let required = !parser.accept("?")
        try parser.expect(":")
        guard members.updateValue((try parser.type(), required), forKey: key) == nil else {
          throw .nameTwice(place, what: "attribute", name: key.string)
        }
      }
      return .record(members)
    }
    if token == .identifier("Set"), peek() == .symbol("<") {
      advance()
      advance()
      let element = try type()
      try expect(">")
      return .set(element)
    }
    return .named(try path("a type", allowingBuiltIn: true), place)
  }
}
