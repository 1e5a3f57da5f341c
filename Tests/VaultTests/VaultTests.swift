import Cryptography
import Domain
import MemoryStorage
import TestKit
import Testing
import Vault

@Suite struct `The vault` {
  let tenant = TenantID(rawValue: "demo")!
  let instance = InstanceID(rawValue: "crm")!
  let key = [UInt8](repeating: 7, count: 32)
  func make(_ keystore: MemoryKeystore, key: [UInt8]? = nil) throws -> Vault {
    let vault = try Vault(
      hostKey: key ?? self.key, keystore: keystore, random: { (0..<$0).map { _ in .random(in: 0...255) } })
    try vault.prepare(.tenant(tenant))
    return vault
  }

  @Test func `gives a secret back only for its own tenant, instance and slot`() throws {
    let vault = try make(MemoryKeystore())
    try vault.put(Array("tok-123456\n".utf8), tenant: tenant, instance: instance, slot: "api")
    let secret = try vault.secret(tenant: tenant, instance: instance, slot: "api")
    #expect(secret.reveal { $0 } == Array("tok-123456".utf8))
    #expect("\(secret) \(String(reflecting: secret))" == "<secret> <secret>")
    #expect(throws: VaultError.noSecret(instance: "crm", slot: "other")) {
      try vault.secret(tenant: tenant, instance: instance, slot: "other")
    }
  }

  @Test func `keeps no secret in clear, and sealed values cannot be swapped`() throws {
    let keystore = MemoryKeystore()
    let vault = try make(keystore)
    try vault.put(Array("canary-value".utf8), tenant: tenant, instance: instance, slot: "a")
    try vault.put(Array("other-value".utf8), tenant: tenant, instance: instance, slot: "b")
    for name in keystore.names(withPrefix: "") {
      #expect(!String(decoding: keystore.value(name)!, as: UTF8.self).contains("canary"))
    }
    keystore.set("secret/demo/crm/a", keystore.value("secret/demo/crm/b")!)
    #expect(throws: CryptographyError.notAuthentic) { try vault.secret(tenant: tenant, instance: instance, slot: "a") }
  }

  @Test func `refuses another host key and unusable secrets`() throws {
    let keystore = MemoryKeystore()
    let vault = try make(keystore)
    #expect(throws: VaultError.wrongHostKey) { try make(keystore, key: [UInt8](repeating: 8, count: 32)) }
    for bad in ["", "\n", "a\u{1}b", "a\r\nX-Evil: 1", "{\u{0}}"] {
      #expect(throws: VaultError.unusableSecret(slot: "api")) {
        try vault.put(Array(bad.utf8), tenant: tenant, instance: instance, slot: "api")
      }
    }
  }

  @Test func `takes lines where no request bears them, and other control characters nowhere`() throws {
    let vault = try make(MemoryKeystore())
    func put(_ text: String) throws {
      try vault.put(Array(text.utf8), tenant: tenant, instance: instance, slot: "hook", mayHaveLines: true)
    }
    try put("old\r\nnew\n")
    #expect(
      try vault.secret(tenant: tenant, instance: instance, slot: "hook").reveal { $0 } == Array("old\r\nnew".utf8))
    for bad in ["a\u{7}b", "a\u{0}", "a\u{7F}"] { #expect(throws: VaultError.self) { try put(bad) } }
  }

  @Test func `keeps a rotated part of a secret sealed, and for that secret only`() throws {
    let keystore = MemoryKeystore()
    let vault = try make(keystore)
    try vault.put(Array("{\n\"first\": 1}".utf8), tenant: tenant, instance: instance, slot: "api")
    let first = try vault.secret(tenant: tenant, instance: instance, slot: "api")
    #expect(try vault.renewal(of: first, tenant: tenant, instance: instance, slot: "api") == nil)
    try vault.keepRenewal(Array("canary".utf8), of: first, tenant: tenant, instance: instance, slot: "api")
    let kept = try vault.renewal(of: first, tenant: tenant, instance: instance, slot: "api")
    #expect(kept?.reveal { $0 } == Array("canary".utf8))
    for name in keystore.names(withPrefix: "") {
      #expect(!String(decoding: keystore.value(name)!, as: UTF8.self).contains("canary"))
    }
    #expect(try vault.slots(tenant: tenant).map(\.slot) == ["api"])
    try vault.put(Array("{}".utf8), tenant: tenant, instance: instance, slot: "api")
    let second = try vault.secret(tenant: tenant, instance: instance, slot: "api")
    #expect(try vault.renewal(of: second, tenant: tenant, instance: instance, slot: "api") == nil)
    try vault.revoke(tenant: tenant, instance: instance, slot: "api")
    #expect(try vault.renewal(of: first, tenant: tenant, instance: instance, slot: "api") == nil)
  }

  @Test func `scrubs every form of an echoed secret, over any chunk border`() throws {
    let vault = try make(MemoryKeystore())
    try vault.put(Array("us er:s3cret+value".utf8), tenant: tenant, instance: instance, slot: "api")
    let secret = try vault.secret(tenant: tenant, instance: instance, slot: "api")
    let text = "raw us er:s3cret+value b64 dXMgZXI6czNjcmV0K3ZhbHVl url us%20er%3As3cret%2Bvalue part s3cret+value end"
    for size in 1...40 {
      var scrubber = SecretScrubber([secret])
      var out: [UInt8] = []
      let bytes = Array(text.utf8)
      for start in stride(from: 0, to: bytes.count, by: size) {
        out += scrubber.scrub(Array(bytes[start..<min(start + size, bytes.count)]), isEnd: false)
      }
      out += scrubber.scrub([], isEnd: true)
      let scrubbed = String(decoding: out, as: UTF8.self)
      #expect(scrubbed.count == text.count)
      #expect(!scrubbed.contains("s3cret") && !scrubbed.contains("dXMg"))
      #expect(scrubbed.hasPrefix("raw *") && scrubbed.hasSuffix(" end"))
    }
  }

  @Test func `base64 is RFC 4648's`() {
    for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
      #expect(String(decoding: Base64.encode(Array(plain.utf8)), as: UTF8.self) == encoded)
      #expect(Base64.decode(Array(encoded.utf8)) == Array(plain.utf8))
    }
    #expect(Base64.decode(Array("Zh==".utf8)) == nil)
  }
}
