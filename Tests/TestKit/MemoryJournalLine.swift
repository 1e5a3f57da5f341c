import CanonicalJSON
import Cryptography
package import Domain

/// One tenant's entries in order, made without a disk: each gets the next position.
package struct MemoryJournalLine {
  package private(set) var entries: [Entry] = []
  package let partition: Partition

  package init(partition: Partition = .tenant(TenantID(unchecked: "test"))) { self.partition = partition }

  @discardableResult
  package mutating func append(_ kind: EntryKind, body: [UInt8], cause: Position? = nil) -> Entry {
    let position = Position(UInt64(entries.count + 1))
    let entry = Entry(
      partition: partition, position: position,
      content: NewEntry(
        id: SHA256.digest("entry \(position)"), kind: kind, cause: cause, recordedAtMs: 0, body: body))
    entries.append(entry)
    return entry
  }

  @discardableResult
  package mutating func append(_ kind: EntryKind, _ body: some Encodable) throws -> Entry {
    append(kind, body: try JSONValue(encoding: body).canonicalBytes)
  }

  @discardableResult
  package mutating func append(_ batch: IntakeBatch) throws -> Entry {
    let headerJSON = try JSONValue(encoding: batch.header).canonicalBytes
    return append(
      .intake, body: IntakeBatch.encoded(headerJSON: headerJSON, committed: batch.records.map(\.committedBytes)))
  }

  @discardableResult
  package mutating func append(_ derived: Derived) -> Entry { append(derived.kind, body: derived.body.canonicalBytes) }
}

extension IntakeRecord {
  /// A record as a connector would give it; its salt follows from its content, so that copies are equal.
  package init(
    key: String, version: Int, _ fields: [String: JSONValue], operation: Operation = .upsert, salt: String = ""
  ) {
    let payload = JSONValue.object(fields).canonicalBytes
    self.init(
      salt: Array(SHA256.digest("\(salt)\(key)\(version)").bytes.prefix(IntakeRecord.saltByteCount)),
      operation: operation, isJSON: true, eventTimeMs: nil, sourceOrdinal: UInt64(version), key: key,
      sourceVersion: String(version), payload: payload)
  }
}

extension BusinessDay {
  /// The last millisecond of the day in UTC.
  package var endMs: Int64 { Int64(number + 1) * 86_400_000 - 1 }
}
