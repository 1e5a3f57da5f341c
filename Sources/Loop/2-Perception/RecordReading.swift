import CanonicalJSON
package import Domain

/// What one record says, by its stream's mapping.
package struct RecordReading: Sendable {
  package let entity: EntityType
  /// Canonical fields, references as texts; nil for a tombstone.
  package let fields: [String: JSONValue]?
  /// The business day on which it came to be so; nil when the source does not say.
  package let day: BusinessDay?
  /// Top-level names that nobody reads and nobody ignores.
  package let unread: [String]
}

extension StreamMapping {
  /// - Throws: `RecordFault`: the record would be a dead letter.
  package func reading(of record: IntakeRecord) throws(RecordFault) -> RecordReading {
    let payload = record.isJSON ? try? JSONValue(parsing: record.payload) : nil
    let told = record.eventTimeMs.map { BusinessDay(number: Int((Double($0) / 86_400_000).rounded(.down))) }
    switch record.operation {
    case .upsert:
      guard let payload else { throw .notJSON }
      let fields = try fields(of: payload)
      let day = try day(of: payload)
      return RecordReading(
        entity: entity, fields: fields, day: day ?? told,
        unread: (payload.object ?? [:]).keys.filter { !read.contains($0) })
    case .delete:
      // Of what is gone nothing but its key is needed; its day, when it is told.
      let day = payload.flatMap { try? self.day(of: $0) }
      return RecordReading(entity: entity, fields: nil, day: day ?? told, unread: [])
    }
  }
}
