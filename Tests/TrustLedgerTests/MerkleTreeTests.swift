import CanonicalJSON
import Cryptography
import Domain
import Testing
import TrustLedger

/// RFC 6962 §2.1, written as naively as it reads.
private func naiveRoot(_ entries: ArraySlice<[UInt8]>) -> Digest {
  if entries.isEmpty { return SHA256.digest([UInt8]()) }
  if entries.count == 1 { return SHA256.digest([0] + entries.first!) }
  var k = 1
  while k * 2 < entries.count { k *= 2 }
  let middle = entries.startIndex + k
  return SHA256.digest([1] + naiveRoot(entries[..<middle]).bytes + naiveRoot(entries[middle...]).bytes)
}

/// The entries of certificate-transparency's reference tests.
private let referenceEntries: [[UInt8]] = [
  "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
].map { Hex.decode($0)! }

/// A log of plain entries, published in one go.
private func log(_ entries: [[UInt8]]) throws -> (tree: LedgerTree, hashes: TileHashes) {
  var tree = LedgerTree()
  for entry in entries { try tree.append(entry) }
  let publication = try LedgerPublication(of: tree, after: 0, entries: entries) { _ in nil }
  let files = Dictionary(uniqueKeysWithValues: publication.files.map { ($0.path, $0.bytes) })
  return (tree, TileHashes(size: entries.count) { files[$0] })
}

@Suite struct `The Merkle tree` {
  @Test(arguments: [
    (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    (6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
  ])
  func `has the roots of Certificate Transparency's reference`(size: Int, root: String) throws {
    var tree = LedgerTree()
    for entry in referenceEntries.prefix(size) { try tree.append(entry) }
    #expect(tree.root.hex == root)
  }

  @Test func `has at every size from 0 to 600 the root of the naive recursion, grown and from tiles`() throws {
    let entries = (0..<600).map { Array("entry \($0)".utf8) }
    var tree = LedgerTree()
    var files: [String: [UInt8]] = [:]
    for size in 0...600 {
      let expected = naiveRoot(entries[..<size])
      #expect(tree.root == expected, "size \(size)")
      var hashes = TileHashes(size: size) { files[$0] }
      #expect(try hashes.root() == expected, "tiles of size \(size)")
      guard size < 600 else { break }
      try tree.append(entries[size])
      let held = files
      let publication = try LedgerPublication(of: tree, after: size, entries: [entries[size]]) { held[$0] }
      #expect(publication.root == tree.root)
      for file in publication.files { files[file.path] = file.bytes }
    }
    #expect(files["tile/0/000"]?.count == 256 * 32)
    #expect(files["tile/1/000.p/2"]?.count == 64)
    #expect(files["tile/0/002.p/88"] != nil && files["tile/entries/002.p/88"] != nil)
  }

  @Test func `is published in any steps to the same full tiles`() throws {
    let small = try LogFolder(size: 700, step: 37)
    let large = try LogFolder(size: 700, step: 700)
    for (path, bytes) in large.files { #expect(small.files[path] == bytes, "\(path)") }
  }

  @Test func `proves every entry, and every earlier size, up to size 70`() throws {
    for size in 1...70 {
      let entries = (0..<size).map { Array("entry \($0)".utf8) }
      var (tree, hashes) = try log(entries)
      for index in 0..<size {
        let proof = try hashes.inclusionProof(of: index)
        let leaf = MerkleHash.leaf(entries[index])
        #expect(proof.isValid(leaf: leaf, root: tree.root))
        #expect(!proof.isValid(leaf: MerkleHash.leaf([9]), root: tree.root))
        #expect(!proof.isValid(leaf: leaf, root: MerkleHash.empty))
        let moved = InclusionProof(index: (index + 1) % size, size: size, hashes: proof.hashes)
        #expect(size == 1 || !moved.isValid(leaf: leaf, root: tree.root))
        let longer = InclusionProof(index: index, size: size, hashes: proof.hashes + [leaf])
        #expect(!longer.isValid(leaf: leaf, root: tree.root))
      }
      for old in 0...size {
        let proof = try hashes.consistencyProof(from: old)
        let oldRoot = naiveRoot(entries[..<old])
        #expect(proof.isValid(oldRoot: oldRoot, newRoot: tree.root), "from \(old) to \(size)")
        #expect(!proof.isValid(oldRoot: MerkleHash.leaf([9]), newRoot: tree.root))
        #expect(!proof.isValid(oldRoot: oldRoot, newRoot: MerkleHash.leaf([9])) || old == 0)
      }
      #expect(throws: LedgerError.outsideTree(index: size, size: size)) { try hashes.inclusionProof(of: size) }
    }
  }

  @Test func `gives RFC 6962's inclusion and consistency proofs for seven entries`() throws {
    // §2.1.3: PATH(0) = [b, h, l], PATH(3) = [c, g, l], PATH(4) = [f, j, k], PATH(6) = [i, k];
    // PROOF(3) = [c, d, g, l], PROOF(4) = [l], PROOF(6) = [i, j, k].
    let entries = (0..<7).map { [UInt8($0)] }
    var (_, hashes) = try log(entries)
    let leaves = entries.map(MerkleHash.leaf)
    let (a, b, c, d, e, f, j) = (leaves[0], leaves[1], leaves[2], leaves[3], leaves[4], leaves[5], leaves[6])
    let (g, h, i) = (MerkleHash.node(a, b), MerkleHash.node(c, d), MerkleHash.node(e, f))
    let (k, l) = (MerkleHash.node(g, h), MerkleHash.node(i, j))
    #expect(try hashes.inclusionProof(of: 0).hashes == [b, h, l])
    #expect(try hashes.inclusionProof(of: 3).hashes == [c, g, l])
    #expect(try hashes.inclusionProof(of: 4).hashes == [f, j, k])
    #expect(try hashes.inclusionProof(of: 6).hashes == [i, k])
    #expect(try hashes.consistencyProof(from: 3).hashes == [c, d, g, l])
    #expect(try hashes.consistencyProof(from: 4).hashes == [l])
    #expect(try hashes.consistencyProof(from: 6).hashes == [i, j, k])
  }

  @Test func `is kept as its size and frontier, and read back only when they fit`() throws {
    let tree = try LogFolder(size: 300).tree
    let json = try JSONValue(encoding: tree)
    #expect(try json.decode(LedgerTree.self) == tree)
    #expect(LedgerTree(size: 3, frontier: [tree.root]) == nil)
    var members = try #require(json.object)
    members["v"] = 2
    #expect(throws: DecodingError.self) { try JSONValue.object(members).decode(LedgerTree.self) }
    members["v"] = 1
    members["size"] = 299
    #expect(throws: DecodingError.self) { try JSONValue.object(members).decode(LedgerTree.self) }
  }

  @Test func `is not published over damaged files`() throws {
    let log = try LogFolder(size: 300)
    var tree = log.tree
    try tree.append([1])
    for path in ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"] {
      var files = log.files
      files[path] = nil
      #expect(throws: LedgerError.fileMissing(path: path)) {
        try LedgerPublication(of: tree, after: 300, entries: [[1]]) { files[$0] }
      }
    }
    var files = log.files
    files["tile/0/001.p/44"]![5] ^= 1
    #expect {
      try LedgerPublication(of: tree, after: 300, entries: [[1]]) { files[$0] }
    } throws: { error in
      if case LedgerError.treesDisagree(size: 301, _, _) = error { true } else { false }
    }
    #expect(throws: LedgerError.entriesDoNotFillTree(published: 300, entries: 0, treeSize: 301)) {
      try LedgerPublication(of: tree, after: 300, entries: []) { files[$0] }
    }
    #expect(throws: LedgerError.entryTooLarge(index: 301, bytes: 65_536)) {
      try tree.append([UInt8](repeating: 0, count: 65_536))
    }
  }

  @Test(arguments: [
    (0, "000"), (67, "067"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067"),
    (1_000_000_000, "x001/x000/x000/000"),
  ])
  func `writes a tile's index three digits a folder`(index: Int, path: String) {
    #expect(TilePlace.encode(index) == path)
  }
}
