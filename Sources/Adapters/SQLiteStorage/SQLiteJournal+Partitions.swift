package import Domain
import Foundation
import GRDB
import Synchronization

// What one partition takes of the journal, and how it is taken out of it.
extension SQLiteJournal {
  /// What a row takes beside the entry's body: the seal, the other columns, and its places in two indexes.
  private static let rowBytes = 230

  package static func storedBytes(of entry: NewEntry) -> Int { entry.body.count + rowBytes }

  /// The same for all rows of a partition. Bodies are not read: SQLite knows their lengths.
  package nonisolated func storedBytes(of partition: Partition) throws -> Int {
    try segments.withLock { $0 }.reduce(0) { sum, segment in
      try sum
        + StorageError.naming(segment.path, .journal) {
          try segment.pool.read { db in
            try Int.fetchOne(
              db, sql: "SELECT coalesce(sum(length(body) + ?), 0) FROM entry WHERE partition=?",
              arguments: [Self.rowBytes - Self.sealBytes, partition.name])
          } ?? 0
        }
    }
  }

  /// Nonce and tag of a sealed body.
  private static let sealBytes = 28
}
