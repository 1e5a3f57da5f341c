/// What a signal, node or call is about.
package struct Subject: Codable, Hashable, Sendable, Comparable, CustomStringConvertible {
  /// `opportunity`, `account`, `product`, `rep`.
  package let type: String
  package let id: String
  package init(type: String, id: String) {
    self.type = type
    self.id = id
  }
  package var description: String { "\(type)/\(id)" }
  package static func < (left: Subject, right: Subject) -> Bool { (left.type, left.id) < (right.type, right.id) }
}

/// One stored record version: enough to find it and to prove that it is unchanged.
package struct EvidenceID: Codable, Hashable, Sendable {
  package let stream: StreamName
  package let key: String
  package let commitment: Digest
  package init(stream: StreamName, key: String, commitment: Digest) {
    self.stream = stream
    self.key = key
    self.commitment = commitment
  }
}

/// A change worth noticing. Named by what it is about, so that the same change is one signal however it arrived.
package struct Signal: Codable, Equatable, Sendable {
  package let id: Digest
  /// E.g. `deal.stalled`; the closed list is Perception's.
  package let kind: String
  /// The business day at whose end it was judged.
  package let day: BusinessDay
  package let subject: Subject
  /// The account and the owner it concerns, where there is one: budgets and approvers are found by them.
  package let account: String?
  package let owner: String?
  package let evidence: [EvidenceID]
  /// What was measured, e.g. {"age_days": 139, "limit_days": 138}. Money in cents.
  package let facts: [String: JSONValue]

  package init(
    id: Digest, kind: String, day: BusinessDay, subject: Subject, account: String?, owner: String?,
    evidence: [EvidenceID], facts: [String: JSONValue]
  ) {
    self.id = id
    self.kind = kind
    self.day = day
    self.subject = subject
    self.account = account
    self.owner = owner
    self.evidence = evidence
    self.facts = facts
  }
}

/// The body of a `.signals` entry: everything one business day gave.
package struct SignalSet: Codable, Equatable, Sendable {
  package let day: BusinessDay
  package let signals: [Signal]
  package init(day: BusinessDay, signals: [Signal]) {
    self.day = day
    self.signals = signals
  }
}

/// The body of a `.tick` entry: a business day is complete.
package struct Tick: Codable, Equatable, Sendable {
  package let day: BusinessDay
  package init(day: BusinessDay) { self.day = day }
}
