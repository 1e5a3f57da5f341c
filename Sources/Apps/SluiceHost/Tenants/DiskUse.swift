import Domain
import Foundation
import Synchronization

/// What one tenant takes of the disk, in bytes as they are stored: counted when it is opened, then kept up with what is
/// written. Its rows of the journal, its database with the write-ahead log, its published logs.
package final class DiskUse: Sendable {
  struct Counts: Equatable, Sendable {
    var journal: Int64 = 0
    var database: Int64 = 0
    var ledger: Int64 = 0
    var total: Int64 { journal + database + ledger }
  }

  private let folder: String
  private let held = Mutex(Counts())

  /// - Parameter folder: The tenant's own.
  init(folder: String) { self.folder = folder }

  var counts: Counts { held.withLock { $0 } }

  func countAnew(journalBytes: Int) {
    let ledger = Self.bytes(below: folder + "/ledger")
    held.withLock {
      $0.journal = Int64(journalBytes)
      $0.ledger = ledger
    }
    measureDatabase()
  }

  func add(journalBytes: Int) { held.withLock { $0.journal += Int64(journalBytes) } }
  func add(ledgerBytes: Int) { held.withLock { $0.ledger += Int64(ledgerBytes) } }

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
