import Domain
import GRDB
import Synchronization

// What packing changes; see JournalPacker.
extension SQLiteJournal {
  /// Returns once whoever waits to append has had a turn.
  func yieldToAppends() {}

  /// Makes it durable that these entries are read from their pack from now on.
  func take(_ pack: Pack, from segment: Segment) throws {
    let name = pack.partition.name
    let bytes =
      rowBytes.withLock({ $0[name] }) == nil ? 0 : try segment.rowBytes(of: name, pack.row.first...pack.row.last)
    try changeCatalogue { try PackCatalogue.add(pack.row, of: name, $0) }
    holdings.withLock { $0.shelves[name, default: PackShelf()].packs.append(pack) }
    rowBytes.withLock { $0[name]? -= bytes }
  }

  /// Makes it durable that older entries are not read any more.
  /// - Returns: The packs that nobody needs.
  func keep(from first: UInt64, of partition: Partition) throws -> [Pack] {
    crash.reach(.trimBeforeCatalogue)
    try changeCatalogue { try PackCatalogue.keep(from: first, partition.name, $0) }
    crash.reach(.trimAfterCatalogue)
    return holdings.withLock { holdings in
      var shelf = holdings.shelves[partition.name] ?? PackShelf()
      let gone = shelf.packs.filter { $0.row.last < first }
      shelf.packs.removeAll { $0.row.last < first }
      shelf.firstKept = first
      holdings.shelves[partition.name] = shelf
      return gone
    }
  }

  private func changeCatalogue(_ body: (Database) throws -> Void) throws {
    guard !isClosed else { throw JournalError.closed }
    let last = holdings.withLock { $0.segments.last! }
    do {
      try last.pool.writeWithoutTransaction { db in
        try db.inTransaction(.immediate) {
          try body(db)
          crash.reach(.packBeforeCatalogue)
          return .commit
        }
      }
    } catch let error as DatabaseError where error.isForWantOfSpace {
      throw DiskFull(path: folder)
    } catch let error as DatabaseError {
      throw StorageError(error, path: last.path, purpose: .journal)
    }
    crash.reach(.packAfterCatalogue)
  }

  /// Lets a closed segment go of which every entry is read from elsewhere.
  func drop(_ number: Int) {
    holdings.withLock { holdings in
      guard let index = holdings.segments.dropLast().firstIndex(where: { $0.number == number }) else { return }
      holdings.segments.remove(at: index).doom(crash)
    }
  }
}
