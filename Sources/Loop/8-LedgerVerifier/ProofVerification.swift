import Cryptography
package import Domain

/// What a proof file shows of an entry.
package struct ProvenEntry: Sendable, Hashable {
  package let origin: String
  package let index: Int
  package let size: Int
  package let root: Digest
}

extension LedgerVerification {
  /// Checks that an entry is in a log, from a [C2SP tlog-proof](https://c2sp.org/tlog-proof) file alone.
  ///
  /// - Parameters:
  ///   - proof: The file: header, `index N`, a hash a line, an empty line, the signed checkpoint.
  ///   - entry: The entry's bytes, from elsewhere; the file does not hold them.
  ///   - vkey: The log's key as text, from a place that the log's keeper does not control.
  package static func verify(proof: [UInt8], entry: [UInt8], vkey: String) throws(LedgerFinding) -> ProvenEntry {
    let key = try LogKey(vkey: vkey)
    guard let end = proof.indices.dropLast().first(where: { proof[$0] == 0x0A && proof[$0 + 1] == 0x0A }) else {
      throw .proofMalformed(reason: "no empty line parts proof and checkpoint")
    }
    let promise = try key.open(Array(proof[(end + 2)...]), which: "proof's checkpoint")
    var lines = proof[..<end].split(separator: 0x0A, omittingEmptySubsequences: false)[...]
    guard let header = lines.popFirst(), header.elementsEqual("c2sp.org/tlog-proof@v1".utf8) else {
      throw .proofMalformed(reason: "its first line is not `c2sp.org/tlog-proof@v1`")
    }
    // Extra data is not covered by the proof; nothing is read from it.
    if let line = lines.first, line.starts(with: "extra ".utf8) { lines.removeFirst() }
    guard let line = lines.popFirst(), line.starts(with: "index ".utf8),
      let index = Int(String(decoding: line.dropFirst(6), as: UTF8.self)), "index \(index)".utf8.elementsEqual(line)
    else { throw .proofMalformed(reason: "`index` and a number expected") }
    var path: [[UInt8]] = []
    for line in lines {
      guard let hash = CheckpointText.unbase64(line), hash.count == 32 else {
        throw .proofMalformed(reason: "a hash is miswritten")
      }
      path.append(hash)
    }
    guard index >= 0, index < promise.size else {
      throw .proofMalformed(reason: "entry \(index) lies outside the checkpoint's \(promise.size)")
    }
    guard let found = root(of: SHA256.digest([0] + entry).bytes, at: index, size: promise.size, path: path[...]) else {
      throw .proofMalformed(reason: "its number of hashes does not fit its index and size")
    }
    guard found == promise.root.bytes else {
      throw .entryNotProven(index: index, expected: promise.root, found: Digest(found)!)
    }
    return ProvenEntry(origin: promise.origin, index: index, size: promise.size, root: promise.root)
  }

  /// Undoes `PATH(m, D[n])` of RFC 6962 §2.1.1: the last hash is the root's other child, the rest prove within ours.
  private static func root(of leaf: [UInt8], at index: Int, size: Int, path: ArraySlice<[UInt8]>) -> [UInt8]? {
    if size == 1 { return path.isEmpty ? leaf : nil }
    guard let other = path.last else { return nil }
    var k = 1
    while k * 2 < size { k *= 2 }
    if index < k {
      return root(of: leaf, at: index, size: k, path: path.dropLast()).map { SHA256.digest([1] + $0 + other).bytes }
    }
    return root(of: leaf, at: index - k, size: size - k, path: path.dropLast())
      .map { SHA256.digest([1] + other + $0).bytes }
  }
}
