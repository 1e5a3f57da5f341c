import Cryptography
import Domain

/// Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature` over `id.timestamp.body`
/// (https://www.standardwebhooks.com).
package enum WebhookSignature {
  package enum Refusal: String, Error, Sendable {
    case missingHeaders = "missing_headers"
    case outsideWindow = "outside_window"
    case wrongSignature = "wrong_signature"
    case unusableSecret = "unusable_secret"
  }

  /// - Parameters:
  ///   - secret: `whsec_` and base64, or the raw key.
  ///   - decodeBase64: RFC 4648, 4; nil when it is not.
  /// - Returns: The delivery's id.
  package static func check(
    headers: (String) -> String?, body: [UInt8], secret: [UInt8], nowMs: Int64, toleranceMs: Int,
    base64: (encode: ([UInt8]) -> [UInt8], decode: ([UInt8]) -> [UInt8]?)
  ) throws(Refusal) -> String {
    guard let id = headers("webhook-id"), let timestamp = headers("webhook-timestamp"),
      let signatures = headers("webhook-signature"), (1...256).contains(id.utf8.count), let seconds = Int64(timestamp)
    else { throw .missingHeaders }
    guard abs(nowMs - seconds * 1000) <= Int64(toleranceMs) else { throw .outsideWindow }
    let prefix = Array("whsec_".utf8)
    let decoded = secret.starts(with: prefix) ? base64.decode(Array(secret.dropFirst(prefix.count))) : secret
    guard let key = decoded, !key.isEmpty else { throw .unusableSecret }
    let signed = Array("\(id).\(timestamp).".utf8) + body
    let expected = base64.encode(HMACSHA256.authenticationCode(for: signed, key: key).bytes)
    // Several signatures may stand there while a secret is rotated.
    for signature in signatures.split(separator: " ") where signature.hasPrefix("v1,") {
      if constantTimeEqual(Array(signature.dropFirst(3).utf8), expected) { return id }
    }
    throw .wrongSignature
  }
}
