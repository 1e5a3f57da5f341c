import CanonicalJSON
package import Domain
import Foundation
import GRDB

/// A tenant's state in its own database: one table of (space, key, canonical JSON).
///
/// `synchronous=NORMAL`: a crash may lose the last transactions, never their order; what is lost is applied again from
/// the journal, because the position is in the same transaction.
package final class SQLiteStateStore: StateStore {
  static let formatVersion = 1
  private let path: String
  private let queue: DatabaseQueue
  private let crash: any CrashInjector

  package init(path: String, crash: any CrashInjector = NoCrash()) throws {
    queue = try StorageError.naming(path, .state) { try Self.open(path) }
    self.path = path
    self.crash = crash
  }

  private static func open(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    configuration.journalMode = .wal
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    try queue.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA synchronous=NORMAL")
      try db.execute(
        sql: """
          CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
          INSERT OR IGNORE INTO meta(key, value) VALUES('format', \(Self.formatVersion));
          CREATE TABLE IF NOT EXISTS state(
            space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(space, key)) WITHOUT ROWID;
          """)
      let found = try Int.fetchOne(db, sql: "SELECT value FROM meta WHERE key='format'") ?? 0
      guard found == Self.formatVersion else {
        throw StorageError.formatMismatch(path: path, found: found, understood: Self.formatVersion)
      }
    }
    return queue
  }

  /// - Throws: `DiskFull` when what changed finds no room; then nothing has changed.
  package func transaction<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    try StorageError.naming(path, .state) {
      do { return try commit(body) } catch let error as DatabaseError where error.isForWantOfSpace {
        throw DiskFull(path: path)
      }
    }
  }

  private func commit<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    let result = try queue.writeWithoutTransaction { db in
      var result: Result?
      try db.inTransaction(.immediate) {
        result = try body(Transaction(db: db, path: path))
        crash.reach(.stateBeforeCommit)
        return .commit
      }
      return result!
    }
    crash.reach(.stateAfterCommit)
    return result
  }

  package func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result {
    // The queue is this file's only connection and runs one closure at a time, so what is read belongs together without
    // a transaction; and a `StateView` cannot write. GRDB's own `read` prepares four statements around each closure.
    try StorageError.naming(path, .state) { try queue.unsafeRead { try body(Transaction(db: $0, path: path)) } }
  }

  package func viewApart<Result>(_ body: (any StateView) throws -> Result) throws -> Result {
    try StorageError.naming(path, .state) {
      var configuration = Configuration()
      configuration.readonly = true
      configuration.busyMode = .timeout(5)
      let apart = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? apart.close() }
      // In a transaction: what is read is of one moment, whatever the other connection commits.
      return try apart.read { try body(Transaction(db: $0, path: path)) }
    }
  }

  package func close() throws { try queue.close() }

  /// One GRDB access; it does not outlive the closure it is given to.
  private final class Transaction: StateTransaction {
    private let db: Database
    private let path: String
    init(db: Database, path: String) {
      self.db = db
      self.path = path
    }

    func value(_ space: Space, _ key: String) throws -> JSONValue? {
      let statement = try db.cachedStatement(sql: "SELECT value FROM state WHERE space=? AND key=?")
      return try DatabaseValue.fetchOne(statement, arguments: [space.rawValue, StoredKey.of(key)]).map {
        try read($0, space, key)
      }
    }

    func scan(
      _ space: Space, from: String, until: String?, reversed: Bool, countMax: Int
    ) throws -> [(String, JSONValue)] {
      let sql =
        "SELECT key, value FROM state WHERE space=? AND key>=?" + (until == nil ? "" : " AND key<?")
        + " ORDER BY key " + (reversed ? "DESC" : "ASC") + " LIMIT ?"
      let limit = Int64(clamping: countMax)
      let arguments: StatementArguments =
        until.map { [space.rawValue, StoredKey.of(from), StoredKey.of($0), limit] }
        ?? [space.rawValue, StoredKey.of(from), limit]
      return try Row.fetchAll(try db.cachedStatement(sql: sql), arguments: arguments).map {
        guard let key = String.fromDatabaseValue($0[0]).map(StoredKey.read) else {
          throw StorageError.damagedRow(path: path, row: "\(space.rawValue)/?", reason: "its key is no text")
        }
        return (key, try read($0[1], space, key))
      }
    }

    func tally(_ space: Space, by member: String, countMax: Int) throws -> [String: Int] {
      let sql = """
        SELECT CASE json_type(value, ?1) WHEN 'text' THEN json_extract(value, ?1) ELSE '' END, count(*)
        FROM (SELECT value FROM state WHERE space=?2 ORDER BY key LIMIT ?3) GROUP BY 1
        """
      let rows = try Row.fetchAll(
        try db.cachedStatement(sql: sql), arguments: ["$.\"\(member)\"", space.rawValue, Int64(clamping: countMax)])
      return Dictionary(uniqueKeysWithValues: rows.map { ($0[0], $0[1]) })
    }

    func count(_ space: Space, prefix: String, countMax: Int) throws -> Int {
      let end = prefixEnd(prefix)
      let sql =
        "SELECT count(*) FROM (SELECT 1 FROM state WHERE space=? AND key>=?" + (end == nil ? "" : " AND key<?")
        + " LIMIT ?)"
      let range = [prefix, end].compactMap { $0.map(StoredKey.of) }
      return try Int.fetchOne(
        try db.cachedStatement(sql: sql),
        arguments: [space.rawValue] + StatementArguments(range) + [Int64(clamping: countMax)]) ?? 0
    }

    func spaces() throws -> [Space] {
      try String.fetchAll(db, sql: "SELECT DISTINCT space FROM state ORDER BY space").map { Space($0) }
    }

    func set(_ space: Space, _ key: String, _ value: JSONValue) throws {
      try db.cachedStatement(sql: "INSERT OR REPLACE INTO state(space, key, value) VALUES(?, ?, ?)")
        .execute(arguments: [space.rawValue, StoredKey.of(key), value.canonicalText])
    }

    func remove(_ space: Space, _ key: String) throws {
      try db.cachedStatement(sql: "DELETE FROM state WHERE space=? AND key=?").execute(arguments: [
        space.rawValue, StoredKey.of(key),
      ])
    }

    private func read(_ column: DatabaseValue, _ space: Space, _ key: String) throws -> JSONValue {
      func damaged(_ reason: String) -> StorageError {
        .damagedRow(path: path, row: "\(space.rawValue)/\(key)", reason: reason)
      }
      guard let text = String.fromDatabaseValue(column) else { throw damaged("its value is no text") }
      do { return try JSONValue(parsing: text) } catch { throw damaged(error.message) }
    }
  }
}

/// A key as the file holds it. Text ends at its first NUL for SQLite's C interface, and a key may hold what somebody else
/// wrote: a NUL becomes two bytes 1, and a byte 1 becomes 1 and 2, so that keys keep their order.
private enum StoredKey {
  static func of(_ key: String) -> String {
    guard key.utf8.contains(where: { $0 <= 1 }) else { return key }
    return String(decoding: key.utf8.flatMap { $0 <= 1 ? [1, $0 + 1] : [$0] }, as: UTF8.self)
  }

  static func read(_ stored: String) -> String {
    guard stored.utf8.contains(1) else { return stored }
    var (bytes, isSecond): ([UInt8], Bool) = ([], false)
    for byte in stored.utf8 {
      if isSecond, byte == 1 || byte == 2 {
        bytes[bytes.count - 1] = byte - 1
        isSecond = false
      } else {
        bytes.append(byte)
        isSecond = byte == 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
