package import Domain

/// What a log promises: at this size it has this root ([C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint)).
package struct Checkpoint: Hashable, Sendable {
  /// The log's name, e.g. `example.com/sluice/acme`; also its key's name.
  package let origin: String
  package let size: Int
  package let root: Digest

  package init(origin: String, size: Int, root: Digest) {
    self.origin = origin
    self.size = size
    self.root = root
  }

  /// Origin, size and root, a line each.
  package var text: String { "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n" }

  /// - Throws: `.noteMalformed`. Extension lines are refused: this log writes none.
  package init(text: String) throws(LedgerError) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 4, !lines[0].isEmpty, lines[3].isEmpty, let size = Int(lines[1]), size >= 0,
      String(size) == lines[1], let bytes = Base64.decode(lines[2].utf8), let root = Digest(bytes)
    else { throw .noteMalformed(reason: "its text is not origin, size and root") }
    self.init(origin: String(lines[0]), size: size, root: root)
  }

  /// Reads a signed checkpoint of the log that `key` belongs to.
  package init(signed note: SignedNote, by key: NoteKey) throws(LedgerError) {
    try note.verify(by: key)
    try self.init(text: note.text)
    guard origin == key.name else { throw .noteMalformed(reason: "its origin is not the name of its key") }
  }

  /// The signed form, as stored in the file `checkpoint`. The origin must be the key's name.
  package func signed(by signer: NoteSigner) throws(LedgerError) -> SignedNote {
    guard origin == signer.name else { throw .noteMalformed(reason: "its origin is not the name of its key") }
    return try signer.sign(text)
  }
}

/// Base64 with padding (RFC 4648 §4); reading accepts the one canonical form only.
enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(start + 3, bytes.count)]
      var bits = part.reduce(0) { $0 << 8 | Int($1) }
      bits <<= 8 * (3 - part.count)
      for place in 0..<4 {
        text.append(place <= part.count ? alphabet[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    guard text.count.isMultiple(of: 4) else { return nil }
    var bytes: [UInt8] = []
    var bits = 0
    var held = 0
    for character in text where character != UInt8(ascii: "=") {
      guard let value = alphabet.firstIndex(of: character) else { return nil }
      bits = (bits << 6 | value) & 0xFFF
      held += 6
      if held >= 8 {
        held -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> held))
      }
    }
    // Misplaced padding and loose bits show as a different encoding.
    return encode(bytes).utf8.elementsEqual(text) ? bytes : nil
  }
}
