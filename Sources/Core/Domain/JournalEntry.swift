/// Where an entry stands within its partition; ordered, otherwise opaque. The first is 1.
package struct Position: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
  /// Before the first entry.
  package static let origin = Position(0)
  package var next: Position { Position(number + 1) }
  package static func < (left: Position, right: Position) -> Bool { left.number < right.number }
  package var description: String { String(number) }
  package init(from decoder: any Decoder) throws { number = try decoder.singleValueContainer().decode(UInt64.self) }
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(number)
  }
}

/// One line of the journal's order: a tenant, or the host itself (`_host`).
package struct Partition: Hashable, Sendable, CustomStringConvertible {
  package let name: String
  package static let host = Partition(unchecked: "_host")
  package static func tenant(_ tenant: TenantID) -> Partition { Partition(unchecked: tenant.rawValue) }
  package init(unchecked name: String) { self.name = name }
  package var description: String { name }
}

/// What an entry is. Raw values are persisted: they are never renamed, and a kind is never used for something else.
package enum EntryKind: String, Sendable, Codable, CaseIterable {
  // Inputs: what came from outside.
  /// Records of one stream of one instance, with the checkpoint they lead to.
  case intake
  /// A webhook delivery as it came, verified and answered; its records follow as an `intake`.
  case delivery
  /// A mapping, playbook set, policy set, threshold set or tenant mode takes effect here, whole, by hash.
  case activation
  /// A person approved or rejected one held call.
  case choice
  /// A kill switch, flag or other order of an operator.
  case order

  // Derived: what the loop concluded. A derived entry in the journal is a fact; rebuilding never replaces it.
  case tick
  case signals
  case proposals
  case verdicts

  // Effects: what was done in the world.
  /// A permit was spent; the effect may start only after this is durable.
  case effectStarted = "effect_started"
  /// What became of a started effect: done, rejected, or unknown.
  case receipt

  // Input.
  /// A restored tenant goes on here, in a new log: what was restored, and the last checkpoint that others have seen.
  case epoch

  /// Whether it comes from a source or a sender that keeps it: it is refused while the disk is low, and comes again.
  package var canWait: Bool {
    switch self {
    case .intake, .delivery: true
    case .activation, .choice, .order, .tick, .signals, .proposals, .verdicts, .effectStarted, .receipt,
      .epoch:
      false
    }
  }

  package var isDerived: Bool {
    switch self {
    case .tick, .signals, .proposals, .verdicts: true
    case .intake, .delivery, .activation, .choice, .order, .effectStarted, .receipt, .epoch: false
    }
  }
}

/// An entry before it has a position.
package struct NewEntry: Sendable, Equatable {
  /// Appending is idempotent by id. A derived entry's id is a hash of its cause, stage and ordinal.
  package let id: Digest
  package let kind: EntryKind
  /// The entry that this one follows from.
  package let cause: Position?
  /// Milliseconds since 1970 by the host's wall clock, taken once, here; Loop reads time only from entries.
  package let recordedAtMs: Int64
  /// Canonical JSON, but for `.intake`, whose layout is `IntakeBatch`'s.
  package let body: [UInt8]

  package init(id: Digest, kind: EntryKind, cause: Position?, recordedAtMs: Int64, body: [UInt8]) {
    self.id = id
    self.kind = kind
    self.cause = cause
    self.recordedAtMs = recordedAtMs
    self.body = body
  }
}

/// An entry with its place in the journal.
package struct Entry: Sendable, Equatable {
  package let partition: Partition
  package let position: Position
  /// 16 random bytes that the journal drew when it took the entry: what the ledger commits to cannot be guessed.
  package let salt: [UInt8]
  package let content: NewEntry

  package init(partition: Partition, position: Position, salt: [UInt8] = [], content: NewEntry) {
    self.partition = partition
    self.position = position
    self.salt = salt
    self.content = content
  }

  package var id: Digest { content.id }
  package var kind: EntryKind { content.kind }
  package var body: [UInt8] { content.body }
  package var recordedAtMs: Int64 { content.recordedAtMs }
}
