package import Domain
import Foundation
import GRDB
import Synchronization

/// How what waits is made durable: all that came meanwhile in one transaction, each partition up to its quota.
extension SQLiteJournal {
  /// Takes the partition over: every earlier owner is refused from now on.
  package func acquire(_ partition: Partition) throws -> UInt64 {
    let epoch = (epochs[partition.name] ?? 0) + 1
    let last = holdings.withLock { $0.segments.last! }
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

  func commitPending() {
    guard !pending.isEmpty else { return }
    let group = takeGroup().compactMap(lookedUp)
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
    let result: Committed
    do {
      try rollIfFull()
      result = try commit(group)
    } catch let error as DatabaseError where error.isForWantOfSpace {
      throw DiskFull(path: folder)
    } catch let error as DatabaseError {
      throw StorageError(error, path: holdings.withLock { $0.segments.last!.path }, purpose: .journal)
    }
    heads.merge(result.heads) { max($0, $1) }
    rowBytes.withLock { counted in for (name, bytes) in result.bytes { counted[name]? += bytes } }
    commitCount += 1
    entryCount += result.count
    for (append, given) in zip(group, result.positions) { append.done.resume(with: given) }
  }

  /// Looks for its entries among those that were packed meanwhile. One whose past cannot be read is refused, and nobody else.
  private func lookedUp(_ append: Append) -> Append? {
    guard let shelf = holdings.withLock({ $0.shelves[append.partition.name] }) else { return append }
    guard shelf.packedThrough > append.packedThrough else { return append }
    var append = append
    do {
      append.packed = try zip(append.packed, append.entries).map { known, written in
        try known ?? shelf.position(of: written.entry.id, packedAfter: append.packedThrough)
      }
    } catch {
      append.done.resume(throwing: error)
      return nil
    }
    return append
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

  private struct Committed {
    /// Of each append's entries; or why they could not be sealed, which is nobody else's matter.
    var positions: [Result<[Position], any Error>] = []
    /// By partition.
    var heads: [String: UInt64] = [:]
    var bytes: [String: Int] = [:]
    var count = 0
  }

  private func commit(_ group: [Append]) throws -> Committed {
    var made = Committed()
    let segments = holdings.withLock { $0.segments }
    let older = segments.dropLast()
    try segments.last!.pool.writeWithoutTransaction { db in
      try db.inTransaction(.immediate) {
        for append in group { made.positions.append(try insert(append, &made, db: db, older: older)) }
        crash.reach(.journalBeforeCommit)
        return .commit
      }
      crash.reach(.journalAfterCommit)
    }
    return made
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

  /// All entries of an append, or none of them when one cannot be sealed.
  private func insert(
    _ append: Append, _ made: inout Committed, db: Database, older: ArraySlice<Segment>
  ) throws -> Result<[Position], any Error> {
    let partition = append.partition
    var head = made.heads[partition.name] ?? heads[partition.name] ?? 0
    var given: [Position] = []
    var here: [Digest: Position] = [:]
    var rows: [SealedRow] = []
    for (index, written) in append.entries.enumerated() {
      let id = written.entry.id
      let packed = append.packed[index]
      if let known = try packed ?? here[id] ?? known(id, in: partition, db: db, older: older) {
        given.append(known)
        continue
      }
      let position = Position(head + 1)
      do { rows.append(try sealed(written, at: position, in: partition)) } catch { return .failure(error) }
      head = position.number
      here[id] = position
      given.append(position)
    }
    for row in rows { try insert(row, in: partition, db: db) }
    if !rows.isEmpty { made.heads[partition.name] = head }
    made.bytes[partition.name, default: 0] += rows.reduce(0) { $0 + Segment.rowBytes(bodyBytes: $1.body.count) }
    made.count += rows.count
    return .success(given)
  }

  private struct SealedRow {
    let entry: NewEntry
    let position: Position
    let codec: Int64
    let salt: [UInt8]
    let body: [UInt8]
  }

  private func sealed(_ written: Written, at position: Position, in partition: Partition) throws -> SealedRow {
    let (entry, codec) = (written.entry, written.codec.rawValue)
    let salt = random(16)
    let bound = Segment.context(entry, at: position, salt: salt, codec: codec)
    let body = try sealer.seal(written.bytes, for: partition, context: bound)
    return SealedRow(entry: entry, position: position, codec: codec, salt: salt, body: body)
  }

  private func insert(_ row: SealedRow, in partition: Partition, db: Database) throws {
    let entry = row.entry
    try db.cachedStatement(
      sql: """
        INSERT INTO entry(partition, position, id, kind, cause, recorded_at_ms, salt, codec, body)
        VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      partition.name, Int64(row.position.number), Data(entry.id.bytes), entry.kind.rawValue,
      entry.cause.map { Int64($0.number) }, entry.recordedAtMs, Data(row.salt), row.codec, Data(row.body),
    ])
  }

  private func rollIfFull() throws {
    let (last, shelves) = holdings.withLock { ($0.segments.last!, $0.shelves) }
    guard last.fileBytes >= limits.segmentBytesMax else { return }
    let next = try Segment.open(number: last.number + 1, folder: folder, writable: true)
    try next.goOn(epochs, PackCatalogue(shelves), crash: crash)
    try last.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
    holdings.withLock { $0.segments.append(next) }
    whenRolled?()
  }
}
