package import Domain

/// Shows that an entry is in the tree of a checkpoint
/// ([RFC 6962 §2.1.1](https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1)).
package struct InclusionProof: Hashable, Sendable, Codable {
  package let index: Int
  package let size: Int
  /// From the leaf's sibling up to a child of the root.
  package let hashes: [Digest]

  package init(index: Int, size: Int, hashes: [Digest]) {
    self.index = index
    self.size = size
    self.hashes = hashes
  }

  /// - Parameter leaf: `MerkleHash.leaf` of the entry.
  /// The algorithm is [RFC 9162 §2.1.3.2](https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2).
  package func isValid(leaf: Digest, root: Digest) -> Bool {
    guard index >= 0, index < size else { return false }
    var node = index
    var last = size - 1
    var hash = leaf
    for sibling in hashes {
      guard last > 0 else { return false }
      if node & 1 == 1 || node == last {
        hash = MerkleHash.node(sibling, hash)
        while node & 1 == 0, node != 0 { (node, last) = (node >> 1, last >> 1) }
      } else {
        hash = MerkleHash.node(hash, sibling)
      }
      (node, last) = (node >> 1, last >> 1)
    }
    return last == 0 && hash == root
  }
}

/// Shows that the tree of an earlier checkpoint is a prefix of a later one's
/// ([RFC 6962 §2.1.2](https://www.rfc-editor.org/rfc/rfc6962#section-2.1.2)).
package struct ConsistencyProof: Hashable, Sendable, Codable {
  package let oldSize: Int
  package let newSize: Int
  package let hashes: [Digest]

  package init(oldSize: Int, newSize: Int, hashes: [Digest]) {
    self.oldSize = oldSize
    self.newSize = newSize
    self.hashes = hashes
  }

  /// The algorithm is [RFC 9162 §2.1.4.2](https://www.rfc-editor.org/rfc/rfc9162#section-2.1.4.2).
  package func isValid(oldRoot: Digest, newRoot: Digest) -> Bool {
    guard oldSize >= 0, oldSize <= newSize else { return false }
    if oldSize == newSize { return hashes.isEmpty && oldRoot == newRoot }
    if oldSize == 0 { return hashes.isEmpty && oldRoot == MerkleHash.empty }
    var path = hashes[...]
    if oldSize.nonzeroBitCount == 1 { path = [oldRoot] + path }
    guard let seed = path.popFirst() else { return false }
    var (node, last) = (oldSize - 1, newSize - 1)
    while node & 1 == 1 { (node, last) = (node >> 1, last >> 1) }
    var (old, new) = (seed, seed)
    for hash in path {
      guard last > 0 else { return false }
      if node & 1 == 1 || node == last {
        old = MerkleHash.node(hash, old)
        new = MerkleHash.node(hash, new)
        while node & 1 == 0, node != 0 { (node, last) = (node >> 1, last >> 1) }
      } else {
        new = MerkleHash.node(new, hash)
      }
      (node, last) = (node >> 1, last >> 1)
    }
    return last == 0 && old == oldRoot && new == newRoot
  }
}

extension TileHashes {
  /// The proof that entry `index` is in this tree.
  /// - Throws: `.outsideTree`, `.fileMissing`, `.fileMalformed`.
  package mutating func inclusionProof(of index: Int) throws(LedgerError) -> InclusionProof {
    guard (0..<size).contains(index) else { throw .outsideTree(index: index, size: size) }
    var hashes: [Digest] = []
    var range = 0..<size
    while range.count > 1 {
      let middle = range.lowerBound + splitPoint(range.count)
      if index < middle {
        hashes.append(try root(of: middle..<range.upperBound))
        range = range.lowerBound..<middle
      } else {
        hashes.append(try root(of: range.lowerBound..<middle))
        range = middle..<range.upperBound
      }
    }
    return InclusionProof(index: index, size: size, hashes: hashes.reversed())
  }

  /// The proof that this tree begins with the tree of `oldSize`.
  /// - Throws: `.outsideTree`, `.fileMissing`, `.fileMalformed`.
  package mutating func consistencyProof(from oldSize: Int) throws(LedgerError) -> ConsistencyProof {
    guard (0...size).contains(oldSize) else { throw .outsideTree(index: oldSize, size: size) }
    var hashes: [Digest] = []
    if oldSize > 0, oldSize < size {
      var range = 0..<size
      while range.upperBound != oldSize {
        let middle = range.lowerBound + splitPoint(range.count)
        if oldSize <= middle {
          hashes.append(try root(of: middle..<range.upperBound))
          range = range.lowerBound..<middle
        } else {
          hashes.append(try root(of: range.lowerBound..<middle))
          range = middle..<range.upperBound
        }
      }
      // The old tree itself is known to whoever asks; a subtree of it is not.
      if range.lowerBound > 0 { hashes.append(try root(of: range)) }
    }
    return ConsistencyProof(oldSize: oldSize, newSize: size, hashes: hashes.reversed())
  }
}
