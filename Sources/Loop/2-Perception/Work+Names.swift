import Domain

// Resolving: by key, by name, by a name that differs only in case and white space, by a former name; never by
// likeness. When two answers are possible there is none, and the reason says so.
extension Work {
  /// Makes an entity findable by its key and its name. A name it had before stays as a former one.
  ///
  /// - Returns: the normalized names under which something can be found now that could not before.
  func index(_ subject: Subject, name: String?, before: String?) throws -> [String] {
    var fresh: [String] = []
    func put(_ text: String, _ change: (inout [String: JSONValue]) -> Void) throws {
      let normalized = Reference.normalized(text)
      let key = RowKey.of(subject.type, normalized, subject.id)
      var row = try rows.get(.name, key)?.object ?? [:]
      let old = row
      change(&row)
      guard row != old else { return }
      if old.isEmpty { fresh.append(normalized) }
      rows.set(.name, key, .object(row))
    }
    try put(subject.id) { $0["key"] = true }
    if let before, before != name {
      try put(before) {
        $0["name"] = nil
        $0["former"] = .array(($0["former"]?.array ?? []).filter { $0.string != before } + [.string(before)])
      }
    }
    if let name { try put(name) { $0["name"] = .string(name) } }
    return fresh
  }

  /// A deleted entity is found under no name.
  func forget(_ subject: Subject, name: String?) {
    for text in [subject.id, name].compactMap(\.self) {
      rows.set(.name, RowKey.of(subject.type, Reference.normalized(text), subject.id), nil)
    }
  }

  func resolve(_ text: String, as entity: EntityType) throws -> Reference {
    let question = "\(entity.rawValue)/\(text)"
    if let known = resolved[question] { return known }
    let normalized = Reference.normalized(text)
    let found = try rows.scan(.name, prefix: RowKey.prefix(entity.rawValue, normalized)).map { key, row in
      (id: RowKey.parts(key)[2], row: row)
    }
    let reference = Self.choose(text, found)
    resolved[question] = reference
    return reference
  }

  private static func choose(_ text: String, _ found: [(id: String, row: JSONValue)]) -> Reference {
    func one(_ hits: [(id: String, row: JSONValue)], _ reason: (JSONValue) -> Reference.Reason) -> Reference? {
      guard let hit = hits.first else { return nil }
      guard hits.count == 1 else {
        return Reference(text: text, id: nil, reason: .ambiguous, candidates: hits.map(\.id).sorted())
      }
      return Reference(text: text, id: hit.id, reason: reason(hit.row))
    }
    let exact = found.filter { $0.row["name"]?.string == text || $0.id == text }
    let byLetter = one(exact) { $0["name"]?.string == text ? .name : .key }
    let bySense = one(found) { $0["name"] == nil && $0["key"] == nil ? .formerName : .normalizedName }
    return byLetter ?? bySense ?? Reference(text: text, id: nil, reason: .unknown)
  }

  /// Replaces the texts of references by what they stand for. A text that has not changed stands for what it stood for.
  func resolved(
    _ fields: [String: JSONValue], of subject: Subject, _ entity: EntityType, before: Entity? = nil
  ) throws -> [String: JSONValue] {
    var resolved = fields
    for (name, kind) in entity.fields {
      guard case .reference(let target) = kind, let value = fields[name] else { continue }
      guard let text = value.string ?? value["text"]?.string else { continue }
      if let old = before?.reference(name), old.text == text, old.id != nil {
        resolved[name] = old.json
        continue
      }
      let reference = try resolve(text, as: target)
      resolved[name] = reference.json
      if reference.id == nil {
        let key = RowKey.of(target.rawValue, Reference.normalized(text), subject.type, subject.id)
        rows.set(.unresolved, key, true)
      }
    }
    return resolved
  }
}
