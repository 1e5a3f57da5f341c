package import Domain
import Synchronization

/// What a journal's past takes, and in which form.
package struct JournalStatus: Sendable {
  package struct PartitionRow: Sendable {
    package let partition: Partition
    package let firstKept: Position
    /// Up to here entries are read from packs.
    package let packedThrough: Position
    package let packs: Int
    package let packBytes: Int
  }
  package let segments: [(number: Int, bytes: Int)]
  /// Those that have packs, or had, or have entries in a segment, by name.
  package let partitions: [PartitionRow]
}

extension SQLiteJournal {
  package nonisolated var status: JournalStatus {
    let holdings = self.holdings.withLock { $0 }
    var names = Set(holdings.shelves.keys)
    for segment in holdings.segments { names.formUnion((try? segment.heads().keys.map { $0 }) ?? []) }
    return JournalStatus(
      segments: holdings.segments.map { ($0.number, $0.fileBytes) },
      partitions: names.sorted().map { name in
        let shelf = holdings.shelves[name] ?? PackShelf()
        return .init(
          partition: Partition(unchecked: name), firstKept: Position(shelf.firstKept),
          packedThrough: Position(shelf.packedThrough), packs: shelf.packs.count,
          packBytes: shelf.packs.reduce(0) { $0 + $1.row.bytes })
      })
  }

  /// The packs there are now, by their paths in the object store. They stay while nobody packs or trims.
  package nonisolated var packPaths: [(path: String, bytes: Int)] {
    holdings.withLock { $0.shelves }.sorted { $0.key < $1.key }.flatMap { _, shelf in
      shelf.packs.map { ($0.path, $0.row.bytes) }
    }
  }
}
