/// Reads a file of the log by its path relative to the log's folder; nil when there is none.
package typealias TileReader = (_ path: String) -> [UInt8]?

/// One file of the log: where it lies and what it holds.
package struct LedgerFile: Hashable, Sendable {
  package let path: String
  package let bytes: [UInt8]
}

/// The place of a tile of hashes: up to 256 hashes of one level, side by side
/// ([C2SP tlog-tiles](https://c2sp.org/tlog-tiles#merkle-tree)).
package struct TilePlace: Hashable, Sendable {
  /// Hashes in a full tile, and entries in a full bundle.
  package static let widthMax = 256

  package let level: Int
  package let index: Int
  /// 1…256.
  package let width: Int

  /// The tile as it is in a tree of `size`; nil when that tree has none there.
  package init?(level: Int, index: Int, size: Int) {
    let hashes = size >> (8 * level)
    let width = min(TilePlace.widthMax, hashes - index * TilePlace.widthMax)
    guard width > 0 else { return nil }
    self.level = level
    self.index = index
    self.width = width
  }

  package var path: String { "tile/\(level)/\(TilePlace.encode(index))\(TilePlace.suffix(width))" }
  /// Where the same tile lies once it is full; a partial one may be gone by then.
  package var fullPath: String { "tile/\(level)/\(TilePlace.encode(index))" }

  /// `1234067` is `x001/x234/067`.
  package static func encode(_ index: Int) -> String {
    func digits(_ group: Int) -> String { String(String(1000 + group).dropFirst()) }
    var text = digits(index % 1000)
    var rest = index / 1000
    while rest > 0 {
      text = "x\(digits(rest % 1000))/\(text)"
      rest /= 1000
    }
    return text
  }

  static func suffix(_ width: Int) -> String { width == widthMax ? "" : ".p/\(width)" }
}

/// Entries side by side, each preceded by its length as a big-endian 16-bit number
/// ([C2SP tlog-tiles](https://c2sp.org/tlog-tiles#log-entries)).
package enum EntryBundle {
  package static let entryBytesMax = 65_535

  /// - Parameter width: 1…256 entries.
  package static func path(index: Int, width: Int) -> String {
    "tile/entries/\(TilePlace.encode(index))\(TilePlace.suffix(width))"
  }

  /// - Parameter entries: None longer than `entryBytesMax`.
  static func encode(_ entries: some Sequence<[UInt8]>) -> [UInt8] {
    var out: [UInt8] = []
    for entry in entries {
      out.append(UInt8(entry.count >> 8))
      out.append(UInt8(entry.count & 0xFF))
      out += entry
    }
    return out
  }

  static func decode(_ bytes: [UInt8], path: String) throws(LedgerError) -> [[UInt8]] {
    var entries: [[UInt8]] = []
    var at = 0
    while at < bytes.count {
      guard at + 2 <= bytes.count else { throw .fileMalformed(path: path, reason: "it ends within a length") }
      let end = at + 2 + Int(bytes[at]) << 8 + Int(bytes[at + 1])
      guard end <= bytes.count else {
        throw .fileMalformed(path: path, reason: "entry \(entries.count) is cut off")
      }
      entries.append(Array(bytes[(at + 2)..<end]))
      at = end
    }
    return entries
  }
}
