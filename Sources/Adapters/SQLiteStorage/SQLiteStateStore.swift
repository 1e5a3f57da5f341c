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
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    configuration.journalMode = .wal
    queue = try DatabaseQueue(path: path, configuration: configuration)
    self.path = path
    self.crash = crash
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
  }

  /// - Throws: `DiskFull` when what changed finds no room; then nothing has changed.
  package func transaction<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    do { return try commit(body) } catch let error as DatabaseError where error.isForWantOfSpace {
      throw DiskFull(path: path)
    }
  }

  private func commit<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    let result = try queue.writeWithoutTransaction { db in
      var result: Result?
      try db.inTransaction(.immediate) {
        result = try body(Transaction(db: db))
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
    try queue.unsafeRead { try body(Transaction(db: $0)) }
  }

  package func close() throws { try queue.close() }

  /// One GRDB access; it does not outlive the closure it is given to.
  private final class Transaction: StateTransaction {
    let db: Database
    init(db: Database) { self.db = db }

    func value(_ space: Space, _ key: String) throws -> JSONValue? {
      let statement = try db.cachedStatement(sql: "SELECT value FROM state WHERE space=? AND key=?")
      return try String.fetchOne(statement, arguments: [space.rawValue, key]).map { try read($0, space, key) }
    }

    func scan(
      _ space: Space, from: String, until: String?, reversed: Bool, countMax: Int
    ) throws -> [(String, JSONValue)] {
      let sql =
        "SELECT key, value FROM state WHERE space=? AND key>=?" + (until == nil ? "" : " AND key<?")
        + " ORDER BY key " + (reversed ? "DESC" : "ASC") + " LIMIT ?"
      let limit = Int64(clamping: countMax)
      let arguments: StatementArguments =
        until.map { [space.rawValue, from, $0, limit] } ?? [space.rawValue, from, limit]
      return try Row.fetchAll(try db.cachedStatement(sql: sql), arguments: arguments).map {
        ($0[0], try read($0[1], space, $0[0]))
      }
    }

    func set(_ space: Space, _ key: String, _ value: JSONValue) throws {
      try db.cachedStatement(sql: "INSERT OR REPLACE INTO state(space, key, value) VALUES(?, ?, ?)")
        .execute(arguments: [space.rawValue, key, value.canonicalText])
    }

    func remove(_ space: Space, _ key: String) throws {
      try db.cachedStatement(sql: "DELETE FROM state WHERE space=? AND key=?").execute(arguments: [space.rawValue, key])
    }

    private func read(_ text: String, _ space: Space, _ key: String) throws -> JSONValue {
      do { return try JSONValue(parsing: text) } catch {
        throw StorageError.damagedRow(path: db.description, row: "\(space.rawValue)/\(key)", reason: error.message)
      }
    }
  }
}
