import ConnectorFabric
import Cryptography
import Domain
package import TrustLedger

/// Who says that a pack is theirs: a signed note (https://c2sp.org/signed-note) beside it, `PACK.sig`.
package enum PackSignature {
  /// The note's text: what is signed.
  static func text(_ archive: [UInt8], _ pack: PluginPack) -> String {
    "sluice.plugin-pack/1\n\(pack.manifest.name) \(pack.manifest.version)\n\(SHA256.digest(archive).hex)\n"
  }

  package static func sign(_ archive: [UInt8], _ pack: PluginPack, key: SigningKey) throws -> [UInt8] {
    try NoteSigner(name: key.name, seed: key.seed).sign(text(archive, pack)).encoded
  }

  /// Throws unless one of the trusted keys signed exactly this pack.
  /// - Returns: The key that did.
  package static func verify(_ archive: [UInt8], _ pack: PluginPack, note: [UInt8], trusted: [NoteKey]) throws
    -> NoteKey
  {
    let signed: SignedNote
    do { signed = try SignedNote(parsing: note) } catch { throw PackError.forged(reason: "it is no signed note") }
    guard signed.text == text(archive, pack) else { throw PackError.forged(reason: "it is for another pack") }
    for key in trusted where signed.signatures.contains(where: { $0.name == key.name && $0.keyID == key.id }) {
      do { try signed.verify(by: key) } catch { throw PackError.forged(reason: "that of \(key.name) is wrong") }
      return key
    }
    throw PackError.untrusted(signers: signed.signatures.map(\.name))
  }
}

/// An author's key, as its file holds it: `PRIVATE+KEY+NAME+HEX` of the seed (32 bytes).
package struct SigningKey: Sendable {
  package let name: String
  let seed: [UInt8]

  package static func made(name: String, random: (Int) -> [UInt8]) throws -> SigningKey {
    let key = SigningKey(name: name, seed: random(Ed25519.seedByteCount))
    do { _ = try NoteSigner(name: name, seed: key.seed) } catch LedgerError.keyNameInvalid {
      throw PackError.badKeyName(name: name)
    }
    return key
  }

  private init(name: String, seed: [UInt8]) {
    self.name = name
    self.seed = seed
  }

  package init(text: String, path: String) throws {
    let parts =
      text.split(whereSeparator: \.isNewline).first?.split(separator: "+", omittingEmptySubsequences: false) ?? []
    guard parts.count == 4, parts[0] == "PRIVATE", parts[1] == "KEY", let seed = Hex.decode(parts[3]),
      seed.count == Ed25519.seedByteCount
    else { throw PackError.badKey(path: path) }
    self.init(name: String(parts[2]), seed: seed)
    _ = try NoteSigner(name: name, seed: seed)
  }

  package var text: String { "PRIVATE+KEY+\(name)+\(Hex.encode(seed))\n" }
  /// What others check with.
  package var vkey: String { get throws { try NoteSigner(name: name, seed: seed).key.vkey } }
}
