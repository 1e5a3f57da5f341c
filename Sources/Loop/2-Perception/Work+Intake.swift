import CanonicalJSON
import Cryptography
import Domain

/// One record as it was delivered, with the place it was delivered at.
struct Delivered {
  let instance: String
  let stream: String
  let record: IntakeRecord
  let position: UInt64
  /// Its place in the batch.
  let index: Int
  let commitment: String
  /// Hash of what it says, without the salt: two copies of one version are equal in it.
  let content: String

  init(instance: String, stream: String, record: IntakeRecord, position: UInt64, index: Int) {
    self.instance = instance
    self.stream = stream
    self.record = record
    self.position = position
    self.index = index
    commitment = record.commitment.hex
    content = SHA256.digest([record.operation.rawValue] + record.payload).hex
  }

  var versionKey: String { RowKey.of(instance, stream, record.key, RowKey.number(record.sourceOrdinal)) }
}

extension Work {
  func take(_ batch: IntakeBatch) throws -> [Derived] {
    try load()
    let name = batch.header.instance.rawValue
    let stream = batch.header.stream.rawValue
    let instance = try instance(name)
    let mapping = try instance.map { try self.mapping(of: $0).streams[stream] } ?? nil
    for (index, record) in batch.records.enumerated() {
      let delivered = Delivered(
        instance: name, stream: stream, record: record, position: position.number, index: index)
      try take(delivered, mapping)
    }
    // What came for a day that was ticked already is said at the next tick.
    try settleClosings()
    try keepDrafts()
    guard let watermark = batch.header.checkpoint?.watermarkMs else { return [] }
    return try advance(name, stream, watermarkMs: watermark)
  }

  /// Keeps every version once; a copy of one is counted, and changes nothing.
  private func take(_ delivered: Delivered, _ mapping: StreamMapping?) throws {
    let key = delivered.versionKey
    let place = RowKey.of(delivered.instance, delivered.stream)
    if case .object(var row)? = try rows.get(.version, key) {
      guard row["content"]?.string == delivered.content else {
        return try bury(delivered, .versionConflict(version: delivered.record.sourceVersion))
      }
      row["copies"] = .integer((row["copies"]?.integer ?? 1) + 1)
      rows.set(.version, key, .object(row))
      return try count("duplicates", place)
    }
    rows.set(
      .version, key,
      [
        "commitment": .string(delivered.commitment), "content": .string(delivered.content),
        "position": .integer(Int64(delivered.position)), "index": JSONValue(delivered.index), "copies": 1,
        "version": .string(delivered.record.sourceVersion),
        "op": delivered.record.operation == .delete ? "delete" : "upsert",
      ])
    try count("versions", mapping?.entity.rawValue ?? "unmapped", place)
    do {
      try hold(try mapped(delivered, mapping))
    } catch let fault as RecordFault {
      try bury(delivered, fault)
    }
  }

  func mapped(_ delivered: Delivered, _ mapping: StreamMapping?) throws -> MappedRecord {
    let record = delivered.record
    guard let mapping else { throw RecordFault.unmappedStream(stream: delivered.stream) }
    let reading = try mapping.reading(of: record)
    for name in reading.unread {
      try count("unread_fields", delivered.instance, delivered.stream, String(name.prefix(64)))
    }
    return MappedRecord(
      subject: Subject(type: mapping.entity.rawValue, id: record.key), entity: mapping.entity, fields: reading.fields,
      day: reading.day,
      instance: delivered.instance, stream: delivered.stream, ordinal: record.sourceOrdinal,
      sourceVersion: record.sourceVersion, commitment: delivered.commitment, position: delivered.position)
  }

  /// Waits for its day, or is applied at once when that day is over.
  private func hold(_ record: MappedRecord) throws {
    if let ticked = clock.ticked, let day = record.day, day <= ticked {
      try apply([record], today: ticked)
    } else {
      rows.set(.pending, record.pendingKey, record.json)
    }
  }

  // MARK: - Dead letters

  private func bury(_ delivered: Delivered, _ fault: RecordFault) throws {
    let record = delivered.record
    var members: [String: JSONValue] = [
      "salt": .string(Hex.encode(record.salt)), "json": .bool(record.isJSON),
      "payload": .string(record.isJSON ? String(decoding: record.payload, as: UTF8.self) : Hex.encode(record.payload)),
    ]
    members["event_time_ms"] = record.eventTimeMs.map { .string(String($0)) }
    try bury(
      delivered.instance, delivered.stream, key: record.key, ordinal: record.sourceOrdinal,
      version: record.sourceVersion, position: delivered.position, index: delivered.index, fault,
      members.merging(["op": record.operation == .delete ? "delete" : "upsert"]) { $1 })
  }

  /// A record that fits its mapping but cannot be applied.
  func bury(_ record: MappedRecord, _ fault: RecordFault) throws {
    let index = try rows.get(.version, record.versionKey)?.int("index") ?? 0
    try bury(
      record.instance, record.stream, key: record.subject.id, ordinal: record.ordinal, version: record.sourceVersion,
      position: record.position, index: index, fault, ["mapped": record.json])
  }

  private func bury(
    _ instance: String, _ stream: String, key: String, ordinal: UInt64, version: String, position: UInt64, index: Int,
    _ fault: RecordFault, _ content: [String: JSONValue]
  ) throws {
    let id = DeadLetter.key(position: position, index: index)
    let attempts = try rows.get(.deadLetter, id).map { $0.int("attempts") + 1 } ?? 0
    let members: [String: JSONValue] = [
      "instance": .string(instance), "stream": .string(stream), "key": .string(key),
      "ordinal": .string(String(ordinal)),
      "version": .string(version), "position": .integer(Int64(position)), "index": JSONValue(index),
      "code": .string(fault.code), "reason": .string(fault.message), "remedy": .string(fault.remedy),
      "attempts": JSONValue(attempts),
    ]
    rows.set(.deadLetter, id, .object(members.merging(content) { $1 }))
    if attempts == 0 { try count("dead_letters", RowKey.of(instance, stream), fault.code) }
  }

  func obey(_ order: Order) throws {
    // A delivery has brought nothing yet; it is the fabric that gives it to its plugin again.
    guard order.verb == .replayDeadLetter || order.verb == .dropDeadLetter, order.delivery == nil else { return }
    guard let key = DeadLetter.key(id: order.target),
      let letter = try rows.get(.deadLetter, key).flatMap(DeadLetter.init)
    else { return try count("orders_without_dead_letter") }
    guard order.verb == .replayDeadLetter else {
      rows.set(.deadLetter, key, nil)
      return try count("dead_letters_dropped", RowKey.of(letter.instance, letter.stream))
    }
    try load()
    if let record = letter.mapped {
      try replay(record, of: key)
    } else if let delivered = letter.delivered {
      try replay(delivered, letter, of: key)
    }
    try settleClosings()
    try keepDrafts()
  }

  private func replay(_ delivered: Delivered, _ letter: DeadLetter, of key: String) throws {
    let conflict = RecordFault.versionConflict(version: letter.sourceVersion)
    guard letter.code != conflict.code else { return try bury(delivered, conflict) }
    let mapping = try instance(letter.instance).flatMap { try self.mapping(of: $0).streams[letter.stream] }
    do { try replay(try mapped(delivered, mapping), of: key) } catch let fault as RecordFault {
      try bury(delivered, fault)
    }
  }

  private func replay(_ record: MappedRecord, of key: String) throws {
    rows.set(.deadLetter, key, nil)
    try count("dead_letters_replayed", RowKey.of(record.instance, record.stream))
    try hold(record)
  }
}
