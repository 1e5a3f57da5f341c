package import Domain
import Foundation
import GRDB
import Synchronization

/// The journal in SQLite segments.
///
/// One writer for all tenants, and readers beside it that never wait for a commit. Appends that arrive while a commit is being made durable go together into the next one,
/// so one fsync serves everybody who waits. A byte quota per partition and commit keeps one tenant from filling it.
package actor SQLiteJournal: Journal {
  private nonisolated let executor = BlockingExecutor(label: "sluice.journal")
  package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  package struct Limits: Sendable {
    package var segmentBytesMax = 256 * 1024 * 1024
    package var entryBytesMax = 1024 * 1024
    package var partitionBytesPerCommitMax = 8 * 1024 * 1024
    package init() {}
  }

  private struct Append {
    let entries: [NewEntry]
    let partition: Partition
    let done: CheckedContinuation<[Position], any Error>
    var bytes: Int { entries.reduce(0) { $0 + $1.body.count } }
    var canWait: Bool { entries.allSatisfy(\.kind.canWait) }
  }

  private let folder: String
  private let limits: Limits
  private let sealer: any Sealer
  private let reserve: any DiskReserve
  private let crash: any CrashInjector
  private let random: @Sendable (Int) -> [UInt8]
  /// In order; the last one is written to.
  nonisolated let segments: Mutex<[Segment]>
  private var heads: [String: UInt64] = [:]
  private var epochs: [String: UInt64] = [:]
  private var pending: [Append] = []
  private var isClosed = false
  /// Commits made and entries committed, for metrics.
  package private(set) var commitCount = 0
  package private(set) var entryCount = 0

  /// Opens every segment of the folder and makes the first one when there is none.
  package init(
    folder: String, sealer: any Sealer, random: @escaping @Sendable (Int) -> [UInt8], limits: Limits = Limits(),
    reserve: any DiskReserve = UnlimitedDisk(), crash: any CrashInjector = NoCrash()
  ) throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    self.folder = folder
    self.limits = limits
    self.sealer = sealer
    self.reserve = reserve
    self.crash = crash
    self.random = random
    let numbers = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".segment") }.compactMap { Int($0.dropLast(8)) }.sorted()
    let opened = try (numbers.isEmpty ? [1] : numbers).map { number in
      try Segment.open(number: number, folder: folder, writable: number == numbers.last ?? 1)
    }
    segments = Mutex(opened)
    for segment in opened {
      let kept = try StorageError.naming(segment.path, .journal) {
        (heads: try segment.heads(), epochs: try segment.epochs())
      }
      heads.merge(kept.heads) { max($0, $1) }
      epochs.merge(kept.epochs) { max($0, $1) }
    }
  }

  /// The names of all partitions that have entries.
  package var partitionNames: [String] { heads.keys.sorted() }

  /// Takes the partition over: every earlier owner is refused from now on.
  package func acquire(_ partition: Partition) throws -> UInt64 {
    let epoch = (epochs[partition.name] ?? 0) + 1
    let last = segments.withLock { $0.last! }
    try StorageError.naming(last.path, .journal) {
      try last.pool.write { db in
        try db.execute(
          sql: "INSERT OR REPLACE INTO lease(partition, epoch) VALUES(?, ?)",
          arguments: [partition.name, Int64(epoch)])
      }
    }
    epochs[partition.name] = epoch
    return epoch
  }

  package func append(
    _ entries: [NewEntry], to partition: Partition, epoch: UInt64
  ) async throws -> [Position] {
    guard !isClosed else { throw JournalError.closed }
    let current = epochs[partition.name] ?? 0
    guard epoch == current else {
      throw JournalError.fenced(partition: partition.name, epoch: epoch, current: current)
    }
    for entry in entries where entry.body.count > limits.entryBytesMax {
      throw JournalError.entryTooLarge(bytes: entry.body.count, bytesMax: limits.entryBytesMax)
    }
    guard !entries.isEmpty else { return [] }
    return try await withCheckedThrowingContinuation { done in
      pending.append(Append(entries: entries, partition: partition, done: done))
      if pending.count == 1 { Task { self.commitPending() } }
    }
  }

  package func head(of partition: Partition) -> Position { Position(heads[partition.name] ?? 0) }

  package nonisolated(nonsending) func read(
    _ partition: Partition, after position: Position, countMax: Int
  ) async throws -> [Entry] {
    try stored(partition, after: position, countMax: countMax)
  }

  /// - Parameter bytesMax: Of bodies; an entry that goes beyond it is the last one.
  package nonisolated(nonsending) func read(
    _ partition: Partition, after position: Position, countMax: Int, bytesMax: Int
  ) async throws -> [Entry] {
    try stored(partition, after: position, countMax: countMax, bytesMax: bytesMax)
  }

  /// Closes the files after what is pending is durable.
  package func close() throws {
    commitPending()
    isClosed = true
    for segment in segments.withLock({ $0 }) { try segment.pool.close() }
  }
}

// Committing.
extension SQLiteJournal {
  private func commitPending() {
    guard !pending.isEmpty else { return }
    let group = takeGroup()
    do { try makeDurable(group) } catch is DiskFull {
      // What came from outside comes again. The rest must not be lost: the ballast makes room for it.
      let (waiting, needed) = (group.filter(\.canWait), group.filter { !$0.canWait })
      for append in waiting { append.done.resume(throwing: DiskFull(path: folder)) }
      do { if !needed.isEmpty { try makeDurable(needed, releasing: true) } } catch {
        for append in needed { append.done.resume(throwing: error) }
      }
    } catch {
      for append in group { append.done.resume(throwing: error) }
    }
    if !pending.isEmpty { Task { self.commitPending() } }
  }

  private func makeDurable(_ group: [Append], releasing: Bool = false) throws {
    if releasing { _ = reserve.release() }
    let result: (positions: [[Position]], heads: [String: UInt64], written: Int)
    do {
      try rollIfFull()
      result = try commit(group)
    } catch let error as DatabaseError where error.isForWantOfSpace {
      throw DiskFull(path: folder)
    } catch let error as DatabaseError {
      throw StorageError(error, path: segments.withLock { $0.last!.path }, purpose: .journal)
    }
    heads.merge(result.heads) { max($0, $1) }
    commitCount += 1
    entryCount += result.written
    for (append, given) in zip(group, result.positions) { append.done.resume(returning: given) }
  }

  /// The appends of the next commit, at most the quota for each partition; the rest stays pending, in order.
  private func takeGroup() -> [Append] {
    var bytes: [String: Int] = [:]
    var group: [Append] = []
    var rest: [Append] = []
    for append in pending {
      let sum = bytes[append.partition.name, default: 0]
      if sum == 0 || sum + append.bytes <= limits.partitionBytesPerCommitMax {
        bytes[append.partition.name] = max(sum + append.bytes, 1)
        group.append(append)
      } else {
        bytes[append.partition.name] = limits.partitionBytesPerCommitMax  // keeps the partition's order
        rest.append(append)
      }
    }
    pending = rest
    return group
  }

  private func commit(_ group: [Append]) throws -> (positions: [[Position]], heads: [String: UInt64], written: Int) {
    var newHeads: [String: UInt64] = [:]
    var written = 0
    let segments = self.segments.withLock { $0 }
    let older = segments.dropLast()
    let positions = try segments.last!.pool.writeWithoutTransaction { db -> [[Position]] in
      var all: [[Position]] = []
      try db.inTransaction(.immediate) {
        for append in group {
          var given: [Position] = []
          for entry in append.entries {
            let partition = append.partition
            if let known = try known(entry.id, in: partition, db: db, older: older) {
              given.append(known)
              continue
            }
            let position = Position((newHeads[partition.name] ?? heads[partition.name] ?? 0) + 1)
            try insert(entry, at: position, in: partition, db: db)
            newHeads[partition.name] = position.number
            given.append(position)
            written += 1
          }
          all.append(given)
        }
        crash.reach(.journalBeforeCommit)
        return .commit
      }
      crash.reach(.journalAfterCommit)
      return all
    }
    return (positions, newHeads, written)
  }

  private func known(
    _ id: Digest, in partition: Partition, db: Database, older: ArraySlice<Segment>
  ) throws -> Position? {
    let statement = try db.cachedStatement(sql: "SELECT position FROM entry WHERE partition=? AND id=?")
    if let here = try Int64.fetchOne(statement, arguments: [partition.name, Data(id.bytes)]) {
      return Position(UInt64(here))
    }
    for segment in older.reversed() {
      if let there = try segment.position(of: id, in: partition) { return there }
    }
    return nil
  }

  private func insert(_ entry: NewEntry, at position: Position, in partition: Partition, db: Database) throws {
    let salt = random(16)
    let bound = Segment.context(entry, at: position, salt: salt, codec: Segment.plainCodec)
    let body = try sealer.seal(entry.body, for: partition, context: bound)
    try db.cachedStatement(
      sql: """
        INSERT INTO entry(partition, position, id, kind, cause, recorded_at_ms, salt, codec, body)
        VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      partition.name, Int64(position.number), Data(entry.id.bytes), entry.kind.rawValue,
      entry.cause.map { Int64($0.number) }, entry.recordedAtMs, Data(salt), Segment.plainCodec, Data(body),
    ])
  }

  private func rollIfFull() throws {
    guard let last = segments.withLock({ $0.last }), last.fileBytes >= limits.segmentBytesMax else { return }
    let next = try Segment.open(number: last.number + 1, folder: folder, writable: true)
    try next.pool.write { db in
      for (partition, epoch) in epochs {
        try db.execute(
          sql: "INSERT OR REPLACE INTO lease(partition, epoch) VALUES(?, ?)", arguments: [partition, Int64(epoch)])
      }
    }
    try last.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
    segments.withLock { $0.append(next) }
  }
}

// Reading.
extension SQLiteJournal {
  /// One entry by its position.
  package nonisolated func entry(at position: Position, of partition: Partition) throws -> Entry {
    let before = Position(position.number - 1)
    guard let found = try stored(partition, after: before, countMax: 1).first, found.position == position else {
      throw JournalError.damaged(
        partition: partition.name, position: position.number, kind: nil,
        reason: "it is not there, though later ones are")
    }
    return found
  }

  private nonisolated func stored(
    _ partition: Partition, after position: Position, countMax: Int, bytesMax: Int = .max
  ) throws -> [Entry] {
    var entries: [Entry] = []
    var bytes = 0
    for segment in segments.withLock({ $0 }) where entries.count < countMax && bytes < bytesMax {
      try StorageError.naming(segment.path, .journal) {
        try segment.pool.read { db in
          let rows = try Row.fetchCursor(
            db.cachedStatement(
              sql: """
                SELECT position, id, kind, cause, recorded_at_ms, body, salt, codec FROM entry
                WHERE partition=? AND position>? ORDER BY position LIMIT ?
                """),
            arguments: [partition.name, Int64(position.number), countMax - entries.count])
          while bytes < bytesMax, let row = try rows.next() {
            entries.append(try entry(row, partition))
            bytes += entries.last!.body.count
          }
        }
      }
    }
    return entries
  }

  private nonisolated func entry(_ row: Row, _ partition: Partition) throws -> Entry {
    let position = Position(UInt64(row[0] as Int64))
    let kindName = String.fromDatabaseValue(row[2])
    func damaged(_ reason: String) -> JournalError {
      .damaged(partition: partition.name, position: position.number, kind: kindName, reason: reason)
    }
    // A column may hold anything once somebody has written to the file: nothing is taken for its type unseen.
    func column<Value: DatabaseValueConvertible>(_ index: Int, _ name: String) throws -> Value {
      guard let value = Value.fromDatabaseValue(row[index]) else { throw damaged("its \(name) is of another type") }
      return value
    }
    guard let id = Digest([UInt8](try column(1, "id") as Data)) else { throw damaged("its id is not 32 bytes") }
    guard let kind = kindName.flatMap(EntryKind.init) else { throw damaged("its kind is unknown") }
    let (salt, codec) = ([UInt8](try column(6, "salt") as Data), try column(7, "codec") as Int64)
    let recordedAtMs: Int64 = try column(4, "time")
    let cause: Int64? = row.hasNull(atIndex: 3) ? nil : try column(3, "cause")
    let sealed: Data = try column(5, "body")
    guard codec == Segment.plainCodec else { throw damaged("its codec \(codec) is not known to this version") }
    func content(_ body: [UInt8]) -> NewEntry {
      NewEntry(
        id: id, kind: kind, cause: cause.map { Position(UInt64(bitPattern: $0)) }, recordedAtMs: recordedAtMs,
        body: body)
    }
    let bound = Segment.context(content([]), at: position, salt: salt, codec: codec)
    let body: [UInt8]
    do { body = try sealer.open([UInt8](sealed), for: partition, context: bound) } catch {
      throw damaged("it does not open with the tenant's key: its body, or what stands beside it, was changed")
    }
    return Entry(partition: partition, position: position, salt: salt, content: content(body))
  }
}
