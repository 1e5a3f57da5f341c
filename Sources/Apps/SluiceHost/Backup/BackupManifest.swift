import CanonicalJSON
import Domain
import Foundation
import TrustLedger

/// What a backup holds, part by part. It is the archive's last part but one, as canonical JSON; the last one is its SHA-256.
struct BackupManifest: Codable, Sendable {
  static let formatVersion = 1
  static let path = "manifest.json"
  static let sumPath = "manifest.sha256"
  static let keystorePath = "keystore.db"
  static let erasuresPath = "erasures"

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
