import CanonicalJSON
import Cryptography
import Domain
import Testing
import TrustLedger

@Suite struct `A signed checkpoint` {
  @Test func `is the note that Go's sumdb documents`() throws {
    // golang.org/x/mod/sumdb/note, example: key PeterNeumann.
    let key = try NoteKey(vkey: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    let text = """
      If you think cryptography is the answer to your problem,
      then you don't know what your problem is.

      """
    let line =
      "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    let note = try SignedNote(parsing: Array("\(text)\n\(line)".utf8))
    #expect(note.text == text)
    try note.verify(by: key)
    #expect(note.encoded == Array("\(text)\n\(line)".utf8))
    #expect(key.vkey == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
  }

  @Test func `says origin, size and root, and is read back`() throws {
    let log = try LogFolder(size: 5)
    let note = try SignedNote(parsing: log.checkpoint)
    let read = try Checkpoint(signed: note, by: NoteKey(vkey: LogFolder.vkey()))
    #expect(read == Checkpoint(origin: LogFolder.origin, size: 5, root: log.tree.root))
  }

  @Test(arguments: [
    "a\n1\n", "a\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    "\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    "a\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n",
    "a\n1\n47DEQpj8HBSa\n", "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n",
  ])
  func `is refused when its text is not exactly three lines`(text: String) {
    #expect(throws: LedgerError.noteMalformed(reason: "its text is not origin, size and root")) {
      try Checkpoint(text: text)
    }
  }

  @Test func `is refused under another key, another name or a changed text`() throws {
    let log = try LogFolder(size: 5)
    let note = try SignedNote(parsing: log.checkpoint)
    let other = try NoteSigner(name: LogFolder.origin, seed: [UInt8](repeating: 7, count: 32)).key
    #expect(throws: LedgerError.signatureMissing(key: other.vkey)) { try note.verify(by: other) }
    var changed = log.checkpoint
    changed[LogFolder.origin.utf8.count + 1] += 1  // size 5 becomes 6
    #expect(throws: LedgerError.signatureInvalid(key: try LogFolder.vkey())) {
      try SignedNote(parsing: changed).verify(by: NoteKey(vkey: LogFolder.vkey()))
    }
    #expect(throws: LedgerError.noteMalformed(reason: "its origin is not the name of its key")) {
      try Checkpoint(origin: "elsewhere", size: 5, root: log.tree.root).signed(by: LogFolder.signer())
    }
    #expect(throws: LedgerError.keyNameInvalid(name: "a b")) { try NoteSigner(name: "a b", seed: LogFolder.seed) }
    #expect(throws: LedgerError.keyUnusable(reason: "its id is not the id of its key")) {
      try NoteKey(vkey: LogFolder.vkey().replacing("acme", with: "evil"))
    }
    #expect(throws: LedgerError.noteMalformed(reason: "there is no signature")) {
      try SignedNote(parsing: Array("a\n\n".utf8))
    }
  }
}

@Suite struct `A ledger entry` {
  @Test func `is canonical JSON and reads back only from exactly those bytes`() throws {
    let leaf = try LogFolder.leaf(7)
    #expect(try canonicalJSON(leaf.bytes) == leaf.bytes)
    #expect(try LedgerLeaf(parsing: leaf.bytes) == leaf)
    for at in leaf.bytes.indices {
      var shorter = leaf.bytes
      shorter.remove(at: at)
      if let other = try? LedgerLeaf(parsing: shorter) { #expect(other != leaf && other.bytes == shorter) }
    }
    #expect(throws: LedgerError.self) { try LedgerLeaf(parsing: leaf.bytes + [0x20]) }
    #expect(throws: LedgerError.leafMalformed(reason: "it has format 2, this host reads 1")) {
      try LedgerLeaf(
        parsing: Array(String(decoding: leaf.bytes, as: UTF8.self).replacing("\"v\":1", with: "\"v\":2").utf8))
    }
  }

  @Test func `refuses fields that would need escapes`() throws {
    let root = MerkleHash.empty
    for kind in ["", "Verdict", "a b", "é", String(repeating: "a", count: 65)] {
      #expect(throws: LedgerError.self) { try LedgerLeaf(kind: kind, id: "x", commitment: root, at: 0) }
    }
    for id in ["", "a\"b", "a\\b", "a b", "é", String(repeating: "a", count: 257)] {
      #expect(throws: LedgerError.self) { try LedgerLeaf(kind: "k", id: id, commitment: root, at: 0) }
    }
    #expect(throws: LedgerError.self) { try LedgerLeaf(kind: "k", id: "x", commitment: root, at: 1 << 53) }
    #expect(throws: LedgerError.self) { try LedgerLeaf(kind: "k", id: "x", commitment: root, at: -1) }
  }

  @Test func `commits to salt and payload, whose object bears the commitment as its name`() throws {
    let payload = try LogFolder.payload(1)
    #expect(payload.file.path.hasSuffix(SHA256.digest(payload.file.bytes).hex))
    #expect(try LedgerPayload(object: payload.file.bytes) == payload)
    #expect(throws: LedgerError.saltWrongSize(bytes: 3)) { try LedgerPayload(salt: [1, 2, 3], payload: []) }
    #expect(throws: LedgerError.payloadMalformed(bytes: 31)) {
      try LedgerPayload(object: [UInt8](repeating: 0, count: 31))
    }
  }
}
