import Cryptography
package import Domain

/// What the log keeps of one fact: its kind, its id, its time and a commitment to its payload. The payload lies beside,
/// so erasing it leaves every proof standing.
///
/// Its bytes are canonical JSON (RFC 8785). The fields are restricted so that the canonical form needs no escapes:
/// `{"at":1764000000000,"commitment":"<64 hex>","id":"…","kind":"…","v":1}`.
package struct LedgerLeaf: Hashable, Sendable {
  package static let version = 1
  package static let kindBytesMax = 64
  package static let idBytesMax = 256

  /// What kind of fact, e.g. `verdict`, `receipt`: a-z, 0-9, `.`, `_`, `-`.
  package let kind: String
  /// The fact's id: printable ASCII without space, `"` and `\`.
  package let id: String
  /// SHA-256 of the payload object.
  package let commitment: Digest
  /// Milliseconds since 1970-01-01 UTC, 0 ≤ at < 2^53, as journaled.
  package let at: Int64

  /// - Throws: `.leafFieldInvalid`.
  package init(kind: String, id: String, commitment: Digest, at: Int64) throws(LedgerError) {
    guard (1...LedgerLeaf.kindBytesMax).contains(kind.utf8.count), kind.utf8.allSatisfy(LedgerLeaf.isKindByte) else {
      throw .leafFieldInvalid(field: "kind", rule: "1 to \(LedgerLeaf.kindBytesMax) of a-z 0-9 . _ -")
    }
    guard (1...LedgerLeaf.idBytesMax).contains(id.utf8.count), id.utf8.allSatisfy(LedgerLeaf.isIDByte) else {
      throw .leafFieldInvalid(
        field: "id", rule: "1 to \(LedgerLeaf.idBytesMax) printable ASCII characters without space, quote, backslash")
    }
    guard (0..<(1 << 53)).contains(at) else {
      throw .leafFieldInvalid(field: "time", rule: "between 0 and 2^53 − 1 milliseconds")
    }
    self.kind = kind
    self.id = id
    self.commitment = commitment
    self.at = at
  }

  /// The entry of the log.
  package var bytes: [UInt8] {
    Array(
      #"{"at":\#(at),"commitment":"\#(commitment.hex)","id":"\#(id)","kind":"\#(kind)","v":\#(LedgerLeaf.version)}"#
        .utf8)
  }

  /// Reads an entry; only the exact bytes that `bytes` writes are accepted.
  package init(parsing bytes: [UInt8]) throws(LedgerError) {
    var rest = bytes[...]
    func take(_ text: String) throws(LedgerError) {
      guard rest.starts(with: text.utf8) else { throw .leafMalformed(reason: "`\(text)` expected") }
      rest = rest.dropFirst(text.utf8.count)
    }
    func take(until end: Character) -> String {
      let part = rest.prefix { $0 != end.asciiValue }
      rest = rest.dropFirst(part.count)
      return String(decoding: part, as: UTF8.self)
    }
    try take(#"{"at":"#)
    let at = take(until: ",")
    try take(#","commitment":""#)
    let commitment = take(until: "\"")
    try take(#"","id":""#)
    let id = take(until: "\"")
    try take(#"","kind":""#)
    let kind = take(until: "\"")
    try take(#"","v":"#)
    let version = take(until: "}")
    guard version == String(LedgerLeaf.version) else {
      throw .leafMalformed(reason: "it has format \(version.prefix(20)), this host reads \(LedgerLeaf.version)")
    }
    guard let time = Int64(at), let digest = Digest(hex: commitment) else {
      throw .leafMalformed(reason: "its time or commitment is miswritten")
    }
    try self.init(kind: kind, id: id, commitment: digest, at: time)
    guard self.bytes == bytes else { throw .leafMalformed(reason: "it is not in canonical form") }
  }

  private static func isKindByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
    default: false
    }
  }
  private static func isIDByte(_ byte: UInt8) -> Bool {
    (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }
}

/// What a leaf commits to. The salt keeps anybody from guessing a payload from its commitment.
///
/// The object stored beside the log is salt ‖ payload, so its SHA-256 is the commitment and its name.
package struct LedgerPayload: Hashable, Sendable {
  package static let saltByteCount = 32

  /// 32 random bytes, drawn by the host and journaled.
  package let salt: [UInt8]
  /// Canonical JSON.
  package let payload: [UInt8]

  package init(salt: [UInt8], payload: [UInt8]) throws(LedgerError) {
    guard salt.count == LedgerPayload.saltByteCount else { throw .saltWrongSize(bytes: salt.count) }
    self.salt = salt
    self.payload = payload
  }

  /// Reads a stored object.
  package init(object: [UInt8]) throws(LedgerError) {
    guard object.count >= LedgerPayload.saltByteCount else { throw .payloadMalformed(bytes: object.count) }
    salt = Array(object.prefix(LedgerPayload.saltByteCount))
    payload = Array(object.dropFirst(LedgerPayload.saltByteCount))
  }

  package var commitment: Digest { SHA256.digest(salt + payload) }
  package var file: LedgerFile { LedgerFile(path: LedgerPayload.path(of: commitment), bytes: salt + payload) }

  /// `payload/ab/abcdef…`: the first byte parts the objects into 256 folders.
  package static func path(of commitment: Digest) -> String { "payload/\(commitment.hex.prefix(2))/\(commitment.hex)" }
}
