internal import CLibCrypto

/// Ed25519 (RFC 8032), pure: the message is signed as it is.
package enum Ed25519 {
  package static let seedByteCount = 32
  package static let signatureByteCount = 64

  /// The public key, 32 bytes, of a private key given by its 32-byte seed.
  package static func publicKey(seed: [UInt8]) throws(CryptographyError) -> [UInt8] {
    let key = try privateKey(seed: seed)
    defer { EVP_PKEY_free(key) }
    var out = [UInt8](repeating: 0, count: 32)
    var length = out.count
    guard EVP_PKEY_get_raw_public_key(key, &out, &length) == 1 else {
      throw .libraryFailed(operation: "an Ed25519 public key")
    }
    return out
  }

  package static func sign(_ message: [UInt8], seed: [UInt8]) throws(CryptographyError) -> [UInt8] {
    let key = try privateKey(seed: seed)
    defer { EVP_PKEY_free(key) }
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    var signature = [UInt8](repeating: 0, count: signatureByteCount)
    var length = signature.count
    guard EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
      EVP_DigestSign(context, &signature, &length, message, message.count) == 1
    else { throw .libraryFailed(operation: "an Ed25519 signature") }
    return signature
  }

  package static func isValid(signature: [UInt8], of message: [UInt8], publicKey: [UInt8]) -> Bool {
    guard signature.count == signatureByteCount, publicKey.count == 32,
      let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, publicKey, publicKey.count)
    else { return false }
    defer { EVP_PKEY_free(key) }
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
      && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
  }

  private static func privateKey(seed: [UInt8]) throws(CryptographyError) -> OpaquePointer {
    guard seed.count == seedByteCount else {
      throw .wrongKeySize(expectedBytes: seedByteCount, gotBytes: seed.count)
    }
    guard let key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count) else {
      throw .libraryFailed(operation: "an Ed25519 key")
    }
    return key
  }
}
