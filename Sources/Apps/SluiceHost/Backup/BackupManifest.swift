import CanonicalJSON
import Cryptography
import Domain
import Foundation
import TrustLedger
import Vault

/// What a backup holds, part by part, as canonical JSON. Three parts end the archive: this one; a code over it, which only whoever
/// has the host key can make; and the sums of both, as `sha256sum` writes them.
struct BackupManifest: Codable, Sendable {
  /// Format 2 had neither packs nor snapshots; it is still read.
  static let formatVersion = 3
  static let oldestFormat = 2
  /// A folder of format 1 has neither: its backup can be restored by the version that wrote the folder.
  static func format(ofData dataFormat: Int) -> Int { dataFormat == 1 ? 2 : formatVersion }
  static let path = "manifest.json"
  static let codePath = "manifest.mac"
  static let sumPath = "manifest.sha256"
  /// How every archive ends.
  static let lastPaths = [path, codePath, sumPath]
  static let keystorePath = "keystore.db"
  static let erasuresPath = "erasures"

  /// What is held in memory as a whole has a bound.
  static func bytesMax(of part: String) -> Int? {
    switch part {
    case path: 512 << 20
    case codePath, sumPath: 256
    case erasuresPath: OperatorFile.bytesMax
    default: nil
    }
  }

  struct Part: Codable, Hashable, Sendable {
    let path: String
    let bytes: Int
    let sha256: Digest
  }

  struct Tenant: Codable, Sendable {
    let name: TenantID
    /// The last journal entry in the backup.
    let position: UInt64
    /// The log that was open, and its published checkpoint; nil: nothing was published in it.
    let epoch: LedgerEpoch
    let vkey: String
    let published: EpochBeginning.Mark?
  }

  let format: Int
  let madeAtMs: Int64
  /// The format of the data folder.
  let dataFormat: Int
  /// Tells which host key it was made under, and nothing of the key.
  let hostKeyID: Digest
  /// Every one that the backup's journal or keystore knows, but those that were erased.
  let tenants: [Tenant]
  /// In the archive's order.
  let parts: [Part]

  /// As people are told.
  var json: JSONValue {
    [
      "made_at": .string(Date(timeIntervalSince1970: Double(madeAtMs / 1_000)).formatted(.iso8601)),
      "format": .integer(Int64(format)), "parts": .integer(Int64(parts.count)),
      "bytes": .integer(Int64(parts.reduce(0) { $0 + $1.bytes })),
      "tenants": .array(
        tenants.map { tenant in
          [
            "tenant": .string(tenant.name.rawValue), "position": .integer(Int64(tenant.position)),
            "log": .string(tenant.epoch.origin(of: tenant.name)),
            "ledger_size": .integer(Int64(tenant.published?.size ?? 0)),
            "ledger_root": tenant.published.map { .string($0.root.hex) } ?? .null,
          ]
        }),
    ]
  }
}

/// Which host a backup is of: by codes that its host key makes, so that what others have put together is not restored.
enum BackupOrigin {
  private static let keyPurpose = "backup host key"
  private static let manifestPurpose = "backup manifest"

  static func keyID(_ vault: Vault) -> Digest { vault.authenticationCode(for: [], as: keyPurpose) }

  /// The bytes of the part `manifest.mac`.
  static func code(of manifest: [UInt8], _ vault: Vault) -> [UInt8] {
    line(vault.authenticationCode(for: manifest, as: manifestPurpose))
  }

  /// - Throws: `VaultError.wrongHostKey`, `BackupError.rewritten`.
  static func check(_ contents: BackupReader.Contents, hostKey: [UInt8], path: String) throws {
    let keyID = Vault.authenticationCode(for: [], as: keyPurpose, hostKey: hostKey)
    guard contents.manifest.hostKeyID == keyID else { throw VaultError.wrongHostKey }
    let code = Vault.authenticationCode(for: contents.manifestBytes, as: manifestPurpose, hostKey: hostKey)
    guard constantTimeEqual(line(code), contents.code) else { throw BackupError.rewritten(path: path) }
  }

  private static func line(_ code: Digest) -> [UInt8] { Array("\(code.hex)\n".utf8) }
}
