/// A derived entry that applying has produced, before it is in the journal.
package struct Derived: Sendable, Equatable {
  package let kind: EntryKind
  package let body: JSONValue
  package init(kind: EntryKind, body: JSONValue) {
    self.kind = kind
    self.body = body
  }
}

/// One stage of the loop: a pure function of the journal's entries and the state they made.
///
/// A stage does no I/O, reads no clock and draws no randomness; the same entries give the same state and the same
/// derived entries on every machine.
package protocol Stage: Sendable {
  func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived]
}
