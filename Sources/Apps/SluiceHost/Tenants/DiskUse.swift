import Domain
import Foundation
import SQLiteStorage
import Synchronization

/// What one tenant takes of the disk, in bytes as they are stored: its part of the journal, with packs and the snapshot that
/// stands for what was trimmed; its database with the write-ahead log; its published logs. Counted when the tenant is opened,
/// then kept up with what is written.
package final class DiskUse: Sendable {
  struct Counts: Equatable, Sendable {
    var journal: Int64 = 0
    var database: Int64 = 0
    var ledger: Int64 = 0
    var total: Int64 { journal + database + ledger }
  }

  private struct Held {
    var snapshots: Int64 = 0
    var database: Int64 = 0
    var ledger: Int64 = 0
  }

  private let folder: String
  private let partition: Partition
  private let journal: SQLiteJournal
  private let objects: any ObjectStore
  private let held = Mutex(Held())

  /// - Parameter folder: The tenant's own.
  init(folder: String, partition: Partition, journal: SQLiteJournal, objects: any ObjectStore) {
    self.folder = folder
    self.partition = partition
    self.journal = journal
    self.objects = objects
  }

  var counts: Counts {
    let held = held.withLock { $0 }
    return Counts(
      journal: Int64(journal.storedBytes(of: partition)) + held.snapshots, database: held.database,
      ledger: held.ledger)
  }

  /// But for the ledger.
  func countAnew() async throws {
    try await journal.countBytes(of: partition)
    try measureSnapshots()
    measureDatabase()
  }

  func countLedger() {
    let ledger = Self.bytes(below: folder + "/ledger")
    held.withLock { $0.ledger = ledger }
  }

  func add(ledgerBytes: Int) { held.withLock { $0.ledger += Int64(ledgerBytes) } }

  func measureSnapshots() throws {
    let bytes = try objects.list(StateSnapshot.folder(partition)).reduce(0) { try $0 + (objects.size($1) ?? 0) }
    held.withLock { $0.snapshots = Int64(bytes) }
  }

  func measureDatabase() {
    let bytes = ["/state.db", "/state.db-wal"].reduce(Int64(0)) { $0 + Self.bytes(of: folder + $1) }
    held.withLock { $0.database = bytes }
  }

  private static func bytes(of path: String) -> Int64 {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : 0
  }

  static func bytes(below folder: String) -> Int64 {
    guard let names = FileManager.default.enumerator(atPath: folder) else { return 0 }
    var sum: Int64 = 0
    for case let name as String in names { sum += bytes(of: "\(folder)/\(name)") }
    return sum
  }
}
