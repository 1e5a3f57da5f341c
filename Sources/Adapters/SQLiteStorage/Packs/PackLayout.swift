import Cryptography
import Domain

/// One pack, as the journal's catalogue has it.
struct PackRow: Equatable, Sendable {
  let first: UInt64
  let last: UInt64
  /// Of the whole object.
  let bytes: Int
  /// The latest time at which one of its entries was recorded, milliseconds since 1970.
  let recordedUntilMs: Int64
  /// SHA-256 of the sealed index, which names the digest of everything else in the pack.
  let digest: Digest
}

/// The bytes of a pack: sealed blocks of entries, sealed pages of ids, a sealed index, and 20 bytes that say where that is.
///
///     blocks … | id pages … | index | index offset u64, index bytes u32, format u32, "PACK"
///
/// A block holds a codec byte and, compressed or not, rows one after the other: id (32), kind (u8 length, text), cause
/// (u64, all ones for none), time (i64), salt (u8 length, bytes), body (u32 length, bytes). An id page holds pairs of id and
/// position (u64), in order of the ids. Integers are little-endian.
enum PackLayout {
  static let formatVersion: UInt32 = 1
  static let magic = Array("PACK".utf8)
  static let trailerBytes = 20
  /// A block is closed once it holds so many bytes, before compression.
  static let blockBytes = 256 << 10
  static let idsPerPage = 512
  /// An index of half a million small entries has about a megabyte.
  static let indexBytesMax = 64 << 20

  static func path(_ partition: String, _ first: UInt64, _ last: UInt64) -> String {
    "\(folder(partition))/\(first)-\(last).pack"
  }

  static func folder(_ partition: String) -> String { "tenants/\(partition)/packs" }

  /// The positions that a pack's name tells; nil when it is no pack's.
  static func range(of path: String) -> (first: UInt64, last: UInt64)? {
    guard path.hasSuffix(".pack") else { return nil }
    let numbers = path.dropLast(5).split(separator: "/").last?.split(separator: "-").map { UInt64($0) } ?? []
    guard numbers.count == 2, let first = numbers[0], let last = numbers[1], first > 0, first <= last else {
      return nil
    }
    return (first, last)
  }

  // What each part is sealed to: whose it is, which entries, and the format. No part opens in another's place.
  static func blockContext(_ partition: String, first: UInt64, count: Int) -> [UInt8] {
    context("block", partition, first, UInt64(count))
  }
  static func idsContext(_ partition: String, first: UInt64, page: Int) -> [UInt8] {
    context("ids", partition, first, UInt64(page))
  }
  static func indexContext(_ partition: String, first: UInt64, last: UInt64) -> [UInt8] {
    context("index", partition, first, last)
  }
  private static func context(_ part: String, _ partition: String, _ a: UInt64, _ b: UInt64) -> [UInt8] {
    Array("sluice pack \(formatVersion) \(part) \(partition) \(a) \(b)".utf8)
  }

  static func append(_ entry: Entry, to rows: inout ByteWriter) {
    let kind = Array(entry.kind.rawValue.utf8)
    rows.bytes(entry.id.bytes)
    rows.u8(UInt8(kind.count))
    rows.bytes(kind)
    rows.u64(entry.content.cause.map(\.number) ?? .max)
    rows.u64(UInt64(bitPattern: entry.recordedAtMs))
    rows.u8(UInt8(entry.salt.count))
    rows.bytes(entry.salt)
    rows.u32(UInt32(entry.body.count))
    rows.bytes(entry.body)
  }

  /// - Throws: `LayoutError` when the rows are not exactly so many.
  static func entries(_ bytes: [UInt8], of partition: Partition, first: UInt64, count: Int) throws(LayoutError)
    -> [Entry]
  {
    var reader = ByteReader(bytes)
    var entries: [Entry] = []
    for position in first..<(first + UInt64(count)) {
      guard let id = Digest(try reader.bytes(32)) else { throw LayoutError(format: "pack", offset: reader.offset) }
      guard let kind = EntryKind(rawValue: try reader.text(Int(try reader.u8()))) else {
        throw LayoutError(format: "pack", offset: reader.offset)
      }
      let cause = try reader.u64()
      let recordedAtMs = Int64(bitPattern: try reader.u64())
      let salt = try reader.bytes(Int(try reader.u8()))
      let body = try reader.bytes(Int(try reader.u32()))
      entries.append(
        Entry(
          partition: partition, position: Position(position), salt: salt,
          content: NewEntry(
            id: id, kind: kind, cause: cause == .max ? nil : Position(cause), recordedAtMs: recordedAtMs, body: body)))
    }
    guard reader.isAtEnd else { throw LayoutError(format: "pack", offset: reader.offset) }
    return entries
  }
}

/// What a pack holds and where: small beside the pack, held in memory once it was read.
struct PackIndex: Equatable, Sendable {
  struct Part: Equatable, Sendable {
    let offset: Int
    let bytes: Int
    /// SHA-256 of the sealed bytes: parts of two packs, or of two versions of one, cannot be mixed.
    let digest: Digest
  }
  struct Block: Equatable, Sendable {
    let first: UInt64
    let count: Int
    let part: Part
  }
  struct Page: Equatable, Sendable {
    /// The page's first id.
    let from: Digest
    let part: Part
  }
  var blocks: [Block] = []
  var pages: [Page] = []
  var filter = IDFilter(ids: [])

  var bytes: [UInt8] {
    var writer = ByteWriter()
    func write(_ part: Part) {
      writer.u64(UInt64(part.offset))
      writer.u32(UInt32(part.bytes))
      writer.bytes(part.digest.bytes)
    }
    writer.u32(UInt32(blocks.count))
    for block in blocks {
      writer.u64(block.first)
      writer.u32(UInt32(block.count))
      write(block.part)
    }
    writer.u32(UInt32(pages.count))
    for page in pages {
      writer.bytes(page.from.bytes)
      write(page.part)
    }
    writer.u32(UInt32(filter.bits.count))
    writer.bytes(filter.bits)
    return writer.written
  }

  init() {}

  init(_ bytes: [UInt8]) throws(LayoutError) {
    var reader = ByteReader(bytes)
    func digest(_ reader: inout ByteReader) throws(LayoutError) -> Digest {
      guard let digest = Digest(try reader.bytes(32)) else { throw LayoutError(format: "pack", offset: reader.offset) }
      return digest
    }
    func part(_ reader: inout ByteReader) throws(LayoutError) -> Part {
      let (offset, bytes) = (try reader.u64(), Int(try reader.u32()))
      guard let offset = Int(exactly: offset) else { throw LayoutError(format: "pack", offset: reader.offset) }
      return Part(offset: offset, bytes: bytes, digest: try digest(&reader))
    }
    for _ in 0..<(try reader.u32()) {
      let (first, count) = (try reader.u64(), Int(try reader.u32()))
      blocks.append(Block(first: first, count: count, part: try part(&reader)))
    }
    for _ in 0..<(try reader.u32()) {
      let from = try digest(&reader)
      pages.append(Page(from: from, part: try part(&reader)))
    }
    filter = IDFilter(bits: try reader.bytes(Int(try reader.u32())))
    guard reader.isAtEnd else { throw LayoutError(format: "pack", offset: reader.offset) }
  }
}

/// Tells of most ids that a pack does not hold that it does not: about one in a hundred has to be looked up in vain.
struct IDFilter: Equatable, Sendable {
  private(set) var bits: [UInt8]
  private static let bitsPerID = 10
  private static let probes = 6

  init(bits: [UInt8]) { self.bits = bits }

  init(ids: [Digest]) {
    bits = [UInt8](repeating: 0, count: (ids.count * Self.bitsPerID + 63) / 64 * 8)
    for id in ids { for bit in places(of: id) { bits[bit >> 3] |= 1 << UInt8(bit & 7) } }
  }

  func mayHold(_ id: Digest) -> Bool {
    !bits.isEmpty && places(of: id).allSatisfy { bits[$0 >> 3] & (1 << UInt8($0 & 7)) != 0 }
  }

  /// Ids are SHA-256: their own bytes are as good as any hash.
  private func places(of id: Digest) -> [Int] {
    let bytes = id.bytes
    return (0..<Self.probes).map { probe in
      let number = bytes[(probe * 4)..<(probe * 4 + 4)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return Int(number % UInt64(bits.count * 8))
    }
  }
}
