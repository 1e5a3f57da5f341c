import Cryptography
import Domain

/// Signs notes with one Ed25519 key ([C2SP signed-note](https://c2sp.org/signed-note)).
package struct NoteSigner: Sendable {
  package let name: String
  private let seed: [UInt8]
  private let publicKey: [UInt8]

  /// - Parameters:
  ///   - name: The key's name; for a log, its origin.
  ///   - seed: 32 bytes, from the vault.
  package init(name: String, seed: [UInt8]) throws(LedgerError) {
    try NoteKey.check(name: name)
    self.name = name
    self.seed = seed
    do { publicKey = try Ed25519.publicKey(seed: seed) } catch { throw .keyUnusable(reason: error.code) }
  }

  package var key: NoteKey { NoteKey(name: name, publicKey: publicKey) }

  /// - Parameter text: Not empty, ends with a line feed, without other control characters.
  package func sign(_ text: String) throws(LedgerError) -> SignedNote {
    guard text.hasSuffix("\n"), text.unicodeScalars.allSatisfy({ $0.value >= 0x20 || $0 == "\n" }) else {
      throw .noteMalformed(reason: "a note's text ends with a line feed and has no other control characters")
    }
    let signature: [UInt8]
    do { signature = try Ed25519.sign(Array(text.utf8), seed: seed) } catch { throw .keyUnusable(reason: error.code) }
    let line = SignedNote.Signature(name: name, keyID: key.id, bytes: signature)
    return SignedNote(text: text, signatures: [line])
  }
}

/// A public key that checks notes, written as a vkey: `<name>+<hex key id>+<base64(0x01 ‖ key)>`.
package struct NoteKey: Hashable, Sendable {
  private static let algorithm: UInt8 = 0x01  // Ed25519

  package let name: String
  package let publicKey: [UInt8]

  init(name: String, publicKey: [UInt8]) {
    self.name = name
    self.publicKey = publicKey
  }

  package init(vkey: String) throws(LedgerError) {
    let parts = vkey.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let id = Hex.decode(parts[1]), let material = Base64.decode(parts[2].utf8),
      material.count == 33, material[0] == NoteKey.algorithm
    else { throw .keyUnusable(reason: "it is not an Ed25519 vkey") }
    name = String(parts[0])
    publicKey = Array(material.dropFirst())
    try NoteKey.check(name: name)
    guard id == self.id else { throw .keyUnusable(reason: "its id is not the id of its key") }
  }

  /// The same key under another name, which is another key to whoever reads notes.
  package func named(_ name: String) -> NoteKey { NoteKey(name: name, publicKey: publicKey) }

  /// The first 4 bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key).
  package var id: [UInt8] {
    Array(SHA256.digest(Array(name.utf8) + [0x0A, NoteKey.algorithm] + publicKey).bytes.prefix(4))
  }
  package var vkey: String { "\(name)+\(Hex.encode(id))+\(Base64.encode([NoteKey.algorithm] + publicKey))" }

  static func check(name: String) throws(LedgerError) {
    let usable = name.unicodeScalars.allSatisfy {
      !$0.properties.isWhitespace && $0 != "+" && $0.value >= 0x20 && $0.value != 0x7F
    }
    guard !name.isEmpty, usable else { throw .keyNameInvalid(name: name) }
  }
}

/// A text and the signatures under it.
package struct SignedNote: Hashable, Sendable {
  package struct Signature: Hashable, Sendable {
    package let name: String
    package let keyID: [UInt8]
    package let bytes: [UInt8]
  }

  /// Ends with a line feed.
  package let text: String
  package let signatures: [Signature]

  init(text: String, signatures: [Signature]) {
    self.text = text
    self.signatures = signatures
  }

  package var encoded: [UInt8] {
    let lines = signatures.map { "— \($0.name) \(Base64.encode($0.keyID + $0.bytes))\n" }
    return Array("\(text)\n\(lines.joined())".utf8)
  }

  package init(parsing bytes: [UInt8]) throws(LedgerError) {
    guard let whole = String(validating: bytes, as: UTF8.self),
      whole.unicodeScalars.allSatisfy({ $0.value >= 0x20 || $0 == "\n" })
    else { throw .noteMalformed(reason: "it is not UTF-8 text") }
    // The signatures follow the last empty line.
    let separator: [UInt8] = [0x0A, 0x0A]
    guard let split = bytes.indices.dropLast().last(where: { Array(bytes[$0...($0 + 1)]) == separator }), split > 0,
      bytes.last == 0x0A
    else { throw .noteMalformed(reason: "there is no empty line between text and signatures") }
    text = String(decoding: bytes[...split], as: UTF8.self)
    let lines = String(decoding: bytes[(split + 2)...], as: UTF8.self).split(separator: "\n")
    guard !lines.isEmpty else { throw .noteMalformed(reason: "there is no signature") }
    var signatures: [Signature] = []
    for line in lines {
      let parts = line.split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "—", !parts[1].isEmpty, let material = Base64.decode(parts[2].utf8),
        material.count > 4
      else { throw .noteMalformed(reason: "a signature line is miswritten") }
      signatures.append(
        Signature(name: String(parts[1]), keyID: Array(material.prefix(4)), bytes: Array(material.dropFirst(4))))
    }
    self.signatures = signatures
  }

  /// Checks that `key` signed. Signatures of other keys are not looked at.
  /// - Throws: `.signatureMissing`, `.signatureInvalid`.
  package func verify(by key: NoteKey) throws(LedgerError) {
    let own = signatures.filter { $0.name == key.name && $0.keyID == key.id }
    guard !own.isEmpty else { throw .signatureMissing(key: key.vkey) }
    for signature in own {
      guard Ed25519.isValid(signature: signature.bytes, of: Array(text.utf8), publicKey: key.publicKey) else {
        throw .signatureInvalid(key: key.vkey)
      }
    }
  }
}
