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

  /// Reads the name of a log of this tenant; nil when it is none.
  package init?(origin: String, of tenant: TenantID) {
    let steps = origin.split(separator: "/", omittingEmptySubsequences: false)
    guard let last = steps.last else { return nil }
    let words = last.split(separator: "-", omittingEmptySubsequences: false)
    if steps.count == 2 {
      self = .first
    } else {
      guard words.count == 3, let number = Int(words[1]), (2...Self.numberMax).contains(number), words[2].count == 16,
        Hex.decode(words[2]) != nil
      else { return nil }
      self.init(number: number, id: String(words[2]))
    }
    guard self.origin(of: tenant) == origin else { return nil }
  }

  private static let numberMax = 99_999

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
  /// What else others have seen, signed with the tenant's key, and the restored journal does not hold: of logs of other restores,
  /// or of a log twice. nil: nothing.
  package let alsoPublished: [String]?
  /// When the backup was made, milliseconds since 1970.
  package let backupMadeAtMs: Int64
  package let by: UserID

  package init(
    epoch: LedgerEpoch, previous: LedgerEpoch, restored: Mark, published: String?, alsoPublished: [String] = [],
    backupMadeAtMs: Int64, by: UserID
  ) {
    self.epoch = epoch
    self.previous = previous
    self.restored = restored
    self.published = published
    self.alsoPublished = alsoPublished.isEmpty ? nil : alsoPublished
    self.backupMadeAtMs = backupMadeAtMs
    self.by = by
  }
}

extension [EpochBeginning] {
  /// Whether what is published of an earlier log is known here: whether one of these beginnings commits to a checkpoint of that
  /// log which is as large, and the same one where it is equally large.
  package func commit(to mark: EpochBeginning.Mark, of epoch: LedgerEpoch, of tenant: TenantID) throws -> Bool {
    var known: [EpochBeginning.Mark] = []
    for beginning in self {
      if beginning.previous == epoch { known.append(beginning.restored) }
      for note in [beginning.published].compactMap(\.self) + (beginning.alsoPublished ?? []) {
        let checkpoint = try Checkpoint(text: try SignedNote(parsing: [UInt8](note.utf8)).text)
        guard LedgerEpoch(origin: checkpoint.origin, of: tenant) == epoch else { continue }
        known.append(.init(size: checkpoint.size, root: checkpoint.root))
      }
    }
    let same = known.filter { $0.size == mark.size }
    return same.isEmpty ? known.contains { $0.size > mark.size } : same.contains { $0.root == mark.root }
  }
}
