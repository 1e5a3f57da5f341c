import CanonicalJSON
package import Domain

/// What a tenant's driver does next. What follows from what is applied is appended before more is applied: however much its
/// sources bring, it waits for no more of that than was in line before it.
package enum LoopStep: Sendable, Equatable {
  /// Apply these, in one transaction.
  case apply([Entry])
  /// Append these, together; then they are handed.
  case append([NewEntry], Handed)
  /// Nothing is left to do until the journal grows.
  case rest

  /// The most entries that one transaction applies.
  package static let groupCountMax = 64

  /// How far a driver has come with the outbox. A row stays there until its entry is applied; meanwhile it is not appended again.
  package struct Handed: Sendable, Equatable {
    /// The journal's end when the driver took over. Up to there the journal may hold what the state does not know to be
    /// appended, after a crash that lost the state's last transactions: until it is applied, nothing is appended.
    package let takenOverAt: Position
    fileprivate var through: String

    package init(takenOverAt: Position) {
      self.takenOverAt = takenOverAt
      through = ""
    }
  }

  /// - Parameters:
  ///   - durable: What the journal holds after the last applied entry, in order.
  ///   - handed: As the last step of the same driver left it.
  ///   - nowMs: Wall time, milliseconds since 1970, for what is appended.
  package static func next(
    durable: [Entry], in store: any StateStore, handed: Handed, nowMs: Int64
  ) throws -> LoopStep {
    let rows = try store.view { view in
      try LoopAssembly.applied(view) < handed.takenOverAt ? [] : LoopAssembly.pending(view, after: handed.through)
    }
    guard let last = rows.last else { return durable.isEmpty ? .rest : .apply(durable) }
    var now = handed
    now.through = last.key
    return .append(rows.map { $0.row.entry(recordedAtMs: nowMs) }, now)
  }
}

extension LoopAssembly {
  /// Applies a group of entries in one transaction: position, state and outbox of all of them, or of none.
  package func apply(_ entries: [Entry], to store: any StateStore) throws {
    try store.transaction { state in
      for entry in entries { try apply(entry, to: state) }
    }
  }
}

extension OutboxRow {
  /// The entry that it becomes.
  package func entry(recordedAtMs: Int64) -> NewEntry {
    NewEntry(id: id, kind: kind, cause: cause, recordedAtMs: recordedAtMs, body: body.canonicalBytes)
  }
}
