import Cryptography
import Domain
import LedgerVerifier
import Testing
import TrustLedger

@Suite struct `The ledger verifier` {
  static let log = try! LogFolder(size: 600, step: 190)

  func verify(
    _ files: [String: [UInt8]], checkpoint: [UInt8]? = nil, vkey: String? = nil, earlier: [UInt8]? = nil
  ) throws -> LedgerReport {
    LedgerVerification.verify(
      checkpoint: checkpoint ?? files["checkpoint"]!, vkey: try vkey ?? LogFolder.vkey(), earlier: earlier
    ) { files[$0] }
  }

  @Test func `finds a whole log sound and says what it checked`() throws {
    let report = try verify(Self.log.files, earlier: Self.log.checkpoints[0])
    #expect(report.findings == [])
    #expect(report.origin == LogFolder.origin && report.size == 600 && report.root == Self.log.tree.root)
    #expect(report.entriesChecked == 600 && report.payloadsChecked == 600)
    #expect(report.tilesChecked == 4, "three of leaves, one above")
    #expect(report.extendsEarlier == true)
  }

  @Test func `finds an empty log sound`() throws {
    let report = try verify(LogFolder(size: 0).files)
    #expect(report.isSound && report.size == 0)
  }

  @Test func `names each payload that is missing`() throws {
    var files = Self.log.files
    let gone = try [4, 5].map { (index: $0, path: try LogFolder.payload($0).file.path) }
    for (_, path) in gone { files[path] = nil }
    let report = try verify(files)
    #expect(report.findings == gone.map { .payloadMissing(path: $0.path, entry: $0.index) })
    #expect(report.payloadsChecked == 598)
  }

  @Test func `says of several findings the one that tells most`() throws {
    let hash = Cryptography.SHA256.digest("x")
    let root = LedgerFinding.rootDiffers(size: 1, expected: hash, found: hash)
    let missing = LedgerFinding.payloadMissing(path: "payload/x", entry: 0)
    let entry = LedgerFinding.entryDiffers(path: "tile/entries/000", entry: 0, expected: hash, found: hash)
    #expect([missing, root, entry].mostSpecific == entry)
    #expect([missing, root].mostSpecific == missing)
    #expect([root].mostSpecific == root)
    #expect([LedgerFinding]().mostSpecific == nil)
  }

  @Test(arguments: ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
  func `names the tile and the hash in which one bit was flipped`(path: String) throws {
    var files = Self.log.files
    let right = Digest(Array(files[path]![32..<64]))!
    files[path]![40] ^= 0x10
    let wrong = Digest(Array(files[path]![32..<64]))!
    #expect(try verify(files).findings == [.tileDiffers(path: path, slot: 1, expected: right, found: wrong)])
    files[path]!.removeLast()
    let bytes = files[path]!.count + 1
    #expect(
      try verify(files).findings == [.tileWrongSize(path: path, expectedBytes: bytes, foundBytes: bytes - 1)])
    files[path] = nil
    #expect(try verify(files).findings == [.tileMissing(path: path)])
  }

  @Test func `names the entry that was changed, and the root it breaks`() throws {
    var files = Self.log.files
    let path = "tile/entries/001"
    // Entry 256 is changed to another well-formed entry: its time becomes a year later.
    let old = try LogFolder.leaf(256)
    let new = try LedgerLeaf(kind: old.kind, id: old.id, commitment: old.commitment, at: old.at + 1)
    files[path]!.replaceSubrange(2..<(2 + new.bytes.count), with: new.bytes)
    let findings = try verify(files).findings
    #expect(findings.count == 2)
    guard case .rootDiffers(600, Self.log.tree.root, _) = findings[0] else {
      Issue.record("\(findings[0])")
      return
    }
    #expect(
      findings[1]
        == .entryDiffers(
          path: path, entry: 256, expected: MerkleHash.leaf(old.bytes), found: MerkleHash.leaf(new.bytes)))
  }

  @Test func `names the bundle that is missing, cut off or too long`() throws {
    let path = "tile/entries/002.p/88"
    var files = Self.log.files
    files[path] = nil
    #expect(try verify(files).findings == [.bundleMissing(path: path)])
    files[path] = Array(Self.log.files[path]!.dropLast())
    #expect(
      try verify(files).findings == [.bundleMalformed(path: path, entry: 599, reason: "this entry is cut off")])
    files[path] = Self.log.files[path]! + [0]
    #expect(
      try verify(files).findings
        == [.bundleMalformed(path: path, entry: 599, reason: "bytes follow the last entry")])
    files[path] = []
    #expect(
      try verify(files).findings
        == [.bundleMalformed(path: path, entry: 512, reason: "it ends before this entry")])
  }

  @Test func `names the payload that was changed, with both commitments`() throws {
    var files = Self.log.files
    let payload = try LogFolder.payload(123)
    files[payload.file.path]![35] ^= 1
    let found = SHA256.digest(files[payload.file.path]!)
    #expect(
      try verify(files).findings
        == [.payloadDiffers(path: payload.file.path, entry: 123, expected: payload.commitment, found: found)])
  }

  @Test func `names a checkpoint that is forged, unsigned, malformed or of a strange key`() throws {
    let vkey = try LogFolder.vkey()
    var forged = Self.log.checkpoint
    forged[LogFolder.origin.utf8.count + 1] ^= 1
    #expect(
      try verify(Self.log.files, checkpoint: forged).findings == [.checkpointForged(which: "checkpoint", key: vkey)])
    let stranger = try NoteSigner(name: LogFolder.origin, seed: [UInt8](repeating: 9, count: 32)).key.vkey
    #expect(
      try verify(Self.log.files, vkey: stranger).findings
        == [.checkpointUnsigned(which: "checkpoint", key: stranger)])
    #expect(
      try verify(Self.log.files, checkpoint: []).findings
        == [.checkpointMalformed(which: "checkpoint", reason: "no empty line parts text and signatures")])
    #expect(
      try verify(Self.log.files, vkey: "x").findings
        == [.keyMalformed(reason: "a vkey has three parts joined by '+'")])
  }

  @Test func `names a log whose history was rewritten or that shrank`() throws {
    var other = try LogFolder(size: 0)
    for i in 1...600 { try other.append(i) }  // signed by the same key, but not the same entries
    try other.publish()
    let report = try verify(other.files, earlier: Self.log.checkpoints[0])
    #expect(report.extendsEarlier == false)
    guard case .historyRewritten(190, _, _)? = report.findings.first, report.findings.count == 1 else {
      Issue.record("\(report.findings)")
      return
    }
    let shrunk = try verify(LogFolder(size: 100).files, earlier: Self.log.checkpoints[0])
    #expect(shrunk.findings == [.logShrank(earlierSize: 190, size: 100)])
  }

  @Test func `reads an older size from full files when the partial ones are removed`() throws {
    var log = try LogFolder(size: 300, step: 300)
    let older = log.checkpoint
    for i in 300..<520 { try log.append(i) }
    let held = log.files
    let entries = try (300..<520).map { try LogFolder.leaf($0).bytes }
    let publication = try LedgerPublication(of: log.tree, after: 300, entries: entries) { held[$0] }
    #expect(publication.removableFolders == ["tile/entries/001.p", "tile/0/001.p"])
    try log.publish()
    let kept = log.files.filter { file in !publication.removableFolders.contains { file.key.hasPrefix($0) } }
    #expect(kept.count == log.files.count - 2)
    #expect(try verify(kept).isSound)
    #expect(try verify(kept, checkpoint: older).isSound)
    var hashes = TileHashes(size: 300) { kept[$0] }
    #expect(try hashes.root() == log.treeRoot(signedIn: older))
    var damaged = kept
    damaged["tile/0/001"]![0] ^= 1
    #expect(try verify(damaged, checkpoint: older).findings.map(\.code) == ["ledger.tile_differs"])
  }

  @Test func `checks an entry from a proof file alone`() throws {
    var hashes = TileHashes(size: 600, read: Self.log.reader)
    let checkpoint = try SignedNote(parsing: Self.log.checkpoint)
    let vkey = try LogFolder.vkey()
    for index in [0, 255, 256, 511, 512, 599] {
      let file = LedgerProofFile(proof: try hashes.inclusionProof(of: index), checkpoint: checkpoint).encoded
      let entry = try LogFolder.leaf(index).bytes
      let proven = try LedgerVerification.verify(proof: file, entry: entry, vkey: vkey)
      #expect(proven.origin == LogFolder.origin && proven.index == index && proven.size == 600)
      #expect(proven.root == Self.log.tree.root)
      #expect(throws: LedgerFinding.self) {
        try LedgerVerification.verify(proof: file, entry: entry + [0], vkey: vkey)
      }
      for bit in stride(from: 0, to: file.count * 8, by: 7) {
        var flipped = file
        flipped[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(throws: LedgerFinding.self, "bit \(bit)") {
          try LedgerVerification.verify(proof: flipped, entry: entry, vkey: vkey)
        }
      }
    }
  }

  @Test func `reports an entry of another form, though the tree is sound`() throws {
    let entry = Array("hello".utf8)
    var tree = LedgerTree()
    try tree.append(entry)
    let publication = try LedgerPublication(of: tree, after: 0, entries: [entry]) { _ in nil }
    var files = Dictionary(uniqueKeysWithValues: publication.files.map { ($0.path, $0.bytes) })
    files["checkpoint"] = try Checkpoint(origin: LogFolder.origin, size: 1, root: tree.root)
      .signed(by: LogFolder.signer()).encoded
    #expect(try verify(files).findings == [.entryMalformed(entry: 0)])
  }

  @Test func `rejects 10,000 single bits flipped anywhere`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("bit flips: seed \(seed)")
    var random = SplitMix64(state: seed)
    let log = try LogFolder(size: 11)
    let vkey = try LogFolder.vkey()
    let paths = log.files.keys.sorted()
    var missed: [String] = []
    for _ in 0..<10_000 {
      let path = paths[Int(random.next() % UInt64(paths.count))]
      let bit = Int(random.next() % UInt64(log.files[path]!.count * 8))
      var bytes = log.files[path]!
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      let report = LedgerVerification.verify(
        checkpoint: path == "checkpoint" ? bytes : log.checkpoint, vkey: vkey
      ) { $0 == path ? bytes : log.files[$0] }
      if report.isSound { missed.append("\(path) bit \(bit)") }
    }
    #expect(missed == [], "seed \(seed)")
  }
}

/// [SplitMix64](https://prng.di.unimi.it/splitmix64.c): the same numbers for the same seed.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
