import Cryptography
import Domain
import Synchronization

/// One pack to be read: nothing is believed that the catalogue's digest does not lead to.
final class Pack: Sendable {
  let partition: Partition
  let row: PackRow
  private let objects: any ObjectStore
  private let sealer: any Sealer
  private let entryBytesMax: Int
  private let blocks: BlockCache
  private let known = Mutex<PackIndex?>(nil)

  init(
    _ row: PackRow, of partition: Partition, objects: any ObjectStore, sealer: any Sealer, entryBytesMax: Int,
    blocks: BlockCache
  ) {
    self.row = row
    self.partition = partition
    self.objects = objects
    self.sealer = sealer
    self.entryBytesMax = entryBytesMax
    self.blocks = blocks
  }

  var path: String { PackLayout.path(partition.name, row.first, row.last) }

  /// - Parameter position: Of the first entry that cannot be read.
  private func damaged(_ reason: String, at position: UInt64? = nil) -> JournalError {
    .damaged(
      partition: partition.name, position: position ?? row.first, kind: nil, reason: "its pack \(path) \(reason)")
  }

  /// Entries from a position on that it holds, in order, at most `countMax`.
  func entries(from position: UInt64, countMax: Int, bytesMax: Int = .max) throws -> [Entry] {
    let blocks = try index().blocks
    var (low, high) = (0, blocks.count)
    while low < high {
      let middle = (low + high) / 2
      if blocks[middle].first + UInt64(blocks[middle].count) <= position { low = middle + 1 } else { high = middle }
    }
    var found: [Entry] = []
    var bytes = 0
    while low < blocks.count, found.count < countMax, bytes < bytesMax {
      let block = try entries(of: blocks[low])
      let wanted = Array(block.lazy.filter { $0.position.number >= position }.prefix(countMax - found.count))
      bytes += wanted.reduce(0) { $0 + $1.storedBytes }
      found += wanted
      low += 1
    }
    return found
  }

  private func entries(of block: PackIndex.Block) throws -> [Entry] {
    let key = BlockCache.Key(pack: row.digest, first: block.first)
    if let known = blocks.entries(key) { return known }
    let context = PackLayout.blockContext(partition.name, first: block.first, count: block.count)
    let opened = try open(block.part, context, at: block.first)
    guard let codec = opened.first.flatMap({ Codec(rawValue: Int64($0)) }) else {
      throw damaged("has a block of a codec that is not known to this version", at: block.first)
    }
    let entries: [Entry]
    do {
      let rows = try codec.read(
        Array(opened.dropFirst()), bytesMax: PackLayout.blockBytes + entryBytesMax + 1024)
      entries = try PackLayout.entries(rows, of: partition, first: block.first, count: block.count)
    } catch let fault as Zstandard.Fault {
      throw damaged("has a block that cannot be expanded: \(fault.reason)", at: block.first)
    } catch {
      throw damaged("has a block that does not hold the entries it should", at: block.first)
    }
    blocks.keep(entries, as: key)
    return entries
  }

  /// Where an id stands; nil when it is not in this pack.
  func position(of id: Digest) throws -> Position? {
    let index = try index()
    guard index.filter.mayHold(id) else { return nil }
    var (low, high) = (0, index.pages.count)
    while low < high {
      let middle = (low + high) / 2
      if index.pages[middle].from <= id { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    let context = PackLayout.idsContext(partition.name, first: row.first, page: low - 1)
    var reader = ByteReader(try open(index.pages[low - 1].part, context, at: row.first))
    do {
      while !reader.isAtEnd {
        let (found, position) = (try reader.bytes(32), try reader.u64())
        if found == id.bytes { return Position(position) }
      }
    } catch { throw damaged("has a page of ids that is miswritten") }
    return nil
  }

  private func open(_ part: PackIndex.Part, _ context: [UInt8], at position: UInt64) throws -> [UInt8] {
    guard let sealed = try objects.read(path, from: part.offset, count: part.bytes) else {
      throw damaged("is missing", at: position)
    }
    guard sealed.count == part.bytes else { throw damaged("is cut off", at: position) }
    guard SHA256.digest(sealed) == part.digest else { throw damaged("was changed", at: position) }
    do { return try sealer.open(sealed, for: partition, context: context) } catch {
      throw damaged("does not open with the tenant's key", at: position)
    }
  }

  private func index() throws -> PackIndex {
    if let index = known.withLock({ $0 }) { return index }
    guard let size = try objects.size(path) else { throw damaged("is missing") }
    guard size == row.bytes else { throw damaged("has \(size) bytes and should have \(row.bytes)") }
    let trailer = try objects.read(path, from: size - PackLayout.trailerBytes, count: PackLayout.trailerBytes) ?? []
    var reader = ByteReader(trailer)
    guard let offset = try? reader.u64(), let bytes = try? reader.u32(), let format = try? reader.u32(),
      (try? reader.bytes(PackLayout.magic.count)) == PackLayout.magic
    else { throw damaged("is no pack, or its end was changed") }
    guard format == PackLayout.formatVersion else {
      throw StorageError.formatMismatch(
        path: path, found: Int(format), understood: Int(PackLayout.formatVersion))
    }
    guard bytes <= PackLayout.indexBytesMax, offset <= UInt64(size), Int(offset) + Int(bytes) == size - trailer.count
    else { throw damaged("is no pack, or its end was changed") }
    let part = PackIndex.Part(offset: Int(offset), bytes: Int(bytes), digest: row.digest)
    guard let sealed = try objects.read(path, from: part.offset, count: part.bytes),
      SHA256.digest(sealed) == part.digest
    else { throw damaged("is not the one that the journal wrote: its index is another") }
    let opened = try open(
      part, PackLayout.indexContext(partition.name, first: row.first, last: row.last), at: row.first)
    guard let index = try? PackIndex(opened) else { throw damaged("has an index that is miswritten") }
    known.withLock { $0 = index }
    return index
  }

  /// Reads it all as it is stored: each part is there, and is what was written.
  func check() throws {
    let index = try index()
    for (part, first) in index.blocks.map({ ($0.part, $0.first) }) + index.pages.map({ ($0.part, row.first) }) {
      guard let sealed = try objects.read(path, from: part.offset, count: part.bytes) else {
        throw damaged("is missing", at: first)
      }
      guard SHA256.digest(sealed) == part.digest else { throw damaged("was changed", at: first) }
    }
  }
}

/// The last few blocks that were read: who reads in order, or one entry after the other, opens each block once.
final class BlockCache: Sendable {
  struct Key: Hashable {
    let pack: Digest
    let first: UInt64
  }
  private static let countMax = 8
  private let kept = Mutex<[(key: Key, entries: [Entry])]>([])

  func removeAll() { kept.withLock { $0 = [] } }

  func entries(_ key: Key) -> [Entry]? { kept.withLock { $0.first { $0.key == key }?.entries } }

  func keep(_ entries: [Entry], as key: Key) {
    kept.withLock { kept in
      kept.removeAll { $0.key == key }
      kept.insert((key, entries), at: 0)
      if kept.count > Self.countMax { kept.removeLast() }
    }
  }
}

/// The packed past of one partition.
struct PackShelf: Sendable {
  /// In order, each beginning where the one before ends.
  var packs: [Pack] = []
  var firstKept: UInt64 = 1

  /// Up to here entries are read from packs; later ones from segments, also where a segment still holds earlier ones.
  var packedThrough: UInt64 { max(packs.last?.row.last ?? 0, firstKept - 1) }

  /// Entries after a position, which is not before the first kept one, at most `countMax`.
  func entries(of partition: Partition, after position: UInt64, countMax: Int, bytesMax: Int) throws -> [Entry] {
    var (low, high) = (0, packs.count)
    while low < high {
      let middle = (low + high) / 2
      if packs[middle].row.last <= position { low = middle + 1 } else { high = middle }
    }
    var next = position + 1
    var found: [Entry] = []
    var bytes = 0
    while low < packs.count, found.count < countMax, bytes < bytesMax {
      guard packs[low].row.first <= next else {
        throw JournalError.damaged(
          partition: partition.name, position: next, kind: nil,
          reason: "the journal knows of no pack \(PackLayout.path(partition.name, next, packs[low].row.first - 1))")
      }
      let more = try packs[low].entries(from: next, countMax: countMax - found.count, bytesMax: bytesMax - bytes)
      found += more
      bytes += more.reduce(0) { $0 + $1.storedBytes }
      // Where the bytes were enough before the pack's end, nothing of a later one may follow.
      guard bytes < bytesMax else { break }
      next = packs[low].row.last + 1
      low += 1
    }
    return found
  }

  /// - Parameter packedAfter: Only packs of later entries are looked at.
  func position(of id: Digest, packedAfter: UInt64 = 0) throws -> Position? {
    for pack in packs.reversed() {
      guard pack.row.last > packedAfter else { break }
      if let found = try pack.position(of: id) { return found }
    }
    return nil
  }
}
