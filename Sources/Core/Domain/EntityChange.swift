/// How one applied record version changed what is believed of an entity. Made by Perception, kept by WorldModel.
package struct EntityChange: Codable, Equatable, Sendable {
  package let subject: Subject
  /// The canonical fields before; nil when the entity was not known.
  package let before: [String: JSONValue]?
  /// The canonical fields from here on; nil when the entity was deleted.
  package let after: [String: JSONValue]?
  /// What differs, by name in order; empty when only the version moved.
  package let fields: [FieldChange]
  /// The record version that says so.
  package let evidence: EvidenceID
  /// As the source writes it: what a write must name to be refused when somebody was faster.
  package let sourceVersion: String
  /// The business day from which it holds: valid time.
  package let day: BusinessDay
  /// The entry by which it was believed: transaction time.
  package let position: Position
  /// Orders the changes of one entity within a position.
  package let sequence: Int
  /// The permit of our own write that this change is.
  package let linkedPermit: Digest?
  /// Part of a first sync: state, not news.
  package let isBaseline: Bool

  package struct FieldChange: Codable, Equatable, Sendable {
    package let name: String
    package let from: JSONValue
    package let to: JSONValue
    package init(name: String, from: JSONValue, to: JSONValue) {
      self.name = name
      self.from = from
      self.to = to
    }
  }

  package init(
    subject: Subject, before: [String: JSONValue]?, after: [String: JSONValue]?, fields: [FieldChange],
    evidence: EvidenceID, sourceVersion: String, day: BusinessDay, position: Position, sequence: Int,
    linkedPermit: Digest?, isBaseline: Bool
  ) {
    self.subject = subject
    self.before = before
    self.after = after
    self.fields = fields
    self.evidence = evidence
    self.sourceVersion = sourceVersion
    self.day = day
    self.position = position
    self.sequence = sequence
    self.linkedPermit = linkedPermit
    self.isBaseline = isBaseline
  }

  /// The fields of `after` that name another entity.
  package var references: [String: Reference] { (after ?? [:]).compactMapValues(Reference.init) }
}
