// TrustLedger: entries come in, in order; out go the files of a C2SP tlog-tiles log (tiles, entry bundles, signed
// checkpoints), payload objects, and proofs.
// It never reads a file, a clock or a key store: bytes of published tiles come through a `TileReader`, seeds by value.

import Cryptography
package import Domain

/// The hashes of a Merkle tree ([RFC 6962 §2.1](https://www.rfc-editor.org/rfc/rfc6962#section-2.1)).
package enum MerkleHash {
  /// The root of a tree without entries: SHA-256 of nothing.
  package static let empty = SHA256.digest([UInt8]())

  package static func leaf(_ entry: [UInt8]) -> Digest { SHA256.digest([0x00] + entry) }

  package static func node(_ left: Digest, _ right: Digest) -> Digest {
    SHA256.digest([0x01] + left.bytes + right.bytes)
  }

  /// The root of a complete subtree, whose 2^n leaves or roots of equal height are given.
  static func complete(_ hashes: some Collection<Digest>) -> Digest {
    precondition(hashes.count.nonzeroBitCount == 1, "a complete subtree has 2^n leaves, not \(hashes.count)")
    var level = Array(hashes)
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map { node(level[$0], level[$0 + 1]) }
    }
    return level[0]
  }
}

/// A Merkle tree that only grows, kept as its size and the roots of its complete subtrees: enough to append and to
/// know the root, about a kilobyte however many entries it has.
package struct LedgerTree: Hashable, Sendable {
  package private(set) var size: Int
  /// Roots of the complete subtrees, the largest first: one for each bit set in `size`.
  package private(set) var frontier: [Digest]

  package init() {
    size = 0
    frontier = []
  }

  /// - Returns: nil when the frontier is not one of a tree of that size.
  package init?(size: Int, frontier: [Digest]) {
    guard size >= 0, frontier.count == size.nonzeroBitCount else { return nil }
    self.size = size
    self.frontier = frontier
  }

  /// Adds one entry.
  /// - Returns: The entry's index.
  /// - Throws: `.entryTooLarge`: an entry bundle counts an entry's bytes in 16 bits.
  @discardableResult
  package mutating func append(_ entry: [UInt8]) throws(LedgerError) -> Int {
    try LedgerError.checkSize(of: entry, index: size)
    var node = MerkleHash.leaf(entry)
    var rest = size
    while rest & 1 == 1 {
      node = MerkleHash.node(frontier.removeLast(), node)
      rest >>= 1
    }
    frontier.append(node)
    size += 1
    return size - 1
  }

  package var root: Digest {
    guard var root = frontier.last else { return MerkleHash.empty }
    for left in frontier.dropLast().reversed() { root = MerkleHash.node(left, root) }
    return root
  }
}

extension LedgerTree: Codable {
  private enum CodingKeys: String, CodingKey { case version = "v", size, frontier }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let version = try container.decode(Int.self, forKey: .version)
    guard version == 1 else {
      throw DecodingError.dataCorruptedError(
        forKey: .version, in: container, debugDescription: "a ledger tree of format \(version); this host reads 1")
    }
    let size = try container.decode(Int.self, forKey: .size)
    let frontier = try container.decode([Digest].self, forKey: .frontier)
    guard let tree = LedgerTree(size: size, frontier: frontier) else {
      throw DecodingError.dataCorruptedError(
        forKey: .frontier, in: container,
        debugDescription: "a tree of \(size) entries cannot have \(frontier.count) complete subtrees")
    }
    self = tree
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(1, forKey: .version)
    try container.encode(size, forKey: .size)
    try container.encode(frontier, forKey: .frontier)
  }
}
