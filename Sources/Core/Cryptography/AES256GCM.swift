internal import CLibCrypto
import Domain

/// Why bytes could not be sealed, opened or signed.
package enum CryptographyError: OperatorError, Equatable {
  case wrongKeySize(expectedBytes: Int, gotBytes: Int)
  case notAuthentic
  case libraryFailed(operation: String)

  package var code: String {
    switch self {
    case .wrongKeySize: "crypto.wrong_key_size"
    case .notAuthentic: "crypto.not_authentic"
    case .libraryFailed: "crypto.library_failed"
    }
  }
  package var message: String {
    switch self {
    case .wrongKeySize(let expected, let got): "A key of \(got) bytes was given where \(expected) are needed."
    case .notAuthentic: "Sealed bytes do not open: another key sealed them, or they were changed."
    case .libraryFailed(let operation): "libcrypto refused \(operation)."
    }
  }
  package var remedy: String {
    switch self {
    case .wrongKeySize: "Give the key file that `sluice up` created, unchanged."
    case .notAuthentic:
      "Check that the host key belongs to this data folder; if it does, restore the file from a backup."
    case .libraryFailed: "Check the installed libssl3; this is not caused by data."
    }
  }
}

/// AES-256-GCM (NIST SP 800-38D). A sealed box is `nonce(12) ‖ ciphertext ‖ tag(16)`.
package enum AES256GCM {
  package static let keyByteCount = 32
  package static let nonceByteCount = 12
  package static let tagByteCount = 16

  /// - Parameters:
  ///   - nonce: 12 bytes, never used twice with one key; drawn by the caller.
  ///   - context: Authenticated, not stored: opening needs the same bytes.
  package static func seal(
    _ plaintext: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]
  ) throws(CryptographyError) -> [UInt8] {
    let cipher = try cipherContext(key: key, nonce: nonce, encrypting: true)
    defer { EVP_CIPHER_CTX_free(cipher) }
    var box = nonce + [UInt8](repeating: 0, count: plaintext.count + tagByteCount)
    // In place: a batch is most of a megabyte, and every copy of it would be felt.
    let isSealed = box.withUnsafeMutableBufferPointer { box in
      var length: Int32 = 0
      let body = box.baseAddress! + nonceByteCount
      return EVP_EncryptUpdate(cipher, nil, &length, context, Int32(context.count)) == 1
        && EVP_EncryptUpdate(cipher, body, &length, plaintext, Int32(plaintext.count)) == 1
        && EVP_EncryptFinal_ex(cipher, nil, &length) == 1
        && sluice_gcm_get_tag(cipher, Int32(tagByteCount), body + plaintext.count) == 1
    }
    guard isSealed else { throw .libraryFailed(operation: "sealing") }
    return box
  }

  package static func open(
    _ box: [UInt8], key: [UInt8], context: [UInt8]
  ) throws(CryptographyError) -> [UInt8] {
    guard box.count >= nonceByteCount + tagByteCount else { throw .notAuthentic }
    let cipher = try cipherContext(key: key, nonce: Array(box.prefix(nonceByteCount)), encrypting: false)
    defer { EVP_CIPHER_CTX_free(cipher) }
    var tag = Array(box.suffix(tagByteCount))
    let count = box.count - nonceByteCount - tagByteCount
    var plaintext = [UInt8](repeating: 0, count: count)
    var length: Int32 = 0
    let isRead = box.withUnsafeBufferPointer { box in
      EVP_DecryptUpdate(cipher, nil, &length, context, Int32(context.count)) == 1
        && EVP_DecryptUpdate(cipher, &plaintext, &length, box.baseAddress! + nonceByteCount, Int32(count)) == 1
    }
    guard isRead, sluice_gcm_set_tag(cipher, Int32(tagByteCount), &tag) == 1 else {
      throw .libraryFailed(operation: "opening")
    }
    guard EVP_DecryptFinal_ex(cipher, nil, &length) == 1 else { throw .notAuthentic }
    return plaintext
  }

  private static func cipherContext(
    key: [UInt8], nonce: [UInt8], encrypting: Bool
  ) throws(CryptographyError) -> OpaquePointer {
    guard key.count == keyByteCount else { throw .wrongKeySize(expectedBytes: keyByteCount, gotBytes: key.count) }
    guard nonce.count == nonceByteCount else {
      throw .wrongKeySize(expectedBytes: nonceByteCount, gotBytes: nonce.count)
    }
    guard let context = EVP_CIPHER_CTX_new() else { throw .libraryFailed(operation: "a cipher context") }
    guard EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, nil, nil, encrypting ? 1 : 0) == 1,
      sluice_gcm_set_ivlen(context, Int32(nonceByteCount)) == 1,
      EVP_CipherInit_ex(context, nil, nil, key, nonce, encrypting ? 1 : 0) == 1
    else {
      EVP_CIPHER_CTX_free(context)
      throw .libraryFailed(operation: "AES-256-GCM")
    }
    return context
  }
}
