internal import CLibCrypto
internal import Foundation

/// SHA-256 and what is built on it, from the system's libcrypto.
package enum Digest {
  package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    _ = SHA256(bytes, bytes.count, &out)
    return out
  }

  /// HMAC-SHA-256 (RFC 2104).
  package static func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    var length: UInt32 = 0
    let done = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &out, &length)
    precondition(done != nil && length == 32, "libcrypto refused to compute an HMAC-SHA-256")
    return out
  }

  /// Whether two secrets are equal, in a time that does not tell where they differ.
  package static func same(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
  }

  package static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

  package static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}
