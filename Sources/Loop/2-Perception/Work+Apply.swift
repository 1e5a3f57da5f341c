import Domain

extension Work {
  /// Applies record versions in the given order: first every name they bring, so that it does not matter in which
  /// order an account and its parent were delivered, then each of them.
  func apply(_ records: [MappedRecord], today: BusinessDay) throws {
    var fresh: [String] = []
    var named: [Subject: (ordinal: UInt64, name: String?)] = [:]
    for record in records where record.entity != .opportunity { fresh += try indexNames(record, &named) }
    if !fresh.isEmpty { resolved.removeAll() }
    for record in records { try apply(record, today: today) }
    // Most often nobody asks in vain for anything.
    guard !fresh.isEmpty, try !rows.isEmpty(.unresolved) else { return }
    for name in fresh { try answer(name, today: today) }
  }

  /// - Parameter named: what each entity is called by the versions before this one.
  private func indexNames(
    _ record: MappedRecord, _ named: inout [Subject: (ordinal: UInt64, name: String?)]
  ) throws -> [String] {
    guard let fields = record.fields else { return [] }
    let name = fields["name"]?.string
    let before =
      try named[record.subject] ?? entity(record.subject).map { ($0.ordinal, $0.fields["name"]?.string) }
    if let before, record.ordinal <= before.ordinal { return [] }
    named[record.subject] = (record.ordinal, name)
    return try index(record.subject, name: name, before: before?.name).map { "\(record.subject.type)/\($0)" }
  }

  func entity(_ subject: Subject) throws -> Entity? {
    try rows.get(.entity, RowKey.of(subject.type, subject.id)).map { row in
      guard let entity = Entity(row) else {
        throw PerceptionError.damagedRow(space: Space.entity.rawValue, key: subject.description)
      }
      return entity
    }
  }
  func put(_ subject: Subject, _ entity: Entity) { rows.set(.entity, RowKey.of(subject.type, subject.id), entity.json) }

  private func apply(_ record: MappedRecord, today: BusinessDay) throws {
    let before = try entity(record.subject)
    if let before {
      guard record.ordinal > before.ordinal else {
        return try count("older_versions", RowKey.of(record.instance, record.stream))
      }
      guard before.instance == record.instance || before.isDeleted else {
        return try bury(record, .claimed(by: "\(before.instance)/\(before.stream)"))
      }
    }
    let fields = try record.fields.map { try resolved($0, of: record.subject, record.entity, before: before) } ?? [:]
    let after = Entity(
      fields: fields, isDeleted: record.fields == nil, ordinal: record.ordinal,
      isStalled: before.map { $0.isStalled && !Deal.isReopened(from: $0.fields, to: fields) } ?? false,
      instance: record.instance, stream: record.stream, commitment: record.commitment)
    let own = try linked(record, after)
    try change(
      record.subject, record.entity, from: before, to: after,
      Circumstance(
        evidence: record.evidence, sourceVersion: record.sourceVersion, day: record.day ?? today, today: today,
        own: own, isBaseline: try instance(record.instance)?.isBaseline(record.position) ?? false))
  }

  /// What surrounds a change: where it came from, when it holds, and whether anybody is to be told.
  struct Circumstance {
    let evidence: Evidence
    let sourceVersion: String
    let day: BusinessDay
    let today: BusinessDay
    /// The permit and the fields of our own write that this change is.
    var own: (permit: Digest, fields: Set<String>)?
    var isBaseline = false

    /// Whether a change of this field is news.
    func isNews(_ field: String) -> Bool { !isBaseline && own?.fields.contains(field) != true }
  }

  private func change(
    _ subject: Subject, _ type: EntityType, from before: Entity?, to after: Entity, _ how: Circumstance
  ) throws {
    put(subject, after)
    let old = before.map { $0.isDeleted ? [:] : $0.fields } ?? [:]
    let names = Set(old.keys).union(after.fields.keys).sorted()
    let differing = names.filter { old[$0] != after.fields[$0] }
    guard let evidence = how.evidence.id else {
      throw PerceptionError.damagedRow(space: Space.entity.rawValue, key: subject.description)
    }
    changes.append(
      EntityChange(
        subject: subject, before: before.flatMap { $0.isDeleted ? nil : $0.fields },
        after: after.isDeleted ? nil : after.fields,
        fields: differing.map { .init(name: $0, from: old[$0] ?? .null, to: after.fields[$0] ?? .null) },
        evidence: evidence, sourceVersion: how.sourceVersion, day: how.day, position: position,
        sequence: changes.count, linkedPermit: how.own?.permit, isBaseline: how.isBaseline))
    switch type {
    case .opportunity: try changeDeal(subject.id, from: before, to: after, how)
    case .rep: try changeRep(subject, after)
    case .product, .account: break
    }
    if after.isDeleted { forget(subject, name: before?.fields["name"]?.string) }
  }

  /// Something can be found by a new name: whoever asked for it in vain gets the answer.
  private func answer(_ typeAndName: String, today: BusinessDay) throws {
    let cut = typeAndName.firstIndex(of: "/")!
    let prefix = RowKey.prefix(String(typeAndName[..<cut]), String(typeAndName[typeAndName.index(after: cut)...]))
    for (key, _) in try rows.scan(.unresolved, prefix: prefix) {
      rows.set(.unresolved, key, nil)
      let parts = RowKey.parts(key)
      let subject = Subject(type: parts[2], id: parts[3])
      guard let type = EntityType(rawValue: subject.type), let before = try entity(subject), !before.isDeleted else {
        continue
      }
      var after = before
      after.fields = try resolved(before.fields, of: subject, type, before: before)
      guard after.fields != before.fields else { continue }
      let version = try rows.get(
        .version, RowKey.of(before.instance, before.stream, subject.id, RowKey.number(before.ordinal)))
      try change(
        subject, type, from: before, to: after,
        Circumstance(
          evidence: Evidence(stream: before.stream, key: subject.id, commitment: before.commitment),
          sourceVersion: version?["version"]?.string ?? String(before.ordinal), day: today, today: today,
          isBaseline: true))
    }
  }
}
