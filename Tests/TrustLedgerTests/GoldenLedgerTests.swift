import CanonicalJSON
import Domain
import Foundation
import Testing
import TrustLedger

/// The persisted forms, as reviewed text. `UPDATE_GOLDEN=1` rewrites them; a change there is a change of format.
@Suite struct `The ledger's persisted form` {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

  private func compare(_ text: String, with name: String) throws {
    let file = Self.folder.appending(path: name)
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" { try Data(text.utf8).write(to: file) }
    #expect(try String(contentsOf: file, encoding: .utf8) == text, "Golden/\(name)")
  }

  @Test func `of an entry is golden`() throws {
    try compare(String(decoding: LogFolder.leaf(7).bytes, as: UTF8.self) + "\n", with: "entry.json")
  }

  @Test func `of the tree is golden`() throws {
    try compare(JSONValue(encoding: LogFolder(size: 300).tree).canonicalText + "\n", with: "tree.json")
  }

  @Test func `of a log's folder is golden`() throws {
    let log = try LogFolder(size: 3)
    var text = "log.vkey \(try LogFolder.vkey())\n"
    for path in log.files.keys.sorted() {
      text += "== \(path)\n"
      let bytes = log.files[path]!
      text += path == "checkpoint" ? String(decoding: bytes, as: UTF8.self) : Hex.encode(bytes) + "\n"
    }
    try compare(text, with: "folder.txt")
  }

  @Test func `of a proof file is golden`() throws {
    let log = try LogFolder(size: 5)
    var hashes = TileHashes(size: 5, read: log.reader)
    let file = LedgerProofFile(
      proof: try hashes.inclusionProof(of: 2), checkpoint: try SignedNote(parsing: log.checkpoint))
    try compare(String(decoding: file.encoded, as: UTF8.self), with: "entry.tlog-proof")
  }

  @Test func `of the proofs is golden`() throws {
    var hashes = TileHashes(size: 300, read: try LogFolder(size: 300).reader)
    let inclusion = try JSONValue(encoding: hashes.inclusionProof(of: 257)).canonicalText
    let consistency = try JSONValue(encoding: hashes.consistencyProof(from: 190)).canonicalText
    try compare("\(inclusion)\n\(consistency)\n", with: "proofs.json")
  }
}
