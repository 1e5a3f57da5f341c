package import Domain

extension Mapping {
  /// Reads the mapping of a manifest document; the first fault is thrown with its key, its line and what is allowed.
  package init(manifest document: SourceDocument) throws(DocumentError) {
    try self.init(DocumentReader(document)["mapping"])
  }

  init(_ r: DocumentReader) throws(DocumentError) {
    try r.allow(["streams"])
    var streams: [String: StreamMapping] = [:]
    for (name, reader) in try r["streams"].members() { streams[name] = try StreamMapping(reader) }
    self.init(streams: streams)
  }
}

extension StreamMapping {
  init(_ r: DocumentReader) throws(DocumentError) {
    try r.allow(["entity", "changed_on", "fields", "ignore"])
    let entity = try r["entity"].choice(EntityType.self)
    var day: FieldMapping?
    if r["changed_on"].isPresent {
      day = try FieldMapping("changed_on", .day, r["changed_on"])
      guard day!.isRequired else {
        throw r["changed_on.required"].error("not true", allowed: "true: a record without its day has no place in time")
      }
    }
    var fields: [FieldMapping] = []
    let canonical = entity.fields
    for (name, reader) in try r["fields"].members() {
      guard let kind = canonical[name] else {
        throw reader.error(
          "no field of \(entity.rawValue)", allowed: canonical.keys.sorted().joined(separator: ", "))
      }
      fields.append(try FieldMapping(name, kind, reader))
    }
    guard !fields.isEmpty else { throw r["fields"].error("empty", allowed: "at least one field") }
    var ignored: Set<String> = []
    for item in try r["ignore"].items() { ignored.insert(try item.string("the name of a member of the record")) }
    self.init(entity: entity, day: day, fields: fields, ignored: ignored)
  }
}

extension FieldMapping {
  init(_ name: String, _ kind: EntityType.FieldKind, _ r: DocumentReader) throws(DocumentError) {
    let text = try r["path"].string("where the value stands, e.g. `owner` or `properties.owner`")
    let path = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard path.allSatisfy({ !$0.isEmpty }) else {
      throw r["path"].error("\"\(text)\"", allowed: "names joined by dots, e.g. `properties.owner`")
    }
    let isRequired = r["required"].isPresent ? try r["required"].bool() : false
    self.init(name: name, path: path, conversion: try Self.conversion(kind, r), isRequired: isRequired)
  }

  private static func conversion(_ kind: EntityType.FieldKind, _ r: DocumentReader) throws(DocumentError) -> Conversion
  {
    func need(_ type: String, _ keys: [String]) throws(DocumentError) {
      try r.allow(["path", "type", "required"] + keys)
      guard try r["type"].string(type) == type else {
        throw r["type"].error("\"\(r["type"].value?.string ?? "")\"", allowed: "\(type), as the field is kept so")
      }
    }
    switch kind {
    case .text:
      try need("text", [])
      return .text
    case .integer:
      try need("integer", [])
      return .integer
    case .reference(let entity):
      try need("reference", ["to"])
      guard try r["to"].choice(EntityType.self) == entity else {
        throw r["to"].error("another entity", allowed: entity.rawValue)
      }
      return .reference
    case .money:
      try need("money", ["unit"])
      return .money(try r["unit"].choice(MoneyUnit.self))
    case .day:
      try need("date", ["format"])
      return .day(try formats(r["format"]))
    case .stage:
      try need("choice", ["values"])
      return .choice(try values(r["values"]))
    }
  }

  private static func formats(_ r: DocumentReader) throws(DocumentError) -> [DateFormat] {
    let readers = r.value?.string == nil ? try r.items() : [r]
    var formats: [DateFormat] = []
    for reader in readers {
      let allowed = "m/d/Y, d.m.Y, Y-m-d or the like, or rfc3339"
      let text = try reader.string(allowed)
      guard let format = DateFormat(text) else { throw reader.error("\"\(text)\"", allowed: allowed) }
      // Never guess: 3/4/2017 must not have two meanings.
      guard !formats.contains(where: { $0.shape == format.shape }) else {
        throw reader.error("\"\(text)\", which reads the same dates as another one", allowed: "one of them")
      }
      formats.append(format)
    }
    guard !formats.isEmpty else { throw r.error("missing", allowed: "a date format, e.g. m/d/Y") }
    return formats
  }

  private static func values(_ r: DocumentReader) throws(DocumentError) -> [String: String] {
    var values: [String: String] = [:]
    for (key, reader) in try r.members() { values[key] = try reader.choice(DealStage.self).rawValue }
    guard !values.isEmpty else {
      throw r.error(
        "missing", allowed: "what the source writes for " + DealStage.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return values
  }
}
