internal import CLibCrypto

/// What a client shows in TLS: its certificate and the chain below it, and the private key, as PEM in one text.
package enum ClientIdentity {
  package enum Fault: String, Error, Sendable {
    case noCertificate = "it holds no certificate in PEM"
    case noKey = "it holds no private key in PEM without a passphrase"
    case otherKey = "its private key is not the certificate's"
  }

  /// Returns when the first certificate and the private key belong together.
  package static func check(_ pem: [UInt8]) throws(Fault) {
    defer { ERR_clear_error() }
    let certificates = BIO_new_mem_buf(pem, Int32(clamping: pem.count))
    defer { BIO_free(certificates) }
    guard let certificate = sluice_pem_certificate(certificates) else { throw .noCertificate }
    defer { X509_free(certificate) }
    let keys = BIO_new_mem_buf(pem, Int32(clamping: pem.count))
    defer { BIO_free(keys) }
    guard let key = sluice_pem_private_key(keys) else { throw .noKey }
    defer { EVP_PKEY_free(key) }
    guard X509_check_private_key(certificate, key) == 1 else { throw .otherKey }
  }
}
