internal import CLibCrypto
package import Domain

/// SHA-256 of bytes that come in pieces, for what is too large to be held at once.
package final class SHA256Sum {
  private let context: OpaquePointer

  /// - Throws: `.libraryFailed`.
  package init() throws(CryptographyError) {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      throw .libraryFailed(operation: "a SHA-256 sum")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  package func add(_ bytes: [UInt8]) { _ = EVP_DigestUpdate(context, bytes, bytes.count) }

  /// The digest of all that was added; ends the sum.
  package func finish() -> Digest {
    var out = [UInt8](repeating: 0, count: Digest.byteCount)
    _ = EVP_DigestFinal_ex(context, &out, nil)
    return Digest(out)!
  }
}
