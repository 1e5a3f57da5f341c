/// A secret on its way into one request. It has no text form: whatever prints it prints `<secret>`.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private let bytes: [UInt8]
  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package var description: String { "<secret>" }
  package var debugDescription: String { "<secret>" }
  package var customMirror: Mirror { Mirror(self, children: []) }

  /// The bytes, for the egress to send and the ingress to check signatures with. Do not keep them.
  package func reveal<Result>(_ body: ([UInt8]) throws -> Result) rethrows -> Result { try body(bytes) }

  /// The forms in which an upstream may echo it: as it is, in JSON, percent-encoded, hexadecimal, and base64 wherever in
  /// a longer text it stands.
  package var echoForms: [[UInt8]] {
    let password = bytes.firstIndex(of: UInt8(ascii: ":")).map { Array(bytes[($0 + 1)...]) } ?? []
    let percent = Secret.percentEncoded(bytes)
    let inHex = [
      percent, Secret.percentEncoded(bytes, but: "/"), percent.replacing(Array("%20".utf8), with: [UInt8(ascii: "+")]),
      Secret.hex(bytes),
    ]
    let escaped = [Base64.encode(bytes), Secret.escapedInJSON(bytes)] + inHex + inHex.map(Secret.upper)
    // What only the secret decides of its base64, whatever stands before it (`user:`) and behind.
    let coded = (0...2).flatMap { offset -> [[UInt8]] in
      let text = Base64.encode([UInt8](repeating: 0, count: offset) + bytes).filter { $0 != UInt8(ascii: "=") }
      let inner = Array(text.dropFirst([0, 2, 3][offset]).dropLast((bytes.count + offset) % 3 == 0 ? 0 : 1))
      return [inner, inner.map { $0 == UInt8(ascii: "+") ? 0x2D : $0 == UInt8(ascii: "/") ? 0x5F : $0 }]
    }
    return Array(Set(([bytes, password] + escaped).filter { $0.count >= 4 } + coded.filter { $0.count >= 8 }))
  }

  private static func percentEncoded(_ bytes: [UInt8], but kept: String = "") -> [UInt8] {
    bytes.flatMap { byte -> [UInt8] in
      let isKept =
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || "-._~\(kept)".utf8.contains(byte)
      return isKept ? [byte] : [UInt8(ascii: "%")] + hex([byte])
    }
  }

  private static func escapedInJSON(_ bytes: [UInt8]) -> [UInt8] {
    bytes.flatMap { byte -> [UInt8] in
      byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") ? [UInt8(ascii: "\\"), byte] : [byte]
    }
  }

  private static func hex(_ bytes: [UInt8]) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
  }

  /// Hexadecimal digits after a percent sign, or all of them, as capitals; the letters of a secret stay as they are.
  private static func upper(_ form: [UInt8]) -> [UInt8] {
    let isAllHex = !form.contains(UInt8(ascii: "%"))
    return form.indices.map { index in
      let isDigit = isAllHex || form[max(0, index - 2)..<index].contains(UInt8(ascii: "%"))
      return isDigit && (0x61...0x66).contains(form[index]) ? form[index] - 32 : form[index]
    }
  }
}

/// Base64 with padding (RFC 4648, 4).
package enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  package static func encode(_ bytes: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let chunk = bytes[start..<min(start + 3, bytes.count)]
      var word: UInt32 = 0
      for i in 0..<3 { word = word << 8 | UInt32(start + i < chunk.endIndex ? chunk[start + i] : 0) }
      for i in 0..<4 {
        out.append(i <= chunk.count ? alphabet[Int(word >> UInt32(18 - 6 * i)) & 63] : UInt8(ascii: "="))
      }
    }
    return out
  }

  /// - Returns: nil when `text` is not canonical base64.
  package static func decode(_ text: [UInt8]) -> [UInt8]? {
    guard text.count.isMultiple(of: 4) else { return nil }
    let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
    var out: [UInt8] = []
    var word: UInt32 = 0
    for (i, character) in text.dropLast(padding).enumerated() {
      guard let value = alphabet.firstIndex(of: character) else { return nil }
      word = word << 6 | UInt32(value)
      if i % 4 == 3 {
        out += [UInt8(word >> 16 & 255), UInt8(word >> 8 & 255), UInt8(word & 255)]
        word = 0
      }
    }
    if padding == 1 { out += [UInt8(word >> 10 & 255), UInt8(word >> 2 & 255)] }
    if padding == 2 { out.append(UInt8(word >> 4 & 255)) }
    return encode(out) == text ? out : nil
  }
}

/// Replaces every echo of a secret in a stream of bytes by as many asterisks, across chunk borders.
///
/// Defence in depth: an upstream that answers with our own credential must not hand it to the plugin.
package struct SecretScrubber {
  private let forms: [[UInt8]]
  private var held: [UInt8] = []
  package private(set) var found = 0

  package init(_ secrets: [Secret]) {
    forms = secrets.flatMap(\.echoForms).sorted { $0.count > $1.count }
  }

  /// - Returns: What may go on. A tail that could be the beginning of a secret is held until more comes or `isEnd`.
  package mutating func scrub(_ chunk: [UInt8], isEnd: Bool) -> [UInt8] {
    guard !forms.isEmpty else { return chunk }
    var bytes = held + chunk
    for form in forms { replace(form, in: &bytes) }
    let keep = isEnd ? 0 : longestOpenEnd(bytes)
    held = Array(bytes.suffix(keep))
    return Array(bytes.dropLast(keep))
  }

  package mutating func scrub(_ text: String) -> String {
    var bytes = Array(text.utf8)
    for form in forms { replace(form, in: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private mutating func replace(_ form: [UInt8], in bytes: inout [UInt8]) {
    guard bytes.count >= form.count else { return }
    var i = 0
    while i <= bytes.count - form.count {
      if bytes[i] == form[0], bytes[i..<(i + form.count)].elementsEqual(form) {
        for j in i..<(i + form.count) { bytes[j] = UInt8(ascii: "*") }
        found += 1
        i += form.count
      } else {
        i += 1
      }
    }
  }

  /// The length of the longest end of `bytes` that is a beginning of a form.
  private func longestOpenEnd(_ bytes: [UInt8]) -> Int {
    var longest = 0
    for form in forms {
      for length in stride(from: min(form.count - 1, bytes.count), to: longest, by: -1)
      where bytes.suffix(length).elementsEqual(form.prefix(length)) {
        longest = length
        break
      }
    }
    return longest
  }
}
