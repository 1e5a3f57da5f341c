import CanonicalJSON
package import Domain

/// What a tenant's driver does next. Everything durable is applied before anything is appended, so that what the journal
/// holds already strikes its row of the outbox, also after a crash that lost the state's last transactions.
package enum LoopStep: Sendable, Equatable {
  /// Apply these, in one transaction.
  case apply([Entry])
  /// Append these, together.
  case append([NewEntry])
  /// Nothing is left to do until the journal grows.
  case rest

  /// The most entries that one transaction applies.
  package static let groupCountMax = 64

  /// - Parameters:
  ///   - durable: What the journal holds after the last applied entry, in order.
  ///   - nowMs: Wall time, milliseconds since 1970, for what is appended.
  package static func next(durable: [Entry], in store: any StateStore, nowMs: Int64) throws -> LoopStep {
    guard durable.isEmpty else { return .apply(durable) }
    let rows = try store.view { try LoopAssembly.pending($0) }
    return rows.isEmpty ? .rest : .append(rows.map { $0.entry(recordedAtMs: nowMs) })
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
