// Cryptography: the one room that calls libcrypto (OpenSSL 3). Hashing, keyed hashing, sealing and signing; no keys are
// kept here and no randomness is drawn here.

internal import CLibCrypto
package import Domain

/// SHA-256 (FIPS 180-4).
package enum SHA256 {
  package static func digest(_ bytes: some Collection<UInt8>) -> Digest {
    var out = [UInt8](repeating: 0, count: Digest.byteCount)
    let done: Void? = bytes.withContiguousStorageIfAvailable { input in
      _ = CLibCrypto.SHA256(input.baseAddress, input.count, &out)
    }
    if done == nil {
      let copy = Array(bytes)
      _ = CLibCrypto.SHA256(copy, copy.count, &out)
    }
    return Digest(out)!
  }

  /// The digest of the parts joined, without joining them.
  package static func digest(parts: [[UInt8]]) -> Digest {
    digest(parts.count == 1 ? parts[0] : Array(parts.joined()))
  }

  package static func digest(_ text: String) -> Digest { digest(Array(text.utf8)) }
}

/// HMAC-SHA-256 (RFC 2104).
package enum HMACSHA256 {
  package static func authenticationCode(for message: [UInt8], key: [UInt8]) -> Digest {
    var out = [UInt8](repeating: 0, count: Digest.byteCount)
    var length: UInt32 = 0
    _ = HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &out, &length)
    return Digest(out)!
  }
}

/// HMAC (RFC 2104) with the hash that an upstream asks for; the product's own formats use HMAC-SHA-256 above.
package enum KeyedHash: String, Sendable, CaseIterable {
  case sha1, sha256, sha512

  package func authenticationCode(for message: [UInt8], key: [UInt8]) -> [UInt8] {
    let function =
      switch self {
      case .sha1: EVP_sha1()
      case .sha256: EVP_sha256()
      case .sha512: EVP_sha512()
      }
    var out = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    _ = HMAC(function, key, Int32(key.count), message, message.count, &out, &length)
    return Array(out.prefix(Int(length)))
  }
}

/// Compares without telling by its time where two secrets differ. Lengths are not secret.
package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
}
