package import Domain
import Synchronization

extension SQLiteJournal {
  package nonisolated(nonsending) func read(
    _ partition: Partition, after position: Position, countMax: Int
  ) async throws -> [Entry] {
    try stored(partition, after: position, countMax: countMax)
  }

  /// - Parameter bytesMax: Of bodies and what stands beside them; an entry, or a block of packed ones, that goes beyond it is the last.
  package nonisolated(nonsending) func read(
    _ partition: Partition, after position: Position, countMax: Int, bytesMax: Int
  ) async throws -> [Entry] {
    try stored(partition, after: position, countMax: countMax, bytesMax: bytesMax)
  }

  /// One entry by its position.
  package nonisolated func entry(at position: Position, of partition: Partition) throws -> Entry {
    try entries(at: [position], of: partition)[0]
  }

  /// Entries by their positions, which ascend; those that stand side by side are read together.
  /// - Throws: `JournalError.damaged` for the first that is not there, `JournalError.trimmed`.
  package nonisolated func entries(at positions: [Position], of partition: Partition) throws -> [Entry] {
    var found: [Entry] = []
    while found.count < positions.count {
      let due = positions[found.count...]
      let run = zip(due, due.first!.number...).prefix { $0.number == $1 }.count
      let read = try stored(
        partition, after: Position(due.first!.number - 1), countMax: run, bytesMax: Self.readBytesMax)
      let present = zip(read, due).prefix { $0.position == $1 }.count
      guard present > 0, present == read.count else {
        throw JournalError.damaged(
          partition: partition.name, position: due[due.startIndex + present].number, kind: nil,
          reason: "it is not there, though later ones are")
      }
      found += read
    }
    return found
  }

  private static let readBytesMax = 4 << 20

  /// The first position that is kept, or 1.
  package nonisolated func firstKept(of partition: Partition) -> Position {
    Position(holdings.withLock { $0.shelves[partition.name]?.firstKept } ?? 1)
  }

  private nonisolated func stored(
    _ partition: Partition, after position: Position, countMax: Int, bytesMax: Int = .max
  ) throws -> [Entry] {
    let holdings = self.holdings.withLock { $0 }
    let shelf = holdings.shelves[partition.name] ?? PackShelf()
    guard position.number + 1 >= shelf.firstKept else {
      throw JournalError.trimmed(
        partition: partition.name, position: position.number + 1, firstKept: shelf.firstKept)
    }
    var entries = try shelf.entries(of: partition, after: position.number, countMax: countMax, bytesMax: bytesMax)
    // A segment may still hold what is packed: of one that is being packed, or that a killed host left.
    let after = max(position.number, shelf.packedThrough)
    let opener = opener(partition)
    var bytes = entries.reduce(0) { $0 + $1.storedBytes }
    for segment in holdings.segments where entries.count < countMax && bytes < bytesMax {
      let found = try segment.entries(
        opener, after: after, countMax: countMax - entries.count, bytesMax: bytesMax - bytes)
      bytes += found.reduce(0) { $0 + $1.storedBytes }
      entries += found
    }
    return entries
  }

  nonisolated func opener(_ partition: Partition) -> Segment.Opener {
    .init(partition: partition, sealer: sealer, entryBytesMax: limits.entryBytesMax)
  }
}

extension Entry {
  /// The body and, roughly, what stands beside it.
  var storedBytes: Int { body.count + 128 }
}
