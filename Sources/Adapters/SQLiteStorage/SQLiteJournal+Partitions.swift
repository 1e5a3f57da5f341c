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

  /// Takes every row of a partition out of all segments, and writes over where they stood: whoever has only the file
  /// learns neither kinds nor times, nor the salts of what the ledger commits to. A piece at a time, so that others' commits
  /// go on between.
  ///
  /// Whoever has its keys may append to it again: they are destroyed before.
  package func forget(_ partition: Partition) async throws {
    let all = segments.withLock { $0 }
    for segment in all {
      let isOpen = segment.number == all.last?.number
      try await forget(partition, in: segment, isOpen: isOpen)
    }
  }

  private func forget(_ partition: Partition, in segment: Segment, isOpen: Bool) async throws {
    guard try holds(partition, segment) else { return }
    // Closed segments are open for reading only.
    let file: any DatabaseWriter
    if isOpen {
      file = segment.pool
    } else {
      file = try StorageError.naming(segment.path, .journal) { try Self.writable(segment) }
    }
    defer { if !isOpen { try? file.close() } }
    while try removeSome(of: partition, from: file, segment) > 0 { await Task.yield() }
    try StorageError.naming(segment.path, .journal) {
      try file.barrierWriteWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
    }
  }

  private nonisolated func holds(_ partition: Partition, _ segment: Segment) throws -> Bool {
    try StorageError.naming(segment.path, .journal) {
      try segment.pool.read { db in
        try ["entry", "lease"].contains { table in
          try Bool.fetchOne(
            db, sql: "SELECT EXISTS(SELECT 1 FROM \(table) WHERE partition=?)", arguments: [partition.name]) ?? false
        }
      }
    }
  }

  private static func writable(_ segment: Segment) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    let queue = try DatabaseQueue(path: segment.path, configuration: configuration)
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous=FULL") }
    return queue
  }

  /// - Returns: How many rows went.
  private func removeSome(of partition: Partition, from file: any DatabaseWriter, _ segment: Segment) throws -> Int {
    try StorageError.naming(segment.path, .journal) {
      do {
        return try file.writeWithoutTransaction { db in
          try db.execute(sql: "PRAGMA secure_delete=ON")
          try db.execute(
            sql: "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE partition=? LIMIT 200)",
            arguments: [partition.name])
          let count = db.changesCount
          if count == 0 { try db.execute(sql: "DELETE FROM lease WHERE partition=?", arguments: [partition.name]) }
          return count
        }
      } catch let error as DatabaseError where error.isForWantOfSpace { throw DiskFull(path: segment.path) }
    }
  }
}
