import Domain
import Foundation
import GRDB

/// What the journal knows of its packs. It stands in the open segment, so that one commit moves entries from a segment into a
/// pack for whoever reads, and it goes on into each segment that follows.
struct PackCatalogue: Equatable {
  /// By partition, in order.
  var packs: [String: [PackRow]] = [:]
  /// The first position that is kept, where older ones were let go.
  var firstKept: [String: UInt64] = [:]

  static let schema = """
    CREATE TABLE IF NOT EXISTS pack(
      partition TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, bytes INTEGER NOT NULL,
      recorded_until_ms INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY(partition, first)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS kept(partition TEXT PRIMARY KEY, first INTEGER NOT NULL) WITHOUT ROWID;
    """

  init() {}

  init(_ db: Database) throws {
    let rows = try Row.fetchCursor(
      db, sql: "SELECT partition, first, last, bytes, recorded_until_ms, digest FROM pack ORDER BY partition, first")
    while let row = try rows.next() {
      guard let partition = String.fromDatabaseValue(row[0]), let first = Int64.fromDatabaseValue(row[1]),
        let last = Int64.fromDatabaseValue(row[2]), let bytes = Int64.fromDatabaseValue(row[3]),
        let until = Int64.fromDatabaseValue(row[4]), let sum = Data.fromDatabaseValue(row[5]),
        let digest = Digest([UInt8](sum)), first > 0, last >= first, bytes > 0
      else { throw DatabaseError(resultCode: .SQLITE_CORRUPT) }
      packs[partition, default: []].append(
        PackRow(
          first: UInt64(first), last: UInt64(last), bytes: Int(bytes), recordedUntilMs: until, digest: digest))
    }
    for row in try Row.fetchAll(db, sql: "SELECT partition, first FROM kept") {
      guard let partition = String.fromDatabaseValue(row[0]), let first = Int64.fromDatabaseValue(row[1]), first > 0
      else { throw DatabaseError(resultCode: .SQLITE_CORRUPT) }
      firstKept[partition] = UInt64(first)
    }
  }

  init(_ shelves: [String: PackShelf]) {
    packs = shelves.mapValues { $0.packs.map(\.row) }.filter { !$0.value.isEmpty }
    firstKept = shelves.mapValues(\.firstKept).filter { $0.value > 1 }
  }

  /// What a newer segment says goes before.
  mutating func add(newer: PackCatalogue) {
    firstKept.merge(newer.firstKept) { max($0, $1) }
    for (partition, rows) in newer.packs {
      let news = Set(rows.map(\.first))
      packs[partition] = ((packs[partition] ?? []).filter { !news.contains($0.first) } + rows)
        .sorted { $0.first < $1.first }
    }
    for (partition, first) in firstKept { packs[partition]?.removeAll { $0.last < first } }
    packs = packs.filter { !$0.value.isEmpty }
  }

  /// Writes all of it, within the caller's transaction.
  func write(_ db: Database) throws {
    for (partition, rows) in packs { for row in rows { try Self.add(row, of: partition, db) } }
    for (partition, first) in firstKept { try Self.keep(from: first, partition, db) }
  }

  static func add(_ row: PackRow, of partition: String, _ db: Database) throws {
    try db.cachedStatement(
      sql: """
        INSERT OR REPLACE INTO pack(partition, first, last, bytes, recorded_until_ms, digest) VALUES(?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      partition, Int64(row.first), Int64(row.last), Int64(row.bytes), row.recordedUntilMs, Data(row.digest.bytes),
    ])
  }

  static func keep(from first: UInt64, _ partition: String, _ db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO kept(partition, first) VALUES(?, ?)", arguments: [partition, Int64(first)])
    try db.execute(sql: "DELETE FROM pack WHERE partition=? AND last<?", arguments: [partition, Int64(first)])
  }
}

extension Segment {
  func catalogue() throws -> PackCatalogue { hasCatalogue ? try pool.read(PackCatalogue.init) : PackCatalogue() }

  /// Tells a new segment what the ones before knew: they will go one day.
  func goOn(_ epochs: [String: UInt64], _ catalogue: PackCatalogue, crash: any CrashInjector) throws {
    let isTold = try self.epochs() == epochs && self.catalogue() == catalogue
    guard !isTold else { return }
    try pool.writeWithoutTransaction { db in
      try db.inTransaction(.immediate) {
        for (partition, epoch) in epochs {
          try db.execute(
            sql: "INSERT OR REPLACE INTO lease(partition, epoch) VALUES(?, ?)", arguments: [partition, Int64(epoch)])
        }
        try catalogue.write(db)
        crash.reach(.rollBeforeCommit)
        return .commit
      }
    }
    crash.reach(.rollAfterCommit)
  }
}
