extension Cedar {
  /// What kinds of entities and actions there are: [Cedar's schema](https://docs.cedarpolicy.com/schema/schema.html).
  package struct Schema: Sendable, Hashable {
    package struct Attribute: Sendable, Hashable {
      package let type: SchemaType
      package let isRequired: Bool
    }
    package struct Entity: Sendable, Hashable {
      package let attributes: [Text: Attribute]
      package let tags: SchemaType?
      /// Types whose entities may be its parents.
      package let parents: Set<Text>
      /// For an enumerated type, the only ids it has.
      package let ids: Set<Text>?
    }
    package struct Action: Sendable, Hashable {
      package let principals: Set<Text>
      package let resources: Set<Text>
      package let context: [Text: Attribute]
      package let parents: Set<EntityUID>
    }

    package let entities: [Text: Entity]
    package let actions: [EntityUID: Action]

    /// - Parameter text: A schema in Cedar's own syntax (`.cedarschema`).
    package init(parsing text: String, name: String = "schema") throws(PolicyError) {
      var parser = try Parser(source: name, text: text)
      var declarations = SchemaDeclarations()
      try parser.schema(into: &declarations)
      self = try declarations.resolved()
    }

    init(entities: [Text: Entity], actions: [EntityUID: Action]) {
      self.entities = entities
      self.actions = actions
    }
  }

  package indirect enum SchemaType: Sendable, Hashable {
    case bool, long, string, decimal, ip, datetime, duration
    case entity(Text)
    case set(SchemaType)
    case record([Text: Schema.Attribute])

    /// Built-in types by the names they have in a schema.
    static let builtIn: [String: SchemaType] = [
      "Bool": .bool, "Long": .long, "String": .string, "decimal": .decimal, "ipaddr": .ip, "datetime": .datetime,
      "duration": .duration,
    ]
  }

  /// A schema as written, before its names are looked up.
  struct SchemaDeclarations {
    indirect enum TypeText {
      case named(String, SourcePosition)
      case set(TypeText)
      case record([Text: (TypeText, isRequired: Bool)])
    }
    struct Scoped<Body> {
      let namespace: String
      let body: Body
    }
    struct EntityText {
      var parents: [(String, SourcePosition)] = []
      var attributes: TypeText?
      var tags: TypeText?
      var ids: Set<Text>?
    }
    struct ActionText {
      var parents: [(EntityUID, SourcePosition)] = []
      var principals: [(String, SourcePosition)] = []
      var resources: [(String, SourcePosition)] = []
      var context: TypeText?
    }

    var types: [String: Scoped<TypeText>] = [:]
    var entities: [String: Scoped<EntityText>] = [:]
    var actions: [EntityUID: Scoped<ActionText>] = [:]

    static func qualified(_ name: String, in namespace: String) -> String {
      namespace.isEmpty ? name : "\(namespace)::\(name)"
    }

    func resolved() throws(PolicyError) -> Schema {
      var resolvedEntities: [Text: Schema.Entity] = [:]
      for (name, scoped) in entities {
        var tags: SchemaType?
        if let text = scoped.body.tags { tags = try type(text, scoped.namespace, []) }
        resolvedEntities[Text(name)] = Schema.Entity(
          attributes: try record(scoped.body.attributes, scoped.namespace), tags: tags,
          parents: try entityTypes(scoped.body.parents, scoped.namespace), ids: scoped.body.ids)
      }
      var resolvedActions: [EntityUID: Schema.Action] = [:]
      for (uid, scoped) in actions {
        resolvedActions[uid] = Schema.Action(
          principals: try entityTypes(scoped.body.principals, scoped.namespace),
          resources: try entityTypes(scoped.body.resources, scoped.namespace),
          context: try record(scoped.body.context, scoped.namespace),
          parents: try groups(scoped.body.parents, scoped.namespace))
      }
      return Schema(entities: resolvedEntities, actions: resolvedActions)
    }

    private func groups(
      _ uids: [(EntityUID, SourcePosition)], _ namespace: String
    ) throws(PolicyError) -> Set<EntityUID> {
      var found: Set<EntityUID> = []
      for (uid, position) in uids {
        let own = EntityUID(
          type: SchemaDeclarations.qualified(uid.type.string, in: namespace), id: uid.id.string)
        guard let match = [own, uid].first(where: { actions[$0] != nil }) else {
          throw .typeUnknown(position, name: uid.description)
        }
        found.insert(match)
      }
      return found
    }

    private func entityTypes(
      _ names: [(String, SourcePosition)], _ namespace: String
    ) throws(PolicyError) -> Set<Text> {
      var found: Set<Text> = []
      for (name, position) in names {
        let candidates = [SchemaDeclarations.qualified(name, in: namespace), name]
        guard let match = candidates.first(where: { entities[$0] != nil }) else {
          throw .typeUnknown(position, name: name)
        }
        found.insert(Text(match))
      }
      return found
    }

    private func record(_ text: TypeText?, _ namespace: String) throws(PolicyError) -> [Text: Schema.Attribute] {
      guard let text else { return [:] }
      if case .record(let members) = try type(text, namespace, []) { return members }
      guard case .named(let name, let position) = text else { return [:] }
      throw .typeUnknown(position, name: "\(name) as a record")
    }

    /// - Parameter open: The common types being resolved, to find one that is defined by itself.
    private func type(
      _ text: TypeText, _ namespace: String, _ open: Set<String>
    ) throws(PolicyError) -> SchemaType {
      switch text {
      case .set(let element): return .set(try type(element, namespace, open))
      case .record(let members):
        var resolved: [Text: Schema.Attribute] = [:]
        for (name, member) in members {
          resolved[name] = Schema.Attribute(type: try type(member.0, namespace, open), isRequired: member.isRequired)
        }
        return .record(resolved)
      case .named(let name, let position):
        // A common type goes before an entity type, both before what is built in; the own namespace goes first.
        for candidate in [SchemaDeclarations.qualified(name, in: namespace), name] {
          if let common = types[candidate] {
            guard !open.contains(candidate) else { throw .typeCycle(position, name: name) }
            return try type(common.body, common.namespace, open.union([candidate]))
          }
          if entities[candidate] != nil { return .entity(Text(candidate)) }
        }
        let plain = name.hasPrefix("__cedar::") ? String(name.dropFirst("__cedar::".count)) : name
        guard let builtIn = SchemaType.builtIn[plain] else { throw .typeUnknown(position, name: name) }
        return builtIn
      }
    }
  }
}
