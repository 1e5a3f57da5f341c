package import Domain

/// The hashes of a published tree of one size, read from its tiles as they are needed.
package struct TileHashes {
  package let size: Int
  private let read: TileReader
  private var tiles: [TilePlace: [Digest]] = [:]

  package init(size: Int, read: @escaping TileReader) {
    precondition(size >= 0, "a tree has no negative size")
    self.size = size
    self.read = read
  }

  /// The hashes of one tile.
  /// - Throws: `.fileMissing`, `.fileMalformed`.
  mutating func tile(_ place: TilePlace) throws(LedgerError) -> [Digest] {
    if let known = tiles[place] { return known }
    let path: String
    let bytes: [UInt8]
    if let found = read(place.path) {
      (path, bytes) = (place.path, found)
    } else if let found = read(place.fullPath) {
      (path, bytes) = (place.fullPath, found)
    } else {
      throw .fileMissing(path: place.path)
    }
    let wanted = path == place.path ? place.width : TilePlace.widthMax
    guard bytes.count == wanted * Digest.byteCount else {
      throw .fileMalformed(path: path, reason: "it has \(bytes.count) bytes instead of \(wanted * Digest.byteCount)")
    }
    let hashes = (0..<place.width).map { Digest(Array(bytes[($0 * 32)..<($0 * 32 + 32)]))! }
    tiles[place] = hashes
    return hashes
  }

  /// The root of the complete subtree over entries `index · 2^level ..< (index + 1) · 2^level`.
  mutating func node(level: Int, index: Int) throws(LedgerError) -> Digest {
    let within = level % 8
    let first = index << within
    guard let place = TilePlace(level: level / 8, index: first / TilePlace.widthMax, size: size) else {
      throw .outsideTree(index: index << level, size: size)
    }
    let hashes = try tile(place)
    let start = first % TilePlace.widthMax
    let end = start + 1 << within
    guard end <= hashes.count else { throw .outsideTree(index: index << level, size: size) }
    return MerkleHash.complete(hashes[start..<end])
  }

  /// `MTH(D[range])` of RFC 6962 §2.1.
  mutating func root(of range: Range<Int>) throws(LedgerError) -> Digest {
    guard !range.isEmpty else { return MerkleHash.empty }
    if range.count.nonzeroBitCount == 1, range.lowerBound.isMultiple(of: range.count) {
      let level = range.count.trailingZeroBitCount
      return try node(level: level, index: range.lowerBound >> level)
    }
    let middle = range.lowerBound + splitPoint(range.count)
    return MerkleHash.node(
      try root(of: range.lowerBound..<middle), try root(of: middle..<range.upperBound))
  }

  package mutating func root() throws(LedgerError) -> Digest { try root(of: 0..<size) }
}

/// The largest power of two smaller than `count`, which is at least 2.
func splitPoint(_ count: Int) -> Int { 1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount) }
