/// The durable spine. Everything else is a projection of it and can be rebuilt.
package protocol Journal: Sendable {
  /// Appends the entries, in order and together, and returns when they are durable.
  ///
  /// Idempotent by entry id: an entry that the partition already holds keeps its position and is not written again.
  /// - Parameter epoch: The lease under which this owner writes; an older one is refused.
  /// - Returns: The position of each entry, in the order given.
  /// - Throws: `JournalError`, `DiskFull`.
  func append(_ entries: [NewEntry], to partition: Partition, epoch: UInt64) async throws -> [Position]

  /// Entries after `position`, in order, at most `countMax` and at least one if there is one.
  /// - Throws: `JournalError.trimmed` when the next one was let go.
  func read(_ partition: Partition, after position: Position, countMax: Int) async throws -> [Entry]

  /// The last durable position, or `.origin`.
  func head(of partition: Partition) async throws -> Position
}

/// Why the journal refused.
package enum JournalError: OperatorError, Equatable {
  case fenced(partition: String, epoch: UInt64, current: UInt64)
  case entryTooLarge(bytes: Int, bytesMax: Int)
  /// `kind`: as the entry's row names it, when it does.
  case damaged(partition: String, position: UInt64, kind: String?, reason: String)
  /// The entry asked for went when its time was over; `firstKept` is the first that is still there.
  case trimmed(partition: String, position: UInt64, firstKept: UInt64)
  case closed
  case behindState(partition: String, head: UInt64, applied: UInt64)

  package var code: String {
    switch self {
    case .fenced: "journal.fenced"
    case .entryTooLarge: "journal.entry_too_large"
    case .damaged: "journal.damaged"
    case .trimmed: "journal.trimmed"
    case .closed: "journal.closed"
    case .behindState: "journal.behind_state"
    }
  }
  package var message: String {
    switch self {
    case .fenced(let partition, let epoch, let current):
      "A writer of partition \(partition) holds epoch \(epoch), but epoch \(current) has taken over."
    case .entryTooLarge(let bytes, let max): "An entry has \(bytes) bytes; the journal takes at most \(max)."
    case .damaged(let partition, let position, _, let reason):
      "Entry \(position) of partition \(partition) cannot be read: \(reason)."
    case .trimmed(let partition, let position, let firstKept):
      "Entry \(position) of \(partition) was let go when its time was over; the first that is kept is \(firstKept)."
    case .closed: "The journal is closed; the host is stopping."
    case .behindState(let partition, let head, let applied):
      "The journal of \(partition) ends at entry \(head), but entry \(applied) has been applied: entries are missing."
    }
  }
  package var remedy: String {
    switch self {
    case .fenced: "Stop this host; another one owns the data folder now."
    case .entryTooLarge: "Lower the connector's batch size in its manifest."
    case .damaged: "Run `sluice doctor --deep`, and restore the segment or pack from a backup."
    case .trimmed:
      "Ask for a later one. What older ones led to stands in the ledger, and older bodies in older backups."
    case .closed: "Start the host again."
    case .behindState: "Put the journal's newest segments back. Entries that are lost are not made up for by going on."
    }
  }
}
