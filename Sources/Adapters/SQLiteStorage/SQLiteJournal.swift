package import Domain
import Foundation
import GRDB
import Synchronization

/// The journal in SQLite segments.
///
/// One writer for all tenants, and readers beside it that never wait for a commit. Appends that arrive while a commit is
/// being made durable go together into the next one, so one fsync serves everybody who waits. A byte quota per partition
/// and commit keeps one tenant from filling it.
package actor SQLiteJournal: Journal {
  private nonisolated let executor = BlockingExecutor(label: "sluice.journal")
  package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  package struct Limits: Sendable {
    package var segmentBytesMax = 256 * 1024 * 1024
    /// The largest delivery, 768 KiB in base64, with what is kept beside it.
    package var entryBytesMax = 1280 * 1024
    package var partitionBytesPerCommitMax = 8 * 1024 * 1024
    /// A pack is closed once it has so many bytes.
    package var packBytesMax = 32 * 1024 * 1024
    /// Whether bodies are compressed where that is smaller.
    package var isCompressing = true
    package init() {}
  }

  /// An entry as it will be written, but for the seal.
  struct Written {
    let entry: NewEntry
    let codec: Codec
    let bytes: [UInt8]
  }

  struct Append {
    let entries: [Written]
    let partition: Partition
    let done: CheckedContinuation<[Position], any Error>
    /// Where each stands that is packed already; looked up in packs up to a position, before the writer's turn came.
    var packed: [Position?]
    let packedThrough: UInt64
    var bytes: Int { entries.reduce(0) { $0 + $1.bytes.count } }
    var canWait: Bool { entries.allSatisfy(\.entry.kind.canWait) }
  }

  /// What readers see: in one moment an entry is in a segment, in the next one in a pack.
  struct Holdings: Sendable {
    /// In order; the last one is written to.
    var segments: [Segment]
    var shelves: [String: PackShelf] = [:]
  }

  let folder: String
  nonisolated let limits: Limits
  nonisolated let sealer: any Sealer
  /// Where packs are; nil for a journal that never packs, nor reads what is packed.
  nonisolated let objects: (any ObjectStore)?
  let reserve: any DiskReserve
  nonisolated let crash: any CrashInjector
  let random: @Sendable (Int) -> [UInt8]
  nonisolated let holdings: Mutex<Holdings>
  nonisolated let blocks = BlockCache()
  /// Bytes of the rows that are in no pack, of those partitions of which somebody wants to know it.
  nonisolated let rowBytes = Mutex<[String: Int]>([:])
  var heads: [String: UInt64] = [:]
  var epochs: [String: UInt64] = [:]
  var pending: [Append] = []
  private(set) var isClosed = false
  var whenRolled: (@Sendable () -> Void)?
  /// Commits made and entries committed, for metrics.
  package internal(set) var commitCount = 0
  package internal(set) var entryCount = 0

  /// Opens every segment of the folder and makes the first one when there is none.
  package init(
    folder: String, objects: (any ObjectStore)? = nil, sealer: any Sealer, random: @escaping @Sendable (Int) -> [UInt8],
    limits: Limits = Limits(), reserve: any DiskReserve = UnlimitedDisk(), crash: any CrashInjector = NoCrash()
  ) throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    self.folder = folder
    self.limits = limits
    self.sealer = sealer
    self.objects = objects
    self.reserve = reserve
    self.crash = crash
    self.random = random
    let numbers = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".segment") }.compactMap { Int($0.dropLast(8)) }.sorted()
    let opened = try (numbers.isEmpty ? [1] : numbers).map { number in
      try Segment.open(number: number, folder: folder, writable: number == numbers.last ?? 1)
    }
    holdings = Mutex(Holdings(segments: opened))
    var (heads, epochs, catalogue): ([String: UInt64], [String: UInt64], PackCatalogue) = ([:], [:], PackCatalogue())
    for segment in opened {
      let kept = try StorageError.naming(segment.path, .journal) {
        (heads: try segment.heads(), epochs: try segment.epochs(), catalogue: try segment.catalogue())
      }
      heads.merge(kept.heads) { max($0, $1) }
      epochs.merge(kept.epochs) { max($0, $1) }
      catalogue.add(newer: kept.catalogue)
    }
    for (name, rows) in catalogue.packs { heads[name] = max(heads[name] ?? 0, rows.last?.last ?? 0) }
    for (name, first) in catalogue.firstKept { heads[name] = max(heads[name] ?? 0, first - 1) }
    self.heads = heads
    self.epochs = epochs
    let shelves = shelves(of: catalogue)
    holdings.withLock { $0.shelves = shelves }
    // A host may have died between making a segment and telling it what the ones before knew.
    let last = opened.last!
    try StorageError.naming(last.path, .journal) { try last.goOn(epochs, catalogue, crash: crash) }
  }

  private nonisolated func shelves(of catalogue: PackCatalogue) -> [String: PackShelf] {
    var shelves: [String: PackShelf] = [:]
    for name in Set(catalogue.packs.keys).union(catalogue.firstKept.keys) {
      shelves[name] = PackShelf(
        packs: (catalogue.packs[name] ?? []).compactMap { pack($0, of: Partition(unchecked: name)) },
        firstKept: catalogue.firstKept[name] ?? 1)
    }
    return shelves
  }

  nonisolated func pack(_ row: PackRow, of partition: Partition) -> Pack? {
    objects.map {
      Pack(
        row, of: partition, objects: $0, sealer: sealer, entryBytesMax: limits.entryBytesMax, blocks: blocks)
    }
  }

  /// The names of all partitions that have entries.
  package var partitionNames: [String] { heads.keys.sorted() }

  /// Calls `body` whenever a segment was closed.
  package func whenRolled(_ body: @escaping @Sendable () -> Void) { whenRolled = body }

  package nonisolated func append(
    _ entries: [NewEntry], to partition: Partition, epoch: UInt64
  ) async throws -> [Position] {
    for entry in entries where entry.body.count > limits.entryBytesMax {
      throw JournalError.entryTooLarge(bytes: entry.body.count, bytesMax: limits.entryBytesMax)
    }
    // All here, beside the writer, who serves everybody.
    let shelf = holdings.withLock { $0.shelves[partition.name] } ?? PackShelf()
    let packed = try entries.map { try shelf.position(of: $0.id) }
    let written = entries.map { entry in
      let (codec, bytes) = Codec.write(entry.body, isCompressing: limits.isCompressing)
      return Written(entry: entry, codec: codec, bytes: bytes)
    }
    return try await append(written, to: partition, epoch: epoch, packed, through: shelf.packedThrough)
  }

  private func append(
    _ entries: [Written], to partition: Partition, epoch: UInt64, _ packed: [Position?], through: UInt64
  ) async throws -> [Position] {
    guard !isClosed else { throw JournalError.closed }
    let current = epochs[partition.name] ?? 0
    guard epoch == current else {
      throw JournalError.fenced(partition: partition.name, epoch: epoch, current: current)
    }
    guard !entries.isEmpty else { return [] }
    return try await withCheckedThrowingContinuation { done in
      pending.append(
        Append(entries: entries, partition: partition, done: done, packed: packed, packedThrough: through))
      if pending.count == 1 { Task { self.commitPending() } }
    }
  }

  /// Nobody owns it any more, or appends to it: what waits to be appended is refused, and keeps nobody else from it.
  func disown(_ partition: Partition) {
    let epoch = epochs[partition.name] ?? 0
    (heads[partition.name], epochs[partition.name]) = (nil, nil)
    let refused = pending.filter { $0.partition == partition }
    pending.removeAll { $0.partition == partition }
    for append in refused {
      append.done.resume(throwing: JournalError.fenced(partition: partition.name, epoch: epoch, current: 0))
    }
  }

  /// Whether it has entries, an owner or packs here, or rows that tell of them.
  package func knows(_ partition: Partition) -> Bool {
    heads[partition.name] != nil || epochs[partition.name] != nil
      || holdings.withLock { $0.shelves[partition.name] != nil }
  }

  package func head(of partition: Partition) -> Position { Position(heads[partition.name] ?? 0) }

  /// Closes the files after what is pending is durable.
  package func close() throws {
    commitPending()
    isClosed = true
    for segment in holdings.withLock({ $0.segments }) { try segment.pool.close() }
  }
}
