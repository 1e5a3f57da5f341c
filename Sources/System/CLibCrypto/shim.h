#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

// Function-like macros of OpenSSL that Swift cannot call.
static inline int sluice_gcm_set_ivlen(EVP_CIPHER_CTX *c, int n) { return EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_IVLEN, n, NULL); }
static inline int sluice_gcm_get_tag(EVP_CIPHER_CTX *c, int n, void *tag) { return EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, n, tag); }
static inline int sluice_gcm_set_tag(EVP_CIPHER_CTX *c, int n, void *tag) { return EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, n, tag); }

// A passphrase is never asked for: without this OpenSSL would ask at the terminal.
static inline int sluice_no_passphrase(char *buffer, int size, int writing, void *context) { return 0; }
static inline EVP_PKEY *sluice_pem_private_key(BIO *b) { return PEM_read_bio_PrivateKey(b, NULL, sluice_no_passphrase, NULL); }
static inline X509 *sluice_pem_certificate(BIO *b) { return PEM_read_bio_X509(b, NULL, sluice_no_passphrase, NULL); }
