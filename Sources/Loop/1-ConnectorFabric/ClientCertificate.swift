import Cryptography
import Domain

/// What a proxy that ends TLS says of a client's certificate, as its SHA-256 fingerprint: the digest of the DER form.
enum ClientCertificate {
  /// Longer than any certificate that a header holds.
  private static let bytesMax = 32 << 10

  /// 64 hexadecimal digits, with or without colons, as `openssl x509 -fingerprint -sha256` prints them.
  static func fingerprint(_ text: String) -> [UInt8]? {
    let digits = text.split(separator: "=").last.map(String.init) ?? text
    return Digest(hex: digits.filter { $0 != ":" }.lowercased())?.bytes
  }

  /// The fingerprint that a proxy's header tells. Three forms are known:
  /// - the fingerprint (HAProxy `%[ssl_c_der,sha2(256),hex]`, Caddy, Traefik's plugins);
  /// - `:base64:`, a byte sequence of the certificate (RFC 9440);
  /// - the certificate as percent-encoded PEM (nginx `$ssl_client_escaped_cert`).
  static func digest(_ value: String, base64: WebhookProof.Base64) -> [UInt8]? {
    guard value.utf8.count <= bytesMax else { return nil }
    if value.hasPrefix(":"), value.hasSuffix(":"), value.count > 2 {
      return base64.decode(Array(value.utf8.dropFirst().dropLast())).map { SHA256.digest($0).bytes }
    }
    if value.hasPrefix("-----BEGIN") {
      return certificate(inPEM: value).flatMap { base64.decode($0) }.map { SHA256.digest($0).bytes }
    }
    return fingerprint(value)
  }

  /// The base64 between the two lines of the one certificate in `text`.
  private static func certificate(inPEM text: String) -> [UInt8]? {
    guard let plain = QueryText.decoded(text[...], plusIsSpace: false) else { return nil }
    let lines = plain.split(whereSeparator: \.isNewline)
    guard lines.first == "-----BEGIN CERTIFICATE-----", lines.last == "-----END CERTIFICATE-----" else { return nil }
    return lines.dropFirst().dropLast().flatMap { Array($0.utf8) }
  }
}
