package import Domain
import Synchronization

/// Moves what is applied from closed segments into packs, one pack at a time, beside a journal that goes on.
///
/// A pack is durable, then the journal knows it, then it is read instead of the segment's rows; the segment goes once all of
/// it is packed. Whoever dies between leaves both, of which the journal reads one. Backups and trimming keep packing waiting,
/// and wait for the pack that is being made.
package actor JournalPacker {
  private nonisolated let executor = BlockingExecutor(label: "sluice.packer")
  package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  package struct Rules: Sendable {
    /// Whether the partition's owner has applied its entries up to there.
    package let isApplied: @Sendable (Partition, Position) async -> Bool
    /// Whether the partition is erased: its keys are gone, and what is left of it is not packed.
    package let isForgotten: @Sendable (Partition) async -> Bool
    /// Why nothing may be written now.
    package let shortage: @Sendable () -> DiskShortage?

    package init(
      isApplied: @escaping @Sendable (Partition, Position) async -> Bool,
      isForgotten: @escaping @Sendable (Partition) async -> Bool = { _ in false },
      shortage: @escaping @Sendable () -> DiskShortage? = { nil }
    ) {
      self.isApplied = isApplied
      self.isForgotten = isForgotten
      self.shortage = shortage
    }
  }

  /// What one call of `pack` did.
  package struct Report: Equatable, Sendable {
    package var packs = 0
    package var entries = 0
    package var packBytes = 0
    /// Segments that went, and their bytes.
    package var segments = 0
    package var segmentBytes = 0
    /// The partition that keeps the oldest closed segment, since not all of it is applied there.
    package var waitingFor: String?
    /// Up to where it has to apply.
    package var waitingUntil = Position.origin
  }

  private let journal: SQLiteJournal
  private var isBusy = false
  private var isStopped = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  package init(_ journal: SQLiteJournal) { self.journal = journal }

  /// Runs `body` while nothing is packed or trimmed.
  package func holding<Result: Sendable>(_ body: () async throws -> sending Result) async rethrows -> Result {
    while isBusy { await withCheckedContinuation { waiting.append($0) } }
    isBusy = true
    defer {
      isBusy = false
      if !waiting.isEmpty { waiting.removeFirst().resume() }
    }
    return try await body()
  }

  /// Returns when the pack that is being made is done; no other is begun.
  package func stop() async {
    isStopped = true
    await holding {}
  }

  /// Packs until every closed segment is gone, or one has to wait.
  /// - Parameter told: After each pack, and in the end.
  /// - Throws: `DiskShortage`, `DiskFull`, `ObjectStoreError`, `JournalError.damaged`; what was packed before stays so.
  @discardableResult
  package func pack(_ rules: Rules, told: @Sendable (Report) -> Void = { _ in }) async throws -> Report {
    var report = Report()
    guard journal.objects != nil else { return report }
    try await holding { try await tidy(rules) }
    while try await holding({ try await step(rules, &report) }) { told(report) }
    told(report)
    return report
  }

  /// - Returns: Whether there may be more to do.
  private func step(_ rules: Rules, _ report: inout Report) async throws -> Bool {
    let segments = journal.holdings.withLock { $0.segments }
    guard !isStopped, segments.count > 1, let segment = segments.first else { return false }
    for (name, last) in try segment.heads().sorted(by: { $0.key < $1.key }) {
      let partition = Partition(unchecked: name)
      if await rules.isForgotten(partition) { continue }
      let through = journal.holdings.withLock { $0.shelves[name]?.packedThrough } ?? 0
      guard through < last else { continue }
      guard await rules.isApplied(partition, Position(last)) else {
        (report.waitingFor, report.waitingUntil) = (name, Position(last))
        return false
      }
      if let shortage = rules.shortage() { throw shortage }
      let pack: Pack
      do { pack = try await makePack(of: partition, from: segment, after: through, through: last) } catch {
        // Its keys went meanwhile: that is no damage, and keeps nobody else's from being packed.
        if await rules.isForgotten(partition) { continue }
        throw error
      }
      try await journal.take(pack, from: segment)
      report.packs += 1
      report.entries += Int(pack.row.last - through)
      report.packBytes += pack.row.bytes
      return true
    }
    report.segments += 1
    report.segmentBytes += segment.fileBytes
    await journal.drop(segment.number)
    return true
  }

  private func makePack(
    of partition: Partition, from segment: Segment, after: UInt64, through last: UInt64
  ) async throws -> Pack {
    let opener = journal.opener(partition)
    var builder = PackBuilder(partition, first: after + 1, sealer: journal.sealer)
    var next = after
    while next < last, builder.bytes < journal.limits.packBytesMax, builder.count < Self.entriesMax {
      let entries = try segment.entries(opener, after: next, bytesMax: PackLayout.blockBytes * 4)
      guard let end = entries.last?.position.number else {
        throw JournalError.damaged(
          partition: partition.name, position: next + 1, kind: nil, reason: "it is not there, though later ones are")
      }
      for entry in entries { try builder.add(entry) }
      next = end
      await journal.yieldToAppends()
    }
    let (row, bytes) = try builder.finish()
    guard let pack = journal.pack(row, of: partition) else { throw JournalError.closed }
    journal.crash.reach(.packBeforeObject)
    try journal.objects?.write([(pack.path, bytes)])
    journal.crash.reach(.packAfterObject)
    // What is about to be the only copy is read once from where it stands.
    try pack.check()
    return pack
  }

  private static let entriesMax = 500_000

  /// Removes packs that nobody reads: a host left them that died before the journal knew them.
  private func tidy(_ rules: Rules) async throws {
    let shelves = journal.holdings.withLock { $0.shelves }
    for (name, shelf) in shelves {
      let partition = Partition(unchecked: name)
      if await rules.isForgotten(partition) { continue }
      let known = Set(shelf.packs.map(\.path))
      for path in try journal.objects?.list(PackLayout.folder(name)) ?? [] {
        // What is not packed yet by the journal's knowledge is written anew, over this one or beside it.
        guard !known.contains(path), let range = PackLayout.range(of: path), range.last <= shelf.packedThrough else {
          continue
        }
        try journal.objects?.remove(path)
      }
    }
  }
}

// Letting go of what is older than somebody wants it kept.
extension JournalPacker {
  /// Up to which position a partition's packs hold nothing recorded at or after a time; nil when there is no such pack.
  package func lastPacked(of partition: Partition, recordedBeforeMs ms: Int64) -> Position? {
    let packs = journal.holdings.withLock { $0.shelves[partition.name]?.packs } ?? []
    return packs.prefix { $0.row.recordedUntilMs < ms }.last.map { Position($0.row.last) }
  }

  package func packs(of partition: Partition, through last: Position) -> Int {
    journal.holdings.withLock { $0.shelves[partition.name]?.packs.count { $0.row.last <= last.number } ?? 0 }
  }

  /// Lets a partition's packs up to a position go, and all snapshots but one. What proves the packs, and that snapshot of
  /// what they led to, must be durable.
  /// - Returns: How many packs and bytes went.
  package func trim(
    _ partition: Partition, through last: Position, keeping snapshot: Position
  ) async throws -> (packs: Int, bytes: Int) {
    try await holding {
      let gone = try await journal.keep(from: last.number + 1, of: partition)
      journal.crash.reach(.trimBeforeUnlink)
      for pack in gone { try journal.objects?.remove(pack.path) }
      for path in try journal.objects?.list(StateSnapshot.folder(partition)) ?? []
      where path != StateSnapshot.path(partition, snapshot) {
        try journal.objects?.remove(path)
      }
      journal.crash.reach(.trimAfterUnlink)
      return (gone.count, gone.reduce(0) { $0 + $1.row.bytes })
    }
  }
}

// Taking a partition out of the journal, of which nothing is to be read any more.
extension JournalPacker {
  /// Refuses whoever appends to it from now on, or waits to. Before its keys go: what could not be sealed any more would
  /// be told as a fault.
  package func disown(_ partition: Partition) async { await journal.disown(partition) }

  /// Takes its rows out of every segment, then its packs and snapshots away. Its keys are destroyed before; what a call did
  /// not come to is done by the next one.
  package func erase(_ partition: Partition) async throws {
    try await holding {
      try await journal.forget(partition)
      guard let objects = journal.objects else { return }
      for folder in [PackLayout.folder(partition.name), StateSnapshot.folder(partition)] {
        for path in try objects.list(folder) { try objects.remove(path) }
      }
    }
  }
}
