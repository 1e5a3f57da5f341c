import CanonicalJSON
import Cryptography
import Domain

/// One request to an instance's webhook address, as far as proofs, challenges and deliveries look at it.
package struct WebhookRequest: Sendable {
  package var method: String
  /// The address as the sender wrote it, with its query; nil while the operator has not said under which one senders
  /// reach this host.
  package var uri: String?
  /// What follows "?", as it came.
  package var query: String
  /// By lower-case name; of a field that came more than once, all values joined by ", " (RFC 9110, 5.2).
  package var headers: [String: String]
  package var body: [UInt8]
  /// What the proxy that ends TLS says of the sender's certificate; nil when no proxy named by the operator said a word.
  package var certificate: String?

  package init(
    method: String = "POST", uri: String? = nil, query: String = "", headers: [String: String] = [:],
    body: [UInt8] = [], certificate: String? = nil
  ) {
    self.method = method
    self.uri = uri
    self.query = query
    self.headers = headers
    self.body = body
    self.certificate = certificate
  }
}

/// Why a delivery is not known to be its sender's. For metrics and logs; senders are told none of it.
package enum WebhookRefusal: String, Error, Sendable, CaseIterable {
  case missingHeaders = "missing_headers"
  case outsideWindow = "outside_window"
  case wrongSignature = "wrong_signature"
  case wrongToken = "wrong_token"
  case wrongCertificate = "wrong_certificate"
  case unusableSecret = "unusable_secret"
  /// The scheme signs the address, and the operator has not said which one that is.
  case noPublicURL = "no_public_url"
  /// The request did not come through a proxy that the operator named.
  case noTrustedProxy = "no_trusted_proxy"
  /// The manifest takes deliveries by other methods only.
  case wrongMethod = "wrong_method"
}

/// How a sender proves that a delivery is its own: what `webhook.scheme` of a manifest comes to.
package enum WebhookProof: Sendable, Equatable {
  case signature(SignatureRecipe)
  /// A secret that the sender repeats in every delivery.
  case token(TokenPlace)
  /// The sender's TLS certificate, which the operator's proxy has seen.
  case certificate

  package struct TokenPlace: Sendable, Equatable {
    package enum Part: Sendable, Equatable {
      /// Of this lower-case name.
      case header(String)
      case query(String)
    }
    package let part: Part
    /// What stands before the token, such as `Bearer `.
    package let prefix: String
  }

  /// RFC 4648, 4, as the vault has it.
  package typealias Base64 = (encode: ([UInt8]) -> [UInt8], decode: ([UInt8]) -> [UInt8]?)

  /// Whether a time is signed that must be near.
  var hasClock: Bool { if case .signature(let recipe) = self { recipe.hasClock } else { false } }
  /// Whether it can be checked only by who knows the address under which senders reach this host.
  package var needsPublicURL: Bool { if case .signature(let recipe) = self { recipe.needsURI } else { false } }

  /// Whether `request` is by who knows one of the secrets.
  /// - Parameters:
  ///   - secret: one secret a line: while one is replaced by another, both count.
  ///   - toleranceMs: how far a signed time may be from `nowMs`, either way.
  package func check(
    _ request: WebhookRequest, secret: [UInt8], nowMs: Int64, toleranceMs: Int, base64: Base64
  ) throws(WebhookRefusal) {
    let secrets = Self.lines(of: secret)
    guard !secrets.isEmpty else { throw .unusableSecret }
    switch self {
    case .signature(let recipe):
      try recipe.check(request, secrets: secrets, nowMs: nowMs, toleranceMs: toleranceMs, base64: base64)
    case .token(let place):
      let given: String? =
        switch place.part {
        case .header(let name): request.headers[name]
        case .query(let name): QueryText.value(of: name, in: request.query)
        }
      guard let given, given.hasPrefix(place.prefix) else { throw .missingHeaders }
      let token = Array(given.utf8.dropFirst(place.prefix.utf8.count))
      // Each is compared, so that the time does not tell which one fits.
      guard secrets.reduce(false, { constantTimeEqual(token, $1) || $0 }) else { throw .wrongToken }
    case .certificate:
      guard let said = request.certificate else { throw .noTrustedProxy }
      let known = secrets.compactMap { ClientCertificate.fingerprint(String(decoding: $0, as: UTF8.self)) }
      guard !known.isEmpty else { throw .unusableSecret }
      guard let shown = ClientCertificate.digest(said, base64: base64) else { throw .missingHeaders }
      guard known.reduce(false, { constantTimeEqual(shown, $1) || $0 }) else { throw .wrongCertificate }
    }
  }

  /// At most so many secrets count at once.
  package static let secretsMax = 4

  static func lines(of secret: [UInt8]) -> [[UInt8]] {
    secret.split(separator: UInt8(ascii: "\n")).map { line in
      Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
    }.filter { !$0.isEmpty }.prefix(secretsMax).map { $0 }
  }
}

/// Where a delivery says which one it is, so that the same one is known again.
package enum DeliveryName: Sendable, Equatable {
  /// In a header of this lower-case name.
  case header(String)
  /// At this path of the JSON body.
  case body([String])
  /// Nowhere: the body is its own name.
  case digest

  private static let bytesMax = 256

  /// The delivery's name, 1 to 256 bytes; where it does not say one, its body's SHA-256.
  package func name(of request: WebhookRequest) -> String {
    let said: String?
    switch self {
    case .header(let name): said = request.headers[name]
    case .body(let path):
      let value = try? JSONValue(parsing: request.body)
      said = path.reduce(value) { $0?[$1] }.flatMap { $0.string ?? $0.integer.map { "\($0)" } }
    case .digest: said = nil
    }
    if let said, (1...Self.bytesMax).contains(said.utf8.count) { return said }
    return "sha256:" + SHA256.digest(request.body).hex
  }
}
