package import Domain
import Foundation
import GRDB

/// Wrapped keys and sealed secrets in a small database of their own, `synchronous=FULL`, so that a rotated token is
/// durable before it is first used.
package final class SQLiteKeystore: Keystore {
  private let path: String
  let queue: DatabaseQueue
  private let crash: any CrashInjector

  package init(path: String, crash: any CrashInjector = NoCrash()) throws {
    queue = try StorageError.naming(path, .keystore) { try Self.open(path) }
    self.path = path
    self.crash = crash
    // Never more than it had: an operator may have taken rights away.
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & 0o077 != 0 { chmod(path, status.st_mode & 0o700) }
  }

  private static func open(_ path: String) throws -> DatabaseQueue {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA synchronous=FULL")
      // What is removed is written over. Copies that SQLite left when it moved rows are not: `scrub` sees to them.
      try db.execute(sql: "PRAGMA secure_delete=ON")
      try db.execute(sql: "PRAGMA temp_store=MEMORY")
      try db.execute(
        sql: "CREATE TABLE IF NOT EXISTS keystore(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
      guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else { throw StorageError.notDurable(path: path) }
    }
    return queue
  }

  package func value(_ name: String) throws -> [UInt8]? {
    try read { db in
      try Data.fetchOne(db, sql: "SELECT value FROM keystore WHERE name=?", arguments: [name]).map { [UInt8]($0) }
    }
  }

  package func set(_ name: String, _ value: [UInt8]) throws {
    try write { db in
      try db.execute(
        sql: "INSERT OR REPLACE INTO keystore(name, value) VALUES(?, ?)", arguments: [name, Data(value)])
    }
  }

  package func remove(_ name: String) throws {
    try write { try $0.execute(sql: "DELETE FROM keystore WHERE name=?", arguments: [name]) }
  }

  package func names(withPrefix prefix: String) throws -> [String] {
    try read { db in
      try String.fetchAll(
        db, sql: "SELECT name FROM keystore WHERE substr(name, 1, ?)=? ORDER BY name",
        arguments: [prefix.unicodeScalars.count, prefix])
    }
  }

  /// Writes the file anew, so that nothing of what was ever removed is left in it or in a file beside it.
  /// - Throws: `DiskFull` when there is no room for that; then it is as before.
  package func scrub() throws {
    try StorageError.naming(path, .keystore) {
      do {
        try queue.writeWithoutTransaction { db in
          try db.execute(sql: "VACUUM")
          try db.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
        }
      } catch let error as DatabaseError where error.isForWantOfSpace { throw DiskFull(path: path) }
    }
  }

  private func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
    try StorageError.naming(path, .keystore) { try queue.read(body) }
  }

  private func write(_ body: (Database) throws -> Void) throws {
    try StorageError.naming(path, .keystore) {
      try queue.writeWithoutTransaction { db in
        try db.inTransaction(.immediate) {
          try body(db)
          crash.reach(.keystoreBeforeCommit)
          return .commit
        }
      }
    }
    crash.reach(.keystoreAfterCommit)
  }
}
