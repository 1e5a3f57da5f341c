package import Domain

/// A record that could not be applied, with everything that is needed to try again.
package struct DeadLetter: Sendable {
  /// `POSITION-INDEX`: what an operator types.
  package let id: String
  package let instance: String
  package let stream: String
  package let key: String
  package let sourceVersion: String
  package let code: String
  package let reason: String
  package let remedy: String
  /// How often it was replayed in vain.
  package let attempts: Int
  /// The entry that brought it, and its place in that entry's batch.
  package let position: Position
  package let index: Int
  /// The payload: canonical JSON, or hexadecimal when it is none; nil when the mapping had done its part.
  package let payload: String?
  let delivered: Delivered?
  let mapped: MappedRecord?

  static func key(position: UInt64, index: Int) -> String {
    RowKey.of(RowKey.number(position), RowKey.number(UInt64(index)))
  }
  static func key(id: String) -> String? {
    let parts = id.split(separator: "-")
    guard parts.count == 2, let position = UInt64(parts[0]), let index = Int(parts[1]), index >= 0 else { return nil }
    return key(position: position, index: index)
  }

  init?(_ row: JSONValue) {
    guard let instance = row["instance"]?.string, let stream = row["stream"]?.string, let key = row["key"]?.string,
      let ordinal = row["ordinal"]?.string.flatMap(UInt64.init), let version = row["version"]?.string,
      let code = row["code"]?.string, let reason = row["reason"]?.string, let remedy = row["remedy"]?.string
    else { return nil }
    position = Position(UInt64(row.int("position")))
    index = row.int("index")
    id = "\(position)-\(index)"
    (self.instance, self.stream, self.key, sourceVersion) = (instance, stream, key, version)
    (self.code, self.reason, self.remedy, attempts) = (code, reason, remedy, row.int("attempts"))
    payload = row["payload"]?.string
    mapped = row["mapped"].flatMap(MappedRecord.init)
    let isJSON = row["json"]?.bool ?? true
    if let payload, let salt = row["salt"]?.string.flatMap({ Hex.decode($0) }) {
      let record = IntakeRecord(
        salt: salt, operation: row["op"]?.string == "delete" ? .delete : .upsert, isJSON: isJSON,
        eventTimeMs: row["event_time_ms"]?.string.flatMap(Int64.init), sourceOrdinal: ordinal, key: key,
        sourceVersion: version, payload: isJSON ? Array(payload.utf8) : Hex.decode(payload) ?? [])
      delivered = Delivered(
        instance: instance, stream: stream, record: record, position: position.number, index: index)
    } else {
      delivered = nil
    }
  }

  /// All of them, oldest first.
  package static func all(in view: any StateView) throws -> [DeadLetter] {
    try view.scan(.deadLetter).compactMap { DeadLetter($0.1) }
  }
}
