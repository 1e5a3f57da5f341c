package import Domain

/// One of a tenant's logs. There is one, until the tenant is restored from a backup: then it goes on in a new log.
package struct LedgerEpoch: Codable, Hashable, Sendable {
  /// 1 for the first; at most five digits.
  package let number: Int
  /// 16 hexadecimal digits, drawn by the host: two restores of one backup never sign under one name. Empty for the first.
  package let id: String

  package static let first = LedgerEpoch(number: 1, id: "")

  package init(number: Int, id: String) {
    self.number = number
    self.id = id
  }

  /// The name of the log's folder below the first one's, and the end of its origin; nil for the first.
  package var name: String? { self == .first ? nil : "epoch-\(number)-\(id)" }

  /// The log's name, which its checkpoints bear.
  package func origin(of tenant: TenantID) -> String { "sluice/\(tenant)" + (name.map { "/\($0)" } ?? "") }

  /// Sorts as the epochs do.
  var rowKey: String {
    let digits = String(number)
    return "e" + String(repeating: "0", count: max(0, 5 - digits.utf8.count)) + digits
  }
}

/// The body of an `epoch` entry, and so the payload of a new log's first leaf: from where it goes on, and what others have
/// seen of the log before.
package struct EpochBeginning: Codable, Hashable, Sendable {
  /// A log at one of its sizes.
  package struct Mark: Codable, Hashable, Sendable {
    package let size: Int
    package let root: Digest
    package init(size: Int, root: Digest) {
      self.size = size
      self.root = root
    }
  }

  /// The log that begins.
  package let epoch: LedgerEpoch
  /// The log before it.
  package let previous: LedgerEpoch
  /// The previous log as far as it was restored.
  package let restored: Mark
  /// The last checkpoint of the previous log that was published, as far as anybody knew: a signed note. nil: none was.
  package let published: String?
  /// When the backup was made, milliseconds since 1970.
  package let backupMadeAtMs: Int64
  package let by: UserID

  package init(
    epoch: LedgerEpoch, previous: LedgerEpoch, restored: Mark, published: String?, backupMadeAtMs: Int64, by: UserID
  ) {
    self.epoch = epoch
    self.previous = previous
    self.restored = restored
    self.published = published
    self.backupMadeAtMs = backupMadeAtMs
    self.by = by
  }
}
