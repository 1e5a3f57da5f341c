import Cryptography
import Testing

@Suite struct `A client's identity` {
  @Test func `is a certificate and its own private key, in either order`() throws {
    try ClientIdentity.check(Array((certificate + key).utf8))
    try ClientIdentity.check(Array((key + certificate).utf8))
  }

  @Test func `is refused without either, with another's key, and with a passphrase that nobody is asked for`() {
    for (pem, fault) in [
      ("", .noCertificate), (key, .noCertificate), (certificate, .noKey), (certificate + lockedKey, .noKey),
      (certificate + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", .noKey),
      (certificate + otherKey, .otherKey),
    ] as [(String, ClientIdentity.Fault)] {
      #expect(throws: fault) { try ClientIdentity.check(Array(pem.utf8)) }
    }
  }

  // Made for this test; they open nothing.
  private let certificate = """
    -----BEGIN CERTIFICATE-----
    MIIBbTCCAROgAwIBAgIUWkU0RF8+LexvsciS4z7CABBh0TYwCgYIKoZIzj0EAwIw
    DDEKMAgGA1UEAwwBYTAeFw0yNjExMjYwNDAwNTJaFw0zNjExMjMwNDAwNTJaMAwx
    CjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR8MEk6cgBeLnRL
    FQXLAeLQ8sHRkZZ69QAA1aKWa7t0K+5U3/bv46auYnOVtFD0ftO1oL96f8bQq8XY
    W5YhSFO8o1MwUTAdBgNVHQ4EFgQUQPugZCr7YrvrwkoyLgGNEXl1v/wwHwYDVR0j
    BBgwFoAUQPugZCr7YrvrwkoyLgGNEXl1v/wwDwYDVR0TAQH/BAUwAwEB/zAKBggq
    hkjOPQQDAgNIADBFAiEAqbl8w5/Kp0h66Z49aGuDdYCQqVuj2vGdhUheMpEBuR4C
    ICDaVMdnES2ZO9D+PXyoEbM/dB2ZFabEN1nUtV4bDLU0
    -----END CERTIFICATE-----

    """
  private let key = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0h3dI89Kqi0JzIy4
    /R6rxBtQ7PeDrCbrMurJLteTSOShRANCAAR8MEk6cgBeLnRLFQXLAeLQ8sHRkZZ6
    9QAA1aKWa7t0K+5U3/bv46auYnOVtFD0ftO1oL96f8bQq8XYW5YhSFO8
    -----END PRIVATE KEY-----

    """
  private let otherKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLrV6mjMxcq1qjC9w
    k8v4GmdNIYOAMCp6P6zgdBRvS2ShRANCAARYr40PG7R5hvOre+31j1nh5kvUM88T
    1Q4yeY6Np/SucreGD96MDGbx3NoiQcy9fW1AdtRJPGrWwdxCLff7XxsK
    -----END PRIVATE KEY-----

    """
  private let lockedKey = """
    -----BEGIN ENCRYPTED PRIVATE KEY-----
    MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjJzw6R9m6RewICCAAw
    DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEB2UdKUH8Izgdyfl21ollYsEgZAY
    zvX6dWuzvjA+F0kH2S6yhiJMpdh+YPen1X8h7KEJZ6D4G9bxxws2unZgO9K4vhCG
    jpLM+8/6lmgOT3F4Wf/xs0ZIkaAelWWZ4C8q/buMgmZMaLlhi5NmvJRPVGNev3gz
    t49Qz8v2IQaxZfsa8/ZsBE4hQde9Jq6cEqoRRATJTKS6j7+BLpg+vBzusmI9csk=
    -----END ENCRYPTED PRIVATE KEY-----

    """
}
