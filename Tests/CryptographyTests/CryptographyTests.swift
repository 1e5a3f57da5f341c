import Cryptography
import Domain
import Testing

@Suite struct `Cryptography gives the published answers` {
  @Test func `SHA-256 of "abc" is FIPS 180-4's`() {
    #expect(SHA256.digest("abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(SHA256.digest("").hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(SHA256.digest(parts: [[0x61], [0x62, 0x63]]) == SHA256.digest("abc"))
  }

  @Test func `HMAC-SHA-256 is RFC 4231's case 2`() {
    let code = HMACSHA256.authenticationCode(for: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
    #expect(code.hex == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  }

  @Test func `Ed25519 signs RFC 8032's test 2 and refuses any other message`() throws {
    let seed = Hex.decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")!
    let key = try Ed25519.publicKey(seed: seed)
    #expect(Hex.encode(key) == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    let signature = try Ed25519.sign([0x72], seed: seed)
    #expect(Hex.encode(signature).hasPrefix("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"))
    #expect(Ed25519.isValid(signature: signature, of: [0x72], publicKey: key))
    #expect(!Ed25519.isValid(signature: signature, of: [0x73], publicKey: key))
  }

  @Test func `AES-256-GCM gives NIST's test case 14 and opens only what was sealed`() throws {
    let key = [UInt8](repeating: 0, count: 32)
    let nonce = [UInt8](repeating: 0, count: 12)
    let box = try AES256GCM.seal([UInt8](repeating: 0, count: 16), key: key, nonce: nonce, context: [])
    #expect(
      Hex.encode(box.dropFirst(12)) == "cea7403d4d606b6e074ec5d3baf39d18" + "d0d1c8a799996bf0265b98b5d48ab919")
    #expect(try AES256GCM.open(box, key: key, context: []) == [UInt8](repeating: 0, count: 16))
    #expect(throws: CryptographyError.notAuthentic) { try AES256GCM.open(box, key: key, context: [1]) }
    var flipped = box
    flipped[20] ^= 1
    #expect(throws: CryptographyError.notAuthentic) { try AES256GCM.open(flipped, key: key, context: []) }
    #expect(throws: CryptographyError.notAuthentic) { try AES256GCM.open([1, 2, 3], key: key, context: []) }
    #expect(throws: CryptographyError.wrongKeySize(expectedBytes: 32, gotBytes: 3)) {
      try AES256GCM.seal([], key: [1, 2, 3], nonce: nonce, context: [])
    }
  }
}
