import CanonicalJSON
import Cryptography
package import Domain

/// A tenant's whole state at one position, as an object: what stands in for entries that were let go.
///
///     "SNAP", format u32, position u64, then for each block: bytes u32, sealed block
///
/// A block holds a byte that is 1 in the last one, a codec byte, and rows: space, key and canonical JSON, each with a u32
/// length, in order of space and key. The digest is of the rows alone: the same state has the same digest in every snapshot.
package enum StateSnapshot {
  static let formatVersion: UInt32 = 1
  private static let magic = Array("SNAP".utf8)
  private static let blockBytes = 1 << 20
  private static let blockBytesMax = 64 << 20
  private static let level: Int32 = 6
  private static let headBytes = 16

  package struct Written: Sendable {
    package let digest: Digest
    package let rows: Int
  }

  package static func folder(_ partition: Partition) -> String { "tenants/\(partition)/snapshots" }

  package static func path(_ partition: Partition, _ position: Position) -> String {
    "\(folder(partition))/\(position).snapshot"
  }

  private static func context(_ partition: Partition, _ position: Position, _ number: Int) -> [UInt8] {
    Array("sluice snapshot \(formatVersion) \(partition) \(position) \(number)".utf8)
  }

  /// Makes the snapshot durable, a block at a time: a state may be larger than memory.
  package static func write(
    of view: any StateView, _ partition: Partition, at position: Position, to objects: any ObjectStore,
    sealer: any Sealer, crash: any CrashInjector = NoCrash()
  ) throws -> Written {
    let written = try objects.write(path(partition, position)) { append in
      var head = ByteWriter()
      head.bytes(magic)
      head.u32(formatVersion)
      head.u64(position.number)
      try append(head.written)
      let written = try blocks(of: view) { number, block in
        let sealed = try sealer.seal(block, for: partition, context: context(partition, position, number))
        var length = ByteWriter()
        length.u32(UInt32(sealed.count))
        try append(length.written + sealed)
      }
      crash.reach(.trimBeforeSnapshot)
      return written
    }
    crash.reach(.trimAfterSnapshot)
    return written
  }

  private static func blocks(of view: any StateView, give: (Int, [UInt8]) throws -> Void) throws -> Written {
    let sum = try SHA256Sum()
    var (rows, count, number) = (ByteWriter(reserving: blockBytes), 0, 0)
    func close(isLast: Bool) throws {
      sum.add(rows.written)
      let frame = Zstandard.compress(rows.written, level: level)
      let codec: Codec = frame == nil ? .plain : .zstd
      try give(number, [isLast ? 1 : 0, UInt8(codec.rawValue)] + (frame ?? rows.written))
      (rows, number) = (ByteWriter(reserving: blockBytes), number + 1)
    }
    for space in try view.spaces() {
      // In slices: a space may hold more than should be in memory at once.
      var from: String? = ""
      while let start = from {
        let slice = try view.scan(space, from: start, until: nil, reversed: false, countMax: 1_000)
        for (key, value) in slice {
          for text in [space.rawValue, key, value.canonicalText] {
            let bytes = Array(text.utf8)
            rows.u32(UInt32(bytes.count))
            rows.bytes(bytes)
          }
          count += 1
          if rows.written.count >= blockBytes { try close(isLast: false) }
        }
        from = slice.count < 1_000 ? nil : slice.last.map { $0.0 + "\u{0}" }
      }
    }
    try close(isLast: true)
    return Written(digest: sum.finish(), rows: count)
  }

  /// Gives each row of a snapshot.
  /// - Returns: The digest of all rows, which the caller compares before it believes any.
  /// - Throws: `SnapshotError`.
  package static func read(
    _ partition: Partition, at position: Position, from objects: any ObjectStore, sealer: any Sealer,
    row: (Space, String, JSONValue) throws -> Void
  ) throws -> Digest {
    let path = path(partition, position)
    func damaged(_ reason: String) -> SnapshotError { .damaged(path: path, reason: reason) }
    func part(_ offset: Int, _ count: Int) throws -> [UInt8] {
      guard let bytes = try objects.read(path, from: offset, count: count) else { throw damaged("it is missing") }
      guard bytes.count == count else { throw damaged("it is cut off") }
      return bytes
    }
    var head = ByteReader(try part(0, headBytes))
    guard (try? head.bytes(4)) == magic, let format = try? head.u32(), let said = try? head.u64() else {
      throw damaged("it is no snapshot")
    }
    guard format == formatVersion else {
      throw StorageError.formatMismatch(path: path, found: Int(format), understood: Int(formatVersion))
    }
    guard said == position.number else { throw damaged("it is of another position") }
    let sum = try SHA256Sum()
    var (offset, number, isLast) = (headBytes, 0, false)
    while !isLast {
      var length = ByteReader(try part(offset, 4))
      guard let count = try? length.u32(), count <= blockBytesMax else { throw damaged("it was changed") }
      let sealed = try part(offset + 4, Int(count))
      guard let opened = try? sealer.open(sealed, for: partition, context: context(partition, position, number)),
        opened.count >= 2, let codec = Codec(rawValue: Int64(opened[1]))
      else { throw damaged("block \(number) does not open with the tenant's key: it was changed") }
      let rows: [UInt8]
      do { rows = try codec.read(Array(opened.dropFirst(2)), bytesMax: blockBytesMax) } catch {
        throw damaged("block \(number) cannot be expanded: \(error.reason)")
      }
      sum.add(rows)
      var reader = ByteReader(rows)
      while !reader.isAtEnd {
        guard let space = try? reader.text(Int(reader.u32())), let key = try? reader.text(Int(reader.u32())),
          let text = try? reader.text(Int(reader.u32())), let value = try? JSONValue(parsing: text)
        else { throw damaged("block \(number) does not hold rows") }
        try row(Space(space), key, value)
      }
      (offset, number, isLast) = (offset + 4 + Int(count), number + 1, opened[0] == 1)
    }
    guard try objects.size(path) == offset else { throw damaged("bytes were put behind it") }
    return sum.finish()
  }
}

/// Why a tenant's state at the beginning of its journal cannot be made.
package enum SnapshotError: OperatorError, Equatable {
  case damaged(path: String, reason: String)
  case unproven(path: String, reason: String)

  package var code: String {
    switch self {
    case .damaged: "snapshot.damaged"
    case .unproven: "snapshot.unproven"
    }
  }
  package var message: String {
    switch self {
    case .damaged(let path, let reason): "The snapshot \(path) cannot be used: \(reason)."
    case .unproven(let path, let reason): "The snapshot \(path) is not the one that the journal names: \(reason)."
    }
  }
  package var remedy: String {
    "Stop the host and put the snapshot back from a backup; older entries do not exist any more."
  }
}
