package import Domain

extension Cedar {
  package struct Entity: Hashable, Sendable {
    package let uid: EntityUID
    package let attributes: [Text: Value]
    package let tags: [Text: Value]
    package let parents: Set<EntityUID>

    package init(
      uid: EntityUID, attributes: [Text: Value] = [:], tags: [Text: Value] = [:], parents: Set<EntityUID> = []
    ) {
      self.uid = uid
      self.attributes = attributes
      self.tags = tags
      self.parents = parents
    }
  }

  /// Entities with who is whose ancestor worked out.
  package struct Entities: Sendable {
    private let entities: [EntityUID: Entity]
    private let ancestors: [EntityUID: Set<EntityUID>]

    package var count: Int { entities.count }
    package subscript(uid: EntityUID) -> Entity? { entities[uid] }

    /// - Throws: `.entityTwice`, `.entityCycle`.
    package init(_ list: [Entity] = []) throws(PolicyError) {
      var entities: [EntityUID: Entity] = [:]
      for entity in list {
        guard entities.updateValue(entity, forKey: entity.uid) == nil else {
          throw .entityTwice(entity.uid.description)
        }
      }
      self.entities = entities
      ancestors = try Entities.closure(of: entities)
    }

    /// Reads [Cedar's JSON](https://docs.cedarpolicy.com/auth/entities-syntax.html): a list of
    /// `{"uid": {"type", "id"}, "attrs": {…}, "parents": […], "tags": {…}}`.
    ///
    /// - Parameter schema: With one, declared types say how values are read, so that `{"type", "id"}` may be an entity
    ///   and `"10.0.0.1"` an ipaddr without escapes; and its actions join the entities.
    package init(json: JSONValue, schema: Schema? = nil) throws(PolicyError) {
      guard let items = json.array else {
        throw .valueInvalid(path: "entities", reason: "they must be an array, not \(jsonKind(json))")
      }
      var list: [Entity] = []
      for (i, item) in items.enumerated() {
        list.append(try Entity(json: item, schema: schema, path: "entities[\(i)]"))
      }
      let given = Set(list.map(\.uid))
      for (uid, action) in schema?.actions ?? [:] where !given.contains(uid) {
        list.append(Entity(uid: uid, parents: action.parents))
      }
      try self.init(list)
    }

    /// `uid in group`: the same entity, or one of its ancestors.
    func isMember(_ uid: EntityUID, of group: EntityUID) -> Bool {
      uid == group || ancestors[uid]?.contains(group) == true
    }

    /// Ancestors of all, children after their parents; without recursion, as a chain may be long.
    private static func closure(
      of entities: [EntityUID: Entity]
    ) throws(PolicyError) -> [EntityUID: Set<EntityUID>] {
      var done: [EntityUID: Set<EntityUID>] = [:]
      for start in entities.keys where done[start] == nil {
        var stack = [start]
        var open: Set<EntityUID> = []
        while let uid = stack.last {
          let parents = entities[uid]?.parents ?? []
          let missing = parents.filter { done[$0] == nil }
          if missing.isEmpty {
            done[uid] = parents.reduce(into: parents) { $0.formUnion(done[$1]!) }
            open.remove(uid)
            stack.removeLast()
          } else {
            open.insert(uid)
            guard open.isDisjoint(with: missing) else { throw .entityCycle(onCycle(of: entities).description) }
            stack += missing
          }
          while let last = stack.last, done[last] != nil { stack.removeLast() }
        }
      }
      return done
    }

    /// The least entity of the cycle that the least entity leads to: always the same one for the same entities.
    private static func onCycle(of entities: [EntityUID: Entity]) -> EntityUID {
      // Taken away again and again: entities without a parent that is left. What stays leads to a cycle.
      var left = entities.mapValues { $0.parents.filter { entities[$0] != nil } }
      var children: [EntityUID: [EntityUID]] = [:]
      for (uid, parents) in left { for parent in parents { children[parent, default: []].append(uid) } }
      var free = left.keys.filter { left[$0]!.isEmpty }
      while let uid = free.popLast() {
        left[uid] = nil
        for child in children[uid] ?? [] {
          left[child]!.remove(uid)
          if left[child]!.isEmpty { free.append(child) }
        }
      }
      var path: [EntityUID] = []
      var seen: Set<EntityUID> = []
      var uid = left.keys.min()!
      while seen.insert(uid).inserted {
        path.append(uid)
        uid = left[uid]!.min()!
      }
      return path[path.firstIndex(of: uid)!...].min()!
    }
  }
}

extension Cedar.Entity {
  init(json: JSONValue, schema: Cedar.Schema?, path: String) throws(PolicyError) {
    guard let members = json.object else {
      throw .valueInvalid(path: path, reason: "an entity must be an object, not \(jsonKind(json))")
    }
    for name in members.keys.sorted() where !["uid", "attrs", "parents", "tags"].contains(name) {
      throw .valueInvalid(path: path, reason: "an entity has no member \(Cedar.quoted(name))")
    }
    let uid = try Cedar.EntityUID(json: members["uid"] ?? .null, path: "\(path).uid")
    let type = schema?.entities[uid.type]
    var attributes: [Cedar.Text: Cedar.Value] = [:]
    for (name, value) in try Cedar.sortedMembers(members["attrs"], path: "\(path).attrs") {
      attributes[name] = try Cedar.Value(json: value, type: type?.attributes[name]?.type, path: "\(path).attrs.\(name)")
    }
    var tags: [Cedar.Text: Cedar.Value] = [:]
    for (name, value) in try Cedar.sortedMembers(members["tags"], path: "\(path).tags") {
      tags[name] = try Cedar.Value(json: value, type: type?.tags, path: "\(path).tags.\(name)")
    }
    var parents: Set<Cedar.EntityUID> = []
    guard let list = (members["parents"] ?? []).array else {
      throw .valueInvalid(path: "\(path).parents", reason: "they must be an array")
    }
    for (i, parent) in list.enumerated() {
      parents.insert(try Cedar.EntityUID(json: parent, path: "\(path).parents[\(i)]"))
    }
    self.init(uid: uid, attributes: attributes, tags: tags, parents: parents)
  }
}

extension Cedar.EntityUID {
  /// `{"type": …, "id": …}`, also inside `{"__entity": …}`.
  package init(json: JSONValue, path: String) throws(PolicyError) {
    let inner = json["__entity"] ?? json
    guard let members = inner.object, members.count == 2, let type = members["type"]?.string,
      let id = members["id"]?.string
    else { throw .valueInvalid(path: path, reason: #"an entity's name must be {"type": …, "id": …}"#) }
    guard Cedar.isTypeName(type) else {
      throw .valueInvalid(path: path, reason: "\(Cedar.quoted(type)) is no name of an entity type")
    }
    self.init(type: type, id: id)
  }
}

func jsonKind(_ value: JSONValue) -> String {
  switch value {
  case .null: "null"
  case .bool: "a boolean"
  case .integer: "an integer"
  case .double: "a fraction"
  case .string: "a string"
  case .array: "an array"
  case .object: "an object"
  }
}
