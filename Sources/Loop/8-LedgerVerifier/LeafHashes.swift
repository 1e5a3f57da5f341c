import Cryptography
import Domain

/// Hashes side by side, 32 bytes each: of leaves, or of one level of tiles.
struct LeafHashes {
  private var bytes: [UInt8] = []

  var count: Int { bytes.count / 32 }
  subscript(index: Int) -> Digest { Digest(Array(bytes[(index * 32)..<(index * 32 + 32)]))! }

  mutating func append(_ entry: ArraySlice<UInt8>) { bytes += SHA256.digest([0] + entry).bytes }
  mutating func append(hashes: [UInt8]) { bytes += hashes }

  /// RFC 6962 §2.1, word for word: `MTH({}) = SHA-256()`, `MTH(D[n]) = SHA-256(0x01 ‖ MTH(D[0:k]) ‖ MTH(D[k:n]))`
  /// with k the largest power of two smaller than n.
  func root(upTo size: Int) -> Digest {
    size == 0 ? SHA256.digest([UInt8]()) : Digest(head(from: 0, count: size))!
  }

  private func head(from start: Int, count: Int) -> [UInt8] {
    if count == 1 { return Array(bytes[(start * 32)..<(start * 32 + 32)]) }
    var k = 1
    while k * 2 < count { k *= 2 }
    return SHA256.digest([1] + head(from: start, count: k) + head(from: start + k, count: count - k)).bytes
  }

  /// One hash for each whole group of 256: the next level of tiles.
  func tileLevelAbove() -> LeafHashes {
    var above = LeafHashes()
    for group in 0..<(count / 256) { above.bytes += head(from: group * 256, count: 256) }
    return above
  }
}

/// Where the files of a log lie.
enum LogPath {
  static func tile(level: Int, index: Int, width: Int) -> String { "tile/\(level)/" + numbered(index, width) }
  static func entries(bundle: Int, width: Int) -> String { "tile/entries/" + numbered(bundle, width) }
  static func payload(_ commitment: Digest) -> String { "payload/\(commitment.hex.prefix(2))/\(commitment.hex)" }

  /// Three digits a folder, `x` before all but the last; `.p/<width>` when not full.
  private static func numbered(_ index: Int, _ width: Int) -> String {
    var digits = String(index)
    while !digits.count.isMultiple(of: 3) { digits = "0" + digits }
    var groups: [Substring] = []
    var rest = digits[...]
    while !rest.isEmpty {
      groups.append(rest.prefix(3))
      rest = rest.dropFirst(3)
    }
    let last = groups.removeLast()
    return groups.map { "x\($0)/" }.joined() + last + (width == 256 ? "" : ".p/\(width)")
  }
}

/// Reads an entry: `{"at":N,"commitment":"<64 hex>","id":"…","kind":"…","v":1}`, exactly.
enum EntryFields {
  /// The pieces between quotation marks; empty where a value stands.
  private static let frame = [
    "{", "at", "", "commitment", ":", "", ",", "id", ":", "", ",", "kind", ":", "", ",", "v", ":1}",
  ]

  /// The kind of an entry of this form.
  static func kind(in entry: ArraySlice<UInt8>) -> String {
    let pieces = entry.split(separator: 0x22, omittingEmptySubsequences: false)
    return pieces.count == frame.count ? String(decoding: pieces[13], as: UTF8.self) : ""
  }

  /// - Returns: The commitment; nil when the entry is not of this form.
  static func commitment(in entry: ArraySlice<UInt8>) -> Digest? {
    let pieces = entry.split(separator: 0x22, omittingEmptySubsequences: false)
    guard pieces.count == frame.count else { return nil }
    for (piece, wanted) in zip(pieces, frame) where !wanted.isEmpty {
      guard piece.elementsEqual(wanted.utf8) else { return nil }
    }
    let (at, id, kind) = (pieces[2], pieces[9], pieces[13])
    guard at.first == 0x3A, at.last == 0x2C, let time = Int(String(decoding: at.dropFirst().dropLast(), as: UTF8.self)),
      (0..<(1 << 53)).contains(time), ":\(time),".utf8.elementsEqual(at),
      (1...256).contains(id.count), id.allSatisfy({ 0x21 <= $0 && $0 <= 0x7E && $0 != 0x5C }),
      (1...64).contains(kind.count),
      kind.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || [0x2D, 0x2E, 0x5F].contains($0) })
    else { return nil }
    return Digest(hex: String(decoding: pieces[5], as: UTF8.self))
  }
}
