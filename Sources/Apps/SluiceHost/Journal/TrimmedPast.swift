import CanonicalJSON
import Domain
import SQLiteStorage
import WholeLoop

/// Where a tenant's journal begins: at its first entry, or at a snapshot of the state that older entries led to.
///
/// What is believed of a snapshot stands in the journal: the order that let the entries go names its digest, and is sealed
/// with the tenant's key like every entry.
package struct TrimmedPast: Sendable {
  let partition: Partition
  let journal: SQLiteJournal
  let objects: any ObjectStore
  let sealer: any Sealer

  /// Puts the state into `store`, in place of whatever is there.
  /// - Returns: The position it is of; the origin, and an untouched store, where nothing was trimmed.
  /// - Throws: `SnapshotError`, `JournalError`; then the store is as it was.
  nonisolated(nonsending) func begin(in store: any StateStore) async throws -> Position {
    guard let trim = try await order() else { return .origin }
    let position = Position(trim.snapshot)
    try store.transaction { state in
      for space in try state.spaces() {
        var rows: [(String, JSONValue)]
        repeat {
          rows = try state.scan(space, from: "", until: nil, reversed: false, countMax: 1_000)
          for (key, _) in rows { try state.remove(space, key) }
        } while !rows.isEmpty
      }
      try check(trim) { try state.set($0, $1, $2) }
      guard try LoopAssembly.applied(state) == position else {
        throw unproven(trim, "its state is of entry \(try LoopAssembly.applied(state))")
      }
    }
    return position
  }

  /// Reads a snapshot to its end.
  func check(_ trim: Trim, row: (Space, String, JSONValue) throws -> Void = { _, _, _ in }) throws {
    let found = try StateSnapshot.read(
      partition, at: Position(trim.snapshot), from: objects, sealer: sealer, row: row)
    guard found == trim.digest else {
      throw unproven(trim, "its rows have the digest \(found), the order says \(trim.digest)")
    }
  }

  /// The order by which the first kept position is what it is; nil where nothing was trimmed.
  private nonisolated(nonsending) func order() async throws -> Trim? {
    let firstKept = journal.firstKept(of: partition)
    guard firstKept > Position(1) else { return nil }
    var position = Position(firstKept.number - 1)
    while true {
      let entries = try await journal.read(partition, after: position, countMax: 256)
      guard let last = entries.last else { break }
      for entry in entries where entry.kind == .order {
        let trim = try JSONValue(parsing: entry.body).decode(Order.self).trim
        if let trim, trim.firstKept == firstKept.number { return trim }
      }
      position = last.position
    }
    throw SnapshotError.unproven(
      path: StateSnapshot.folder(partition),
      reason: "no order in the journal lets the entries before \(firstKept) go")
  }

  private func unproven(_ trim: Trim, _ reason: String) -> SnapshotError {
    .unproven(path: StateSnapshot.path(partition, Position(trim.snapshot)), reason: reason)
  }
}
