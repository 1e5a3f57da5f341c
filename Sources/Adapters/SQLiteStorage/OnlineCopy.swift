import Domain
import Foundation
import GRDB
import Synchronization

/// Copies of databases that are being written to, for backups: each as it was at one moment, in one file.
enum OnlineCopy {
  /// - Parameter path: Where there is nothing yet. Only its owner may read it.
  /// - Throws: `DiskFull`, `StorageError`.
  static func make<Result>(
    of source: any DatabaseReader, at path: String, _ purpose: StorageError.Purpose, look: (Database) throws -> Result
  ) throws -> Result {
    // SQLite would follow a link, and let everybody read whom the umask lets.
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      if errno == ENOSPC { throw DiskFull(path: path) }
      throw StorageError.unusable(path: path, purpose: purpose, reason: String(cString: strerror(errno)))
    }
    close(file)
    do {
      let copy = try DatabaseQueue(path: path)
      defer { try? copy.close() }
      try source.backup(to: copy)
      return try copy.writeWithoutTransaction { db in
        // A copy of a file in WAL mode would need a second file beside it.
        try db.execute(sql: "PRAGMA journal_mode=DELETE")
        return try look(db)
      }
    } catch let error as DatabaseError where error.isForWantOfSpace {
      throw DiskFull(path: path)
    } catch let error as DatabaseError {
      throw StorageError(error, path: path, purpose: purpose)
    }
  }
}

extension SQLiteJournal {
  /// The numbers of the segments there are now, in order.
  package nonisolated var segmentNumbers: [Int] { holdings.withLock { $0.segments.map(\.number) } }

  /// Copies one segment as it is now, while others write to it.
  /// - Returns: The last position of each partition in the copy.
  package nonisolated func copySegment(_ number: Int, to path: String) throws -> [String: UInt64] {
    let segment = holdings.withLock { $0.segments.first { $0.number == number } }
    guard let segment else { return [:] }
    return try OnlineCopy.make(of: segment.pool, at: path, .journal, look: Segment.heads)
  }

  /// The file of a segment, within the journal's folder.
  package static func fileName(_ number: Int) -> String { Segment.fileName(number) }
}

/// Of what journals are made that a backup copies.
package protocol JournalFiles: Sendable {
  var segmentNumbers: [Int] { get }
  /// - Returns: The last position of each partition in the copy.
  func copySegment(_ number: Int, to path: String) throws -> [String: UInt64]
  var status: JournalStatus { get }
  /// By their paths in the object store.
  var packPaths: [(path: String, bytes: Int)] { get }
}

extension SQLiteJournal: JournalFiles {}

/// The segments in a folder on which no host runs, as a version left them that knew no packs: they are copied, and nothing is
/// changed.
package struct SegmentsAtRest: JournalFiles {
  private let folder: String
  package let segmentNumbers: [Int]

  package init(folder: String) throws {
    self.folder = folder
    segmentNumbers = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".segment") }.compactMap { Int($0.dropLast(8)) }.sorted()
  }

  package var status: JournalStatus { JournalStatus(segments: [], partitions: []) }
  package var packPaths: [(path: String, bytes: Int)] { [] }

  package func copySegment(_ number: Int, to path: String) throws -> [String: UInt64] {
    try reading(number) { try OnlineCopy.make(of: $0, at: path, .journal, look: Segment.heads) }
  }

  /// The last position of each partition.
  package func heads() throws -> [String: UInt64] {
    try segmentNumbers.reduce(into: [:]) { heads, number in
      heads.merge(try reading(number) { try $0.read(Segment.heads) }) { max($0, $1) }
    }
  }

  private func reading<Result>(_ number: Int, _ body: (DatabasePool) throws -> Result) throws -> Result {
    let source = folder + "/" + Segment.fileName(number)
    var configuration = Configuration()
    configuration.readonly = true
    return try StorageError.naming(source, .journal) {
      let pool = try DatabasePool(path: source, configuration: configuration)
      defer { try? pool.close() }
      return try body(pool)
    }
  }
}

extension SQLiteKeystore {
  /// Copies the keystore as it is now.
  /// - Returns: The names in the copy.
  package func copy(to path: String) throws -> [String] {
    try OnlineCopy.make(of: queue, at: path, .keystore) { try String.fetchAll($0, sql: "SELECT name FROM keystore") }
  }
}
