package import Domain

/// The files to write so that a log published at one size is published at a greater one.
package struct LedgerPublication: Hashable, Sendable {
  package let size: Int
  package let root: Digest
  /// Bundles first, then tiles from the lowest level up. All must be durable before a checkpoint is signed.
  package let files: [LedgerFile]

  /// Folders of partial tiles and bundles whose full form is among `files`. They may be removed once a checkpoint of
  /// this publication is durable: whoever reads an older size takes the first part of the full file.
  package var removableFolders: [String] {
    files.filter { !$0.path.contains(".p/") }.map { "\($0.path).p" }
  }

  /// Lays out new entries after the published ones.
  ///
  /// - Parameters:
  ///   - tree: The tree with all entries appended; its root must be what the files say.
  ///   - published: The size of the last publication.
  ///   - entries: The entries since then, in order.
  ///   - read: Reads what was published; asked for the open tiles and the open bundle only.
  /// - Throws: `.treesDisagree` and others that mean damage; then nothing may be published.
  package init(
    of tree: LedgerTree, after published: Int, entries: [[UInt8]], read: @escaping TileReader
  ) throws(LedgerError) {
    guard published >= 0, published + entries.count == tree.size else {
      throw .entriesDoNotFillTree(published: published, entries: entries.count, treeSize: tree.size)
    }
    for (i, entry) in entries.enumerated() { try LedgerError.checkSize(of: entry, index: published + i) }
    var files = try LedgerPublication.bundles(after: published, entries: entries, read: read)
    files += try LedgerPublication.tiles(after: published, leaves: entries.map(MerkleHash.leaf), read: read)

    // Invariant: never two checkpoints of one size with different roots. The kept tree and the files must agree.
    let written = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0.bytes) })
    var hashes = TileHashes(size: tree.size) { path in written[path] ?? read(path) }
    let computed = try hashes.root()
    guard computed == tree.root else {
      throw .treesDisagree(size: tree.size, kept: tree.root, computed: computed)
    }
    size = tree.size
    root = computed
    self.files = files
  }

  private static func bundles(
    after published: Int, entries: [[UInt8]], read: TileReader
  ) throws(LedgerError) -> [LedgerFile] {
    let first = published / TilePlace.widthMax
    let width = published % TilePlace.widthMax
    var all: [[UInt8]] = []
    if width > 0 {
      let path = EntryBundle.path(index: first, width: width)
      guard let bytes = read(path) else { throw .fileMissing(path: path) }
      all = try EntryBundle.decode(bytes, path: path)
      guard all.count == width else {
        throw .fileMalformed(path: path, reason: "it holds \(all.count) entries instead of \(width)")
      }
    }
    all += entries
    guard !entries.isEmpty else { return [] }
    return stride(from: 0, to: all.count, by: TilePlace.widthMax).map { start in
      let part = all[start..<min(start + TilePlace.widthMax, all.count)]
      let path = EntryBundle.path(index: first + start / TilePlace.widthMax, width: part.count)
      return LedgerFile(path: path, bytes: EntryBundle.encode(part))
    }
  }

  private static func tiles(
    after published: Int, leaves: [Digest], read: @escaping TileReader
  ) throws(LedgerError) -> [LedgerFile] {
    var files: [LedgerFile] = []
    var old = TileHashes(size: published, read: read)
    var new = leaves
    var level = 0
    while !new.isEmpty {
      let first = (published >> (8 * level)) / TilePlace.widthMax
      var hashes: [Digest] = []
      if let open = TilePlace(level: level, index: first, size: published) { hashes = try old.tile(open) }
      hashes += new
      new = []
      for start in stride(from: 0, to: hashes.count, by: TilePlace.widthMax) {
        let part = hashes[start..<min(start + TilePlace.widthMax, hashes.count)]
        let index = first + start / TilePlace.widthMax
        let path = "tile/\(level)/\(TilePlace.encode(index))\(TilePlace.suffix(part.count))"
        files.append(LedgerFile(path: path, bytes: part.flatMap(\.bytes)))
        if part.count == TilePlace.widthMax { new.append(MerkleHash.complete(part)) }
      }
      level += 1
    }
    return files
  }
}
