package import Domain
import Foundation
import GRDB
import Synchronization

// What one partition takes of the disk.
extension Segment {
  /// What a row takes: its sealed body, the other columns, and its places in two indexes.
  static func rowBytes(bodyBytes: Int) -> Int { bodyBytes + 202 }

  /// The same for a partition's rows. Bodies are not read: SQLite knows their lengths.
  func rowBytes(of partition: String, _ positions: ClosedRange<UInt64>) throws -> Int {
    try StorageError.naming(path, .journal) {
      try pool.read { db in
        try Int.fetchOne(
          db,
          sql: """
            SELECT coalesce(sum(length(body) + ?), 0) FROM entry WHERE partition=? AND position BETWEEN ? AND ?
            """,
          arguments: [
            Self.rowBytes(bodyBytes: 0), partition, Int64(positions.lowerBound), Int64(positions.upperBound),
          ])
      } ?? 0
    }
  }
}

extension SQLiteJournal {
  /// Begins to count what a partition takes.
  package func countBytes(of partition: Partition) throws {
    let holdings = holdings.withLock { $0 }
    let first = (holdings.shelves[partition.name]?.packedThrough ?? 0) + 1
    let bytes = try holdings.segments.reduce(0) { try $0 + $1.rowBytes(of: partition.name, first...UInt64(Int64.max)) }
    rowBytes.withLock { $0[partition.name] = bytes }
  }

  /// Bytes of a partition's packs, and of its rows that are in no pack. What a closed segment still holds of packed entries
  /// is the host's, and goes with the segment.
  package nonisolated func storedBytes(of partition: Partition) -> Int {
    let packs = holdings.withLock { $0.shelves[partition.name]?.packs } ?? []
    return packs.reduce(rowBytes.withLock { $0[partition.name] } ?? 0) { $0 + $1.row.bytes }
  }
}

// How a partition is taken out of the journal.
extension SQLiteJournal {
  /// Takes every row of a partition out of all segments, and writes over where they stood: whoever has only the file
  /// learns neither kinds nor times, nor the salts of what the ledger commits to. A piece at a time, so that others' commits
  /// go on between. Nobody packs meanwhile; see `JournalPacker.erase`.
  ///
  /// Whoever has its keys may take it over again: they are destroyed before.
  func forget(_ partition: Partition) async throws {
    // Before anybody else's turn comes: a segment that is made meanwhile is told of what is known here.
    disown(partition)
    holdings.withLock { $0.shelves[partition.name] = nil }
    rowBytes.withLock { $0[partition.name] = nil }
    blocks.removeAll()
    // Those that are made from now on know nothing of it.
    for segment in holdings.withLock({ $0.segments }) {
      let isOpen = holdings.withLock { $0.segments.last?.number == segment.number }
      try await forget(partition, in: segment, isOpen: isOpen)
    }
  }

  private func forget(_ partition: Partition, in segment: Segment, isOpen: Bool) async throws {
    guard try segment.knows(partition.name) else { return }
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
      // Beside readers it would leave pages behind, and say so in a row that nobody reads: the segment's own wait.
      try segment.pool.barrierWriteWithoutTransaction { db in
        if isOpen {
          _ = try db.checkpoint(.truncate)
        } else {
          _ = try file.writeWithoutTransaction { try $0.checkpoint(.truncate) }
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

  /// - Returns: How many entries went; what else is known of the partition goes after the last one.
  private func removeSome(of partition: Partition, from file: any DatabaseWriter, _ segment: Segment) throws -> Int {
    try StorageError.naming(segment.path, .journal) {
      do {
        return try file.writeWithoutTransaction { db in
          try db.execute(sql: "PRAGMA secure_delete=ON")
          try db.execute(
            sql: "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE partition=? LIMIT 200)",
            arguments: [partition.name])
          let count = db.changesCount
          guard count == 0 else { return count }
          for table in segment.tables {
            try db.execute(sql: "DELETE FROM \(table) WHERE partition=?", arguments: [partition.name])
          }
          return 0
        }
      } catch let error as DatabaseError where error.isForWantOfSpace { throw DiskFull(path: segment.path) }
    }
  }
}

extension Segment {
  /// Those whose rows are a partition's.
  fileprivate var tables: [String] { ["entry", "lease"] + (hasCatalogue ? ["pack", "kept"] : []) }

  fileprivate func knows(_ partition: String) throws -> Bool {
    try StorageError.naming(path, .journal) {
      try pool.read { db in
        try tables.contains { table in
          try Bool.fetchOne(
            db, sql: "SELECT EXISTS(SELECT 1 FROM \(table) WHERE partition=?)", arguments: [partition]) ?? false
        }
      }
    }
  }
}
