import Cryptography
import Domain

/// A signature by HMAC-SHA256: where it stands, over what, and what its key is.
package struct SignatureRecipe: Sendable, Equatable {
  package enum Encoding: String, Sendable, CaseIterable { case hex, base64 }
  package enum Unit: String, Sendable, CaseIterable {
    case seconds, milliseconds
    var ms: Int64 { self == .seconds ? 1_000 : 1 }
  }
  package enum Clock: Sendable, Equatable {
    case none
    /// In a header of this lower-case name.
    case header(String, Unit)
    /// In the signature's own header, behind this prefix.
    case element(String, Unit)
  }
  package enum Part: Sendable, Equatable {
    case text(String)
    case timestamp, method, body
    /// The delivery's id, from the header of this lower-case name.
    case id(String)
    /// The address that the sender called.
    case uri
    /// The same with some characters of its query decoded, as HubSpot does it.
    case hubSpotURI
  }
  package enum Key: Sendable, Equatable {
    /// The secret's bytes are the key.
    case text
    /// `whsec_` and the key in base64, or the key itself.
    case standardWebhooks
  }

  /// Of the signature, in lower case.
  package var header: String
  /// Between the elements of that header; nil when it holds one.
  package var separator: Character?
  /// What stands before each signature in it.
  package var prefix = ""
  package var encoding = Encoding.hex
  package var clock = Clock.none
  package var signed: [Part]
  package var key = Key.text

  /// More elements than any sender sends while it rotates its keys.
  private static let elementsMax = 16
  private static let idBytesMax = 256

  var needsURI: Bool { signed.contains(.uri) || signed.contains(.hubSpotURI) }
  var hasClock: Bool { clock != .none }

  func check(
    _ request: WebhookRequest, secrets: [[UInt8]], nowMs: Int64, toleranceMs: Int, base64: WebhookProof.Base64
  ) throws(WebhookRefusal) {
    guard let value = request.headers[header] else { throw .missingHeaders }
    let elements = separator.map { value.split(separator: $0, maxSplits: Self.elementsMax) } ?? [value[...]]
    let timestamp = try timestamp(request, elements)
    if let timestamp { try Self.check(timestamp.text, timestamp.unit, nowMs, toleranceMs) }
    let content = try content(request, timestamp: timestamp?.text)
    let keys = secrets.compactMap { self.key($0, base64) }
    guard !keys.isEmpty else { throw .unusableSecret }
    let expected = keys.map { HMACSHA256.authenticationCode(for: content, key: $0).bytes }
    // Several signatures may stand there while a sender rotates its keys, and several keys here.
    var fits = false
    for element in elements {
      let element = element.drop { $0 == " " }
      guard element.hasPrefix(prefix), let given = decode(element.dropFirst(prefix.count), base64) else { continue }
      for code in expected where constantTimeEqual(given, code) { fits = true }
    }
    guard fits else { throw .wrongSignature }
  }

  private func decode(_ text: Substring, _ base64: WebhookProof.Base64) -> [UInt8]? {
    switch encoding {
    case .hex: Hex.decode(text.lowercased())
    case .base64: base64.decode(Array(text.utf8))
    }
  }

  private func key(_ secret: [UInt8], _ base64: WebhookProof.Base64) -> [UInt8]? {
    let prefix = Array("whsec_".utf8)
    guard key == .standardWebhooks, secret.starts(with: prefix) else { return secret }
    return base64.decode(Array(secret.dropFirst(prefix.count))).flatMap { $0.isEmpty ? nil : $0 }
  }

  private func timestamp(
    _ request: WebhookRequest, _ elements: [Substring]
  ) throws(WebhookRefusal) -> (text: String, unit: Unit)? {
    switch clock {
    case .none: return nil
    case .header(let name, let unit):
      guard let text = request.headers[name] else { throw .missingHeaders }
      return (text, unit)
    case .element(let prefix, let unit):
      let found = elements.lazy.map { $0.drop { $0 == " " } }.first { $0.hasPrefix(prefix) }
      guard let found else { throw .missingHeaders }
      return (String(found.dropFirst(prefix.count)), unit)
    }
  }

  /// Digits only: what is signed is the text, and a time that nobody can tell fits no window.
  private static func check(_ text: String, _ unit: Unit, _ nowMs: Int64, _ toleranceMs: Int) throws(WebhookRefusal) {
    guard (1...15).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int64(text)
    else { throw .missingHeaders }
    let (sentMs, isTooFar) = number.multipliedReportingOverflow(by: unit.ms)
    guard !isTooFar, abs(nowMs - sentMs) <= Int64(toleranceMs) else { throw .outsideWindow }
  }

  private func content(_ request: WebhookRequest, timestamp: String?) throws(WebhookRefusal) -> [UInt8] {
    var content: [UInt8] = []
    for part in signed {
      switch part {
      case .text(let text): content += text.utf8
      case .timestamp: content += (timestamp ?? "").utf8
      case .method: content += request.method.utf8
      case .body: content += request.body
      case .id(let header):
        guard let id = request.headers[header], (1...Self.idBytesMax).contains(id.utf8.count) else {
          throw .missingHeaders
        }
        content += id.utf8
      case .uri, .hubSpotURI:
        guard let uri = request.uri else { throw .noPublicURL }
        content += (part == .uri ? uri : Self.hubSpotURI(uri)).utf8
      }
    }
    return content
  }

  /// The characters that HubSpot signs decoded.
  private static let hubSpotDecoded: [String: Character] = [
    "3A": ":", "2F": "/", "3F": "?", "40": "@", "21": "!", "24": "$", "27": "'", "28": "(", "29": ")", "2A": "*",
    "2C": ",", "3B": ";",
  ]

  static func hubSpotURI(_ uri: String) -> String {
    var decoded = ""
    var rest = uri[...]
    while let percent = rest.firstIndex(of: "%") {
      decoded += rest[..<percent]
      let code = rest[rest.index(after: percent)...].prefix(2)
      if let character = hubSpotDecoded[code.uppercased()] {
        decoded.append(character)
        rest = rest[code.endIndex...]
      } else {
        decoded.append("%")
        rest = rest[rest.index(after: percent)...]
      }
    }
    return decoded + rest
  }
}
