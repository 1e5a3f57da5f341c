import Cryptography
import Domain

/// Makes one pack of entries that follow each other. What it holds in memory is the pack, one block and the ids.
struct PackBuilder {
  /// Slower than for a body that an append waits for: this is done once, in the background.
  private static let level: Int32 = 6

  private let partition: Partition
  private let first: UInt64
  private let sealer: any Sealer
  private var next: UInt64
  private var out = ByteWriter()
  private var rows = ByteWriter()
  private var rowCount = 0
  private var index = PackIndex()
  private var ids: [(id: Digest, position: UInt64)] = []
  private var recordedUntilMs = Int64.min

  init(_ partition: Partition, first: UInt64, sealer: any Sealer) {
    self.partition = partition
    self.first = first
    self.sealer = sealer
    next = first
  }

  /// Bytes so far, without what is not compressed yet.
  var bytes: Int { out.written.count }
  var count: Int { ids.count }
  var last: UInt64 { next - 1 }

  mutating func add(_ entry: Entry) throws {
    guard entry.position.number == next else {
      throw JournalError.damaged(
        partition: partition.name, position: next, kind: nil, reason: "it is not there, though later ones are")
    }
    PackLayout.append(entry, to: &rows)
    ids.append((entry.id, next))
    recordedUntilMs = max(recordedUntilMs, entry.recordedAtMs)
    next += 1
    rowCount += 1
    if rows.written.count >= PackLayout.blockBytes { try closeBlock() }
  }

  private mutating func closeBlock() throws {
    guard rowCount > 0 else { return }
    let frame = Zstandard.compress(rows.written, level: Self.level)
    let codec: Codec = frame == nil ? .plain : .zstd
    let start = next - UInt64(rowCount)
    let context = PackLayout.blockContext(partition.name, first: start, count: rowCount)
    let part = try append(
      try sealer.seal([UInt8(codec.rawValue)] + (frame ?? rows.written), for: partition, context: context))
    index.blocks.append(.init(first: start, count: rowCount, part: part))
    rows = ByteWriter(reserving: PackLayout.blockBytes)
    rowCount = 0
  }

  private mutating func append(_ sealed: [UInt8]) throws -> PackIndex.Part {
    defer { out.bytes(sealed) }
    return .init(offset: out.written.count, bytes: sealed.count, digest: SHA256.digest(sealed))
  }

  /// - Returns: What the catalogue is told, and the object.
  mutating func finish() throws -> (row: PackRow, bytes: [UInt8]) {
    try closeBlock()
    let sorted = ids.sorted { $0.id < $1.id }
    for page in 0..<((sorted.count + PackLayout.idsPerPage - 1) / PackLayout.idsPerPage) {
      let slice = sorted[(page * PackLayout.idsPerPage)...].prefix(PackLayout.idsPerPage)
      var writer = ByteWriter(reserving: slice.count * 40)
      for (id, position) in slice {
        writer.bytes(id.bytes)
        writer.u64(position)
      }
      let context = PackLayout.idsContext(partition.name, first: first, page: page)
      let part = try append(try sealer.seal(writer.written, for: partition, context: context))
      index.pages.append(.init(from: slice.first!.id, part: part))
    }
    index.filter = IDFilter(ids: ids.map(\.id))
    let context = PackLayout.indexContext(partition.name, first: first, last: last)
    let part = try append(try sealer.seal(index.bytes, for: partition, context: context))
    out.u64(UInt64(part.offset))
    out.u32(UInt32(part.bytes))
    out.u32(PackLayout.formatVersion)
    out.bytes(PackLayout.magic)
    let row = PackRow(
      first: first, last: last, bytes: out.written.count, recordedUntilMs: recordedUntilMs, digest: part.digest)
    return (row, out.written)
  }
}
