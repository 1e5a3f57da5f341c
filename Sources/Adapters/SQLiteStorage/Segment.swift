// SQLiteStorage: the storage ports on SQLite, through GRDB. Journal segments (FULL, one writer, group commit), the packs that
// take their place, and tenant databases (NORMAL, rebuilt from the journal when lost). No decisions are made here, and no
// other room knows SQL.

import Domain
import Foundation
import GRDB
import Synchronization

/// One file of the journal. The newest is open for appending, the others never change, and go once their entries are packed.
///
/// Whoever holds the object can read the file; a file that is to go does so with its last reader.
final class Segment: Sendable {
  /// Format 2 knew no compression and no packs. It is still read; a file that is written to becomes one of format 3.
  static let formatVersion = 3
  private static let oldestFormat = 2

  let number: Int
  let path: String
  let pool: DatabasePool
  /// Whether it can hold a catalogue of packs.
  let hasCatalogue: Bool
  private let dooming = Mutex<(any CrashInjector)?>(nil)

  private init(number: Int, path: String, pool: DatabasePool, hasCatalogue: Bool) {
    self.number = number
    self.path = path
    self.pool = pool
    self.hasCatalogue = hasCatalogue
  }

  deinit {
    guard let crash = dooming.withLock({ $0 }) else { return }
    try? pool.close()
    crash.reach(.packBeforeUnlink)
    // What cannot be removed is found, packed already, by the next round; the log before its file, or nobody would find it.
    for file in [path + "-wal", path + "-shm", path] { unlink(file) }
    crash.reach(.packAfterUnlink)
  }

  /// Everything in it is packed: the file goes as soon as nobody reads it.
  func doom(_ crash: any CrashInjector) { dooming.withLock { $0 = crash } }

  static func fileName(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 10 - digits.count)) + digits + ".segment"
  }

  /// Opens the file, or makes it. `synchronous=FULL` is set after opening because `DatabasePool` resets it to NORMAL
  /// once its own preparation has run.
  static func open(number: Int, folder: String, writable: Bool) throws -> Segment {
    let path = folder + "/" + fileName(number)
    return try StorageError.naming(path, .journal) { try open(number: number, path: path, writable: writable) }
  }

  private static func open(number: Int, path: String, writable: Bool) throws -> Segment {
    var configuration = Configuration()
    configuration.maximumReaderCount = 2
    configuration.readonly = !writable
    configuration.busyMode = .timeout(5)
    let pool = try DatabasePool(path: path, configuration: configuration)
    var found: Int?
    if writable {
      try pool.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA synchronous=FULL")
        try db.execute(sql: "PRAGMA wal_autocheckpoint=4000")
        try db.execute(sql: beginning)
        found = try format(db)
        guard let found, understands(found) else { return }
        try db.execute(sql: schema)
      }
      let level = try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
      guard level == 2 else { throw StorageError.notDurable(path: path) }
    } else {
      found = try pool.read(format)
    }
    let version = found ?? 0
    guard understands(version) else {
      throw StorageError.formatMismatch(path: path, found: version, understood: formatVersion)
    }
    return Segment(number: number, path: path, pool: pool, hasCatalogue: writable || version == formatVersion)
  }

  private static func understands(_ format: Int) -> Bool { (oldestFormat...formatVersion).contains(format) }

  private static func format(_ db: Database) throws -> Int? {
    try Int.fetchOne(db, sql: "SELECT value FROM meta WHERE key='format'")
  }

  private static let beginning = """
    CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT OR IGNORE INTO meta(key, value) VALUES('format', \(formatVersion));
    """

  // A body is sealed with its tenant's key, and bound to every other column of its row. What a file of format 2 holds is
  // the same in format 3; an older host refuses what is added.
  private static let schema = """
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS lease(partition TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS entry(
      partition TEXT NOT NULL, position INTEGER NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL, cause INTEGER,
      recorded_at_ms INTEGER NOT NULL, salt BLOB NOT NULL, codec INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE UNIQUE INDEX IF NOT EXISTS entry_position ON entry(partition, position);
    CREATE UNIQUE INDEX IF NOT EXISTS entry_id ON entry(partition, id);
    \(PackCatalogue.schema)
    UPDATE meta SET value=\(formatVersion) WHERE key='format' AND value<>\(formatVersion);
    COMMIT;
    """

  /// What a sealed body is bound to: the rest of its row. No field can be changed, and no body moved to another row.
  static func context(_ entry: NewEntry, at position: Position, salt: [UInt8], codec: Int64) -> [UInt8] {
    func bytes(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
    func counted(_ field: [UInt8]) -> [UInt8] { bytes(UInt64(field.count)) + field }
    return counted(entry.id.bytes) + bytes(position.number) + counted(Array(entry.kind.rawValue.utf8))
      + bytes(entry.cause.map { $0.number } ?? .max) + bytes(UInt64(bitPattern: entry.recordedAtMs)) + counted(salt)
      + bytes(UInt64(bitPattern: codec))
  }

  /// The last position of each partition that has entries here.
  func heads() throws -> [String: UInt64] { try pool.read(Self.heads) }

  static func heads(_ db: Database) throws -> [String: UInt64] {
    var heads: [String: UInt64] = [:]
    for row in try Row.fetchAll(db, sql: headsOfPartitions) {
      heads[row[0]] = UInt64(row[1] as Int64)
    }
    return heads
  }

  /// Two steps in an index for each partition, however many entries it has: grouping would read all of them, for each pack
  /// that is made of a segment and whenever somebody asks for the journal's status.
  static let headsOfPartitions = """
    WITH RECURSIVE known(name) AS (
      SELECT min(partition) FROM entry
      UNION ALL SELECT (SELECT min(partition) FROM entry WHERE partition > name) FROM known WHERE name IS NOT NULL)
    SELECT name, (SELECT max(position) FROM entry WHERE partition = name) FROM known WHERE name IS NOT NULL
    """

  func epochs() throws -> [String: UInt64] {
    try pool.read { db in
      var epochs: [String: UInt64] = [:]
      for row in try Row.fetchAll(db, sql: "SELECT partition, epoch FROM lease") {
        epochs[row[0]] = UInt64(row[1] as Int64)
      }
      return epochs
    }
  }

  func position(of id: Digest, in partition: Partition) throws -> Position? {
    try pool.read { db in
      try Int64.fetchOne(
        db.cachedStatement(sql: "SELECT position FROM entry WHERE partition=? AND id=?"),
        arguments: [partition.name, Data(id.bytes)])
    }.map { Position(UInt64($0)) }
  }

  /// Bytes of the file and its write-ahead log.
  var fileBytes: Int {
    [path, path + "-wal"].reduce(0) { sum, path in
      sum + (((try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? Int) ?? 0)
    }
  }
}
