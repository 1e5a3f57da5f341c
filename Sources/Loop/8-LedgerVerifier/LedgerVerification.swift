// LedgerVerifier: a signed checkpoint, its key and the files of a log come in; out goes a report that names each thing
// that is not as the checkpoint promised: which tile, entry or payload, with both hashes.
// It shares no code with TrustLedger but Core's, writes nothing, and believes nothing that it did not hash itself.

import Cryptography
package import Domain

/// What was checked, and what was wrong.
package struct LedgerReport: Sendable, Equatable {
  package internal(set) var origin = ""
  package internal(set) var size = 0
  /// As the checkpoint says.
  package internal(set) var root: Digest?
  package internal(set) var entriesChecked = 0
  package internal(set) var tilesChecked = 0
  package internal(set) var payloadsChecked = 0
  /// Whether an earlier checkpoint was given and this log begins with its tree.
  package internal(set) var extendsEarlier: Bool?
  package internal(set) var findings: [LedgerFinding] = []

  package var isSound: Bool { findings.isEmpty }
}

/// Checks a whole log against one checkpoint.
///
/// Formats: [C2SP tlog-tiles](https://c2sp.org/tlog-tiles), [tlog-checkpoint](https://c2sp.org/tlog-checkpoint),
/// [signed-note](https://c2sp.org/signed-note), hashes of RFC 6962 §2.1.
package struct LedgerVerification {
  private let vkey: String
  private let read: (_ path: String) -> [UInt8]?
  private var report = LedgerReport()

  private init(vkey: String, read: @escaping (String) -> [UInt8]?) {
    self.vkey = vkey
    self.read = read
  }

  /// - Parameters:
  ///   - checkpoint: The signed note, as in the file `checkpoint`.
  ///   - vkey: The log's key as text, from a place that the log's keeper does not control.
  ///   - earlier: A signed checkpoint kept from before, which this log must extend.
  ///   - read: A file of the log by its path; nil when absent.
  package static func verify(
    checkpoint: [UInt8], vkey: String, earlier: [UInt8]? = nil, read: @escaping (_ path: String) -> [UInt8]?
  ) -> LedgerReport {
    verify(checkpoint: checkpoint, vkey: vkey, earlier: earlier.map { [$0] } ?? [], read: read)
  }

  static func verify(
    checkpoint: [UInt8], vkey: String, earlier: [[UInt8]], read: @escaping (_ path: String) -> [UInt8]?
  ) -> LedgerReport {
    var verification = LedgerVerification(vkey: vkey, read: read)
    do throws(LedgerFinding) {
      try verification.run(checkpoint: checkpoint, earlier: earlier)
    } catch {
      verification.report.findings.append(error)
    }
    return verification.report
  }

  private mutating func run(checkpoint: [UInt8], earlier: [[UInt8]]) throws(LedgerFinding) {
    let key = try LogKey(vkey: vkey)
    let promised = try key.open(checkpoint, which: "checkpoint")
    report.origin = promised.origin
    report.size = promised.size
    report.root = promised.root

    let leaves = try readEntries(size: promised.size)
    let computed = leaves.root(upTo: promised.size)
    if computed != promised.root { try blame(leaves, promised: promised.root, computed: computed) }
    try checkTiles(leaves)
    for note in earlier { try checkEarlier(note, key: key, leaves: leaves) }
  }

  /// Reads all entry bundles and checks each entry's payload.
  private mutating func readEntries(size: Int) throws(LedgerFinding) -> LeafHashes {
    var leaves = LeafHashes()
    var first = 0
    while first < size {
      let width = min(256, size - first)
      var path = LogPath.entries(bundle: first / 256, width: width)
      var bytes = read(path)
      if bytes == nil, let full = read(LogPath.entries(bundle: first / 256, width: 256)) {
        // A partial bundle may be removed once the full one is there; its entries come first in that.
        path = LogPath.entries(bundle: first / 256, width: 256)
        bytes = full
      }
      let isWhole = path == LogPath.entries(bundle: first / 256, width: width)
      guard let bytes else { throw .bundleMissing(path: path) }
      var at = 0
      for slot in 0..<width {
        guard at + 2 <= bytes.count else {
          throw .bundleMalformed(path: path, entry: first + slot, reason: "it ends before this entry")
        }
        let length = Int(bytes[at]) * 256 + Int(bytes[at + 1])
        guard at + 2 + length <= bytes.count else {
          throw .bundleMalformed(path: path, entry: first + slot, reason: "this entry is cut off")
        }
        let entry = bytes[(at + 2)..<(at + 2 + length)]
        leaves.append(entry)
        checkPayload(of: entry, index: first + slot)
        report.entriesChecked += 1
        at += 2 + length
      }
      guard at == bytes.count || !isWhole else {
        throw .bundleMalformed(path: path, entry: first + width - 1, reason: "bytes follow the last entry")
      }
      first += width
    }
    return leaves
  }

  private mutating func checkPayload(of entry: ArraySlice<UInt8>, index: Int) {
    guard let commitment = EntryFields.commitment(in: entry) else {
      report.findings.append(.entryMalformed(entry: index))
      return
    }
    let path = LogPath.payload(commitment)
    guard let object = read(path) else {
      report.findings.append(.payloadMissing(path: path, entry: index))
      return
    }
    report.payloadsChecked += 1
    let found = SHA256.digest(object)
    if found != commitment {
      report.findings.append(.payloadDiffers(path: path, entry: index, expected: commitment, found: found))
    }
  }

  /// The root is not the promised one. Says which entries are to blame when the level-0 tiles still give that root.
  private mutating func blame(_ leaves: LeafHashes, promised: Digest, computed: Digest) throws(LedgerFinding) {
    report.findings.append(.rootDiffers(size: report.size, expected: promised, found: computed))
    var kept = LeafHashes()
    for first in stride(from: 0, to: report.size, by: 256) {
      let width = min(256, report.size - first)
      let (_, tile) = readTile(level: 0, index: first / 256, width: width)
      guard let tile, tile.count == width * 32 else { return }
      kept.append(hashes: tile)
    }
    guard kept.root(upTo: report.size) == promised else { return }
    for entry in 0..<report.size where kept[entry] != leaves[entry] {
      let first = entry / 256 * 256
      report.findings.append(
        .entryDiffers(
          path: LogPath.entries(bundle: entry / 256, width: min(256, report.size - first)), entry: entry,
          expected: kept[entry], found: leaves[entry]))
    }
  }

  /// A tile's first `width` hashes: from the tile of that width or, once it is removed, from the full one.
  private func readTile(level: Int, index: Int, width: Int) -> (path: String, bytes: [UInt8]?) {
    let path = LogPath.tile(level: level, index: index, width: width)
    if let bytes = read(path) { return (path, bytes) }
    let fullPath = LogPath.tile(level: level, index: index, width: 256)
    guard let full = read(fullPath), full.count == 256 * 32 else { return (path, nil) }
    return (fullPath, Array(full[..<(width * 32)]))
  }

  /// Compares every tile with the hashes of the entries.
  private mutating func checkTiles(_ leaves: LeafHashes) throws(LedgerFinding) {
    let entriesDiffer = !report.findings.allSatisfy {
      if case .entryDiffers = $0 { false } else { true }
    }
    // The tiles were found right and the entries wrong: comparing them would accuse the tiles.
    if entriesDiffer { return }
    var hashes = leaves
    var level = 0
    while hashes.count > 0 {
      for first in stride(from: 0, to: hashes.count, by: 256) {
        let width = min(256, hashes.count - first)
        let (path, bytes) = readTile(level: level, index: first / 256, width: width)
        guard let tile = bytes else {
          report.findings.append(.tileMissing(path: path))
          continue
        }
        report.tilesChecked += 1
        guard tile.count == width * 32 else {
          report.findings.append(.tileWrongSize(path: path, expectedBytes: width * 32, foundBytes: tile.count))
          continue
        }
        for slot in 0..<width {
          let found = Digest(Array(tile[(slot * 32)..<(slot * 32 + 32)]))!
          guard found != hashes[first + slot] else { continue }
          report.findings.append(
            .tileDiffers(path: path, slot: slot, expected: hashes[first + slot], found: found))
        }
      }
      hashes = hashes.tileLevelAbove()
      level += 1
    }
  }

  private mutating func checkEarlier(_ note: [UInt8], key: LogKey, leaves: LeafHashes) throws(LedgerFinding) {
    report.extendsEarlier = false
    let earlier = try key.open(note, which: "earlier checkpoint")
    guard earlier.size <= report.size else {
      throw .logShrank(earlierSize: earlier.size, size: report.size)
    }
    let found = leaves.root(upTo: earlier.size)
    guard found == earlier.root else {
      throw .historyRewritten(size: earlier.size, expected: earlier.root, found: found)
    }
    report.extendsEarlier = true
  }
}
