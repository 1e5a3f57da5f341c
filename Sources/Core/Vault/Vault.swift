// Vault: keys and secrets. Comes in: the host key, sealed bytes. Goes out: sealed bytes, and a secret only to the egress
// and the ingress, as `Secret`. It never gives a secret to a plugin, a log, an error or an answer: there is no such call.

import Cryptography
package import Domain
import Synchronization

/// The keys of every tenant and the secrets of every slot.
///
/// The host key wraps three keys for each partition (data, vault, ledger); the vault key seals secrets. All are 32 random
/// bytes; a wrapped value is bound to its name, so values cannot be swapped in the keystore.
package final class Vault: Sealer {
  package enum Purpose: String, Sendable { case data, vault, ledger }

  private let hostKey: [UInt8]
  private let keystore: any Keystore
  private let random: @Sendable (Int) -> [UInt8]
  private let unwrapped = Mutex<[String: [UInt8]]>([:])

  /// - Parameters:
  ///   - hostKey: 32 bytes, kept outside the data folder.
  ///   - random: Cryptographically secure bytes.
  /// - Throws: `VaultError.wrongHostKey` when the keystore was written under another key.
  package init(hostKey: [UInt8], keystore: any Keystore, random: @escaping @Sendable (Int) -> [UInt8]) throws {
    guard hostKey.count == AES256GCM.keyByteCount else {
      throw CryptographyError.wrongKeySize(expectedBytes: AES256GCM.keyByteCount, gotBytes: hostKey.count)
    }
    self.hostKey = hostKey
    self.keystore = keystore
    self.random = random
    if let check = try keystore.value("check") {
      guard (try? AES256GCM.open(check, key: hostKey, context: Array("check".utf8))) != nil else {
        throw VaultError.wrongHostKey
      }
    } else {
      try keystore.set("check", try seal(bytes: [], key: hostKey, context: Array("check".utf8)))
    }
  }

  /// Makes the partition's keys when it has none.
  package func prepare(_ partition: Partition) throws {
    for purpose in [Purpose.data, .vault, .ledger] where try keystore.value(name(partition, purpose)) == nil {
      let name = name(partition, purpose)
      try keystore.set(name, try seal(bytes: random(32), key: hostKey, context: Array(name.utf8)))
    }
  }

  package func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8] {
    try seal(bytes: plaintext, key: try key(partition, .data), context: Array(partition.name.utf8) + [0] + context)
  }

  package func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8] {
    try AES256GCM.open(sealed, key: try key(partition, .data), context: Array(partition.name.utf8) + [0] + context)
  }

  /// Keeps no key of the partition in memory. Where the keystore has none either, nothing is sealed or opened any more.
  package func forget(_ partition: Partition) {
    let names = [Purpose.data, .vault, .ledger].map { name(partition, $0) }
    unwrapped.withLock { known in
      for name in names { known[name] = nil }
    }
  }

  /// Whether the keystore has all its keys.
  package func hasKeys(_ partition: Partition) throws -> Bool {
    try [Purpose.data, .vault, .ledger].allSatisfy { try keystore.value(name(partition, $0)) != nil }
  }

  /// What makes ids of the partition unguessable to others; always the same.
  package func idSecret(_ partition: Partition) throws -> [UInt8] {
    HMACSHA256.authenticationCode(for: Array("sluice ids".utf8), key: try key(partition, .ledger)).bytes
  }

  /// The seed of the partition's ledger-signing key (Ed25519).
  package func ledgerSeed(_ partition: Partition) throws -> [UInt8] { try key(partition, .ledger) }

  /// What only whoever has the host key can say of a message: HMAC-SHA256 under a key that is made of it for one purpose.
  package static func authenticationCode(for message: [UInt8], as purpose: String, hostKey: [UInt8]) -> Digest {
    let key = HMACSHA256.authenticationCode(for: Array("sluice \(purpose)".utf8), key: hostKey)
    return HMACSHA256.authenticationCode(for: message, key: key.bytes)
  }

  package func authenticationCode(for message: [UInt8], as purpose: String) -> Digest {
    Self.authenticationCode(for: message, as: purpose, hostKey: hostKey)
  }

  private func name(_ partition: Partition, _ purpose: Purpose) -> String {
    TenantRow.key.name(partition, purpose.rawValue)
  }

  private func key(_ partition: Partition, _ purpose: Purpose) throws -> [UInt8] {
    let name = name(partition, purpose)
    // Under one lock, so that a key that is forgotten meanwhile does not come back.
    return try unwrapped.withLock { unwrapped in
      if let known = unwrapped[name] { return known }
      guard let wrapped = try keystore.value(name) else { throw VaultError.noKeys(partition: partition.name) }
      let key = try AES256GCM.open(wrapped, key: hostKey, context: Array(name.utf8))
      unwrapped[name] = key
      return key
    }
  }

  private func seal(bytes: [UInt8], key: [UInt8], context: [UInt8]) throws(CryptographyError) -> [UInt8] {
    try AES256GCM.seal(bytes, key: key, nonce: random(AES256GCM.nonceByteCount), context: context)
  }
}

// Secrets by slot.
extension Vault {
  private func name(_ tenant: TenantID, _ instance: InstanceID, _ slot: String) -> String {
    TenantRow.secret.name(.tenant(tenant), instance.rawValue, slot)
  }

  /// Stores a secret; durable when it returns. One trailing newline, as files and terminals add, is not part of it.
  /// - Parameter mayHaveLines: Whether no request bears it, so that a line break in it ends no header.
  package func put(
    _ bytes: [UInt8], tenant: TenantID, instance: InstanceID, slot: String, mayHaveLines: Bool = false
  ) throws {
    let bytes = Vault.withoutLastNewline(bytes)
    guard (1...16_384).contains(bytes.count), Vault.isPlain(bytes, mayHaveLines: mayHaveLines) else {
      throw VaultError.unusableSecret(slot: slot)
    }
    let name = name(tenant, instance, slot)
    let sealed = try seal(bytes: bytes, key: try key(.tenant(tenant), .vault), context: Array(name.utf8))
    try keystore.set(name, sealed)
  }

  package static func withoutLastNewline(_ bytes: [UInt8]) -> [UInt8] {
    bytes.last == UInt8(ascii: "\n") ? Array(bytes.dropLast()) : bytes
  }

  /// Where requests bear it, lines may stand in a certificate and in an object only: else they would end a header.
  private static func isPlain(_ bytes: [UInt8], mayHaveLines: Bool) -> Bool {
    let mayHaveLines = mayHaveLines || bytes.starts(with: "-----BEGIN ".utf8) || bytes.first == UInt8(ascii: "{")
    let breaks: [UInt8] = mayHaveLines ? [UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t")] : []
    return bytes.allSatisfy { ($0 >= 0x20 && $0 != 0x7F) || breaks.contains($0) }
  }

  /// The secret for one use at the egress or ingress.
  package func secret(tenant: TenantID, instance: InstanceID, slot: String) throws -> Secret {
    let name = name(tenant, instance, slot)
    guard let sealed = try keystore.value(name) else {
      throw VaultError.noSecret(instance: instance.rawValue, slot: slot)
    }
    return Secret(try AES256GCM.open(sealed, key: try key(.tenant(tenant), .vault), context: Array(name.utf8)))
  }

  package func revoke(tenant: TenantID, instance: InstanceID, slot: String) throws {
    try keystore.remove(renewalName(tenant, instance, slot))
    try keystore.remove(name(tenant, instance, slot))
  }

  private func renewalName(_ tenant: TenantID, _ instance: InstanceID, _ slot: String) -> String {
    TenantRow.renewal.name(.tenant(tenant), instance.rawValue, slot)
  }

  /// Keeps what an upstream gave in place of a part of a slot's secret, such as a rotated refresh token; durable when it
  /// returns. It counts only together with the secret that it came from: another one set later is not overruled.
  package func keepRenewal(_ bytes: [UInt8], of secret: Secret, tenant: TenantID, instance: InstanceID, slot: String)
    throws
  {
    let name = renewalName(tenant, instance, slot)
    let context = Array(name.utf8) + [0] + secret.reveal { SHA256.digest($0).bytes }
    try keystore.set(name, try seal(bytes: bytes, key: try key(.tenant(tenant), .vault), context: context))
  }

  /// What counts in place of a part of this secret; nil while that is the secret's own.
  package func renewal(of secret: Secret, tenant: TenantID, instance: InstanceID, slot: String) throws -> Secret? {
    let name = renewalName(tenant, instance, slot)
    guard let sealed = try keystore.value(name) else { return nil }
    let context = Array(name.utf8) + [0] + secret.reveal { SHA256.digest($0).bytes }
    // What another secret of this slot brought does not open: it is of no use any more.
    return (try? AES256GCM.open(sealed, key: try key(.tenant(tenant), .vault), context: context)).map(Secret.init)
  }

  /// Which slots hold a secret: names only.
  package func slots(tenant: TenantID) throws -> [(instance: String, slot: String)] {
    try keystore.names(withPrefix: TenantRow.secret.prefix(tenant)).map { name in
      let parts = name.split(separator: "/", maxSplits: 3)
      return (String(parts[2]), String(parts[3]))
    }
  }
}

/// Why the vault refused.
package enum VaultError: OperatorError, Equatable {
  case wrongHostKey
  case noKeys(partition: String)
  case noSecret(instance: String, slot: String)
  case unusableSecret(slot: String)

  package var code: String {
    switch self {
    case .wrongHostKey: "vault.wrong_host_key"
    case .noKeys: "vault.no_keys"
    case .noSecret: "vault.no_secret"
    case .unusableSecret: "vault.unusable_secret"
    }
  }
  package var message: String {
    switch self {
    case .wrongHostKey: "The host key does not open this data folder's keystore."
    case .noKeys(let partition): "The keystore holds no keys for \(partition)."
    case .noSecret(let instance, let slot): "The slot \"\(slot)\" of \(instance) holds no secret."
    case .unusableSecret(let slot):
      "What was given for the slot \"\(slot)\" is empty, too long, or holds control characters."
    }
  }
  package var remedy: String {
    switch self {
    case .wrongHostKey: "Give the key that was made with this folder (`--host-key FILE`, or the systemd credential)."
    case .noKeys: "Create it with `sluice tenant create`; if it existed, restore the keystore from a backup."
    case .noSecret(let instance, let slot): "Set it: `sluice secret set \(instance) \(slot) < FILE`."
    case .unusableSecret:
      "Give 1 to 16384 bytes by standard input or file, in one line unless it is PEM, a JSON object, or of a slot by which an enabled connector only receives."
    }
  }
}
