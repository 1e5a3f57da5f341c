import Domain

/// An entity as it was last applied, with the version that says so.
struct Entity {
  /// Canonical fields; empty once deleted.
  var fields: [String: JSONValue]
  var isDeleted: Bool
  var ordinal: UInt64
  /// Called stalled; not said again until it was closed and reopened.
  var isStalled = false
  var instance: String
  var stream: String
  var commitment: String

  init(
    fields: [String: JSONValue], isDeleted: Bool, ordinal: UInt64, isStalled: Bool, instance: String, stream: String,
    commitment: String
  ) {
    self.fields = fields
    self.isDeleted = isDeleted
    self.ordinal = ordinal
    self.isStalled = isStalled
    self.instance = instance
    self.stream = stream
    self.commitment = commitment
  }

  init?(_ row: JSONValue) {
    guard let fields = row["fields"]?.object, let ordinal = row["ordinal"]?.string.flatMap(UInt64.init),
      let instance = row["instance"]?.string, let stream = row["stream"]?.string,
      let commitment = row["commitment"]?.string
    else { return nil }
    self.init(
      fields: fields, isDeleted: row["deleted"]?.bool ?? false, ordinal: ordinal,
      isStalled: row["stalled"]?.bool ?? false, instance: instance, stream: stream, commitment: commitment)
  }

  var json: JSONValue {
    var members: [String: JSONValue] = [
      "fields": .object(fields), "ordinal": .string(String(ordinal)), "instance": .string(instance),
      "stream": .string(stream), "commitment": .string(commitment),
    ]
    if isDeleted { members["deleted"] = true }
    if isStalled { members["stalled"] = true }
    return .object(members)
  }

  func reference(_ field: String) -> Reference? { fields[field].flatMap(Reference.init) }
}

/// A record version after its mapping: what it says, of what, since when.
struct MappedRecord {
  let subject: Subject
  let entity: EntityType
  /// Canonical fields, references as texts; nil for a tombstone.
  let fields: [String: JSONValue]?
  /// nil when the source does not say: then the day on which it is applied.
  let day: BusinessDay?
  let instance: String
  let stream: String
  let ordinal: UInt64
  let sourceVersion: String
  let commitment: String
  /// The entry that brought it.
  let position: UInt64

  var pendingKey: String {
    RowKey.of(
      day?.description ?? "0000-00-00", String(entity.rank), instance, stream, subject.id, RowKey.number(ordinal))
  }
  var versionKey: String { RowKey.of(instance, stream, subject.id, RowKey.number(ordinal)) }
  var evidence: Evidence { Evidence(stream: stream, key: subject.id, commitment: commitment) }

  var json: JSONValue {
    [
      "type": .string(entity.rawValue), "id": .string(subject.id), "fields": fields.map { .object($0) } ?? .null,
      "day": JSONValue(day), "instance": .string(instance), "stream": .string(stream),
      "ordinal": .string(String(ordinal)), "version": .string(sourceVersion), "commitment": .string(commitment),
      "position": .integer(Int64(position)),
    ]
  }

  init(
    subject: Subject, entity: EntityType, fields: [String: JSONValue]?, day: BusinessDay?, instance: String,
    stream: String, ordinal: UInt64, sourceVersion: String, commitment: String, position: UInt64
  ) {
    self.subject = subject
    self.entity = entity
    self.fields = fields
    self.day = day
    self.instance = instance
    self.stream = stream
    self.ordinal = ordinal
    self.sourceVersion = sourceVersion
    self.commitment = commitment
    self.position = position
  }

  init?(_ row: JSONValue) {
    guard let entity = row["type"]?.string.flatMap(EntityType.init), let id = row["id"]?.string,
      let instance = row["instance"]?.string, let stream = row["stream"]?.string,
      let ordinal = row["ordinal"]?.string.flatMap(UInt64.init), let version = row["version"]?.string,
      let commitment = row["commitment"]?.string, let position = row["position"]?.integer
    else { return nil }
    self.init(
      subject: Subject(type: entity.rawValue, id: id), entity: entity, fields: row["fields"]?.object,
      day: row.day("day"), instance: instance, stream: stream, ordinal: ordinal, sourceVersion: version,
      commitment: commitment, position: UInt64(position))
  }
}

/// `EvidenceID` with its commitment still as text: most rows only pass it on.
struct Evidence {
  let stream: String
  let key: String
  let commitment: String

  init(stream: String, key: String, commitment: String) {
    self.stream = stream
    self.key = key
    self.commitment = commitment
  }
  init?(_ json: JSONValue) {
    guard let stream = json["stream"]?.string, let key = json["key"]?.string,
      let commitment = json["commitment"]?.string
    else { return nil }
    self.init(stream: stream, key: key, commitment: commitment)
  }
  var json: JSONValue {
    ["stream": .string(stream), "key": .string(key), "commitment": .string(commitment)]
  }
  var id: EvidenceID? {
    Digest(hex: commitment).map {
      EvidenceID(stream: StreamName(unchecked: stream), key: key, commitment: $0)
    }
  }
}
