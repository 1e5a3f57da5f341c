import Cryptography
import Domain
import TrustLedger

/// A log in memory: what a host would keep on disk.
struct LogFolder {
  static let origin = "sluice.example/acme"
  static let seed = (0..<32).map { UInt8($0) }

  var files: [String: [UInt8]] = [:]
  var checkpoints: [[UInt8]] = []
  var tree = LedgerTree()
  private var published = 0
  private var waiting: [[UInt8]] = []

  static func signer() throws -> NoteSigner { try NoteSigner(name: origin, seed: seed) }
  static func vkey() throws -> String { try signer().key.vkey }

  static func payload(_ i: Int) throws -> LedgerPayload {
    try LedgerPayload(
      salt: SHA256.digest("salt \(i)").bytes, payload: Array(#"{"amount_cents":\#(i * 100),"n":\#(i)}"#.utf8))
  }
  static func leaf(_ i: Int) throws -> LedgerLeaf {
    try LedgerLeaf(
      kind: i.isMultiple(of: 2) ? "verdict" : "receipt", id: "fact-\(i)", commitment: payload(i).commitment,
      at: 1_764_000_000_000 + Int64(i))
  }

  /// A log of `size` facts, published in steps.
  init(size: Int, step: Int = 256) throws {
    for i in 0..<size {
      try append(i)
      if (i + 1).isMultiple(of: step) { try publish() }
    }
    if published < size || size == 0 { try publish() }
  }

  mutating func append(_ i: Int) throws {
    let file = try LogFolder.payload(i).file
    files[file.path] = file.bytes
    let entry = try LogFolder.leaf(i).bytes
    try tree.append(entry)
    waiting.append(entry)
  }

  mutating func publish() throws {
    let held = files
    let publication = try LedgerPublication(of: tree, after: published, entries: waiting) { held[$0] }
    for file in publication.files { files[file.path] = file.bytes }
    let checkpoint = Checkpoint(origin: LogFolder.origin, size: publication.size, root: publication.root)
    files["checkpoint"] = try checkpoint.signed(by: LogFolder.signer()).encoded
    checkpoints.append(files["checkpoint"]!)
    published = publication.size
    waiting = []
  }

  func treeRoot(signedIn checkpoint: [UInt8]) throws -> Digest {
    try Checkpoint(signed: SignedNote(parsing: checkpoint), by: LogFolder.signer().key).root
  }

  var checkpoint: [UInt8] { files["checkpoint"]! }
  var reader: TileReader {
    let files = files
    return { files[$0] }
  }
}
