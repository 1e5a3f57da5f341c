import CanonicalJSON
package import Domain
package import TrustLedger

/// The checkpoint's size and root; kept where backups do not look, so that an older journal cannot pass for this one.
package struct HighWater: Codable, Equatable, Sendable {
  package let size: Int
  package let root: Digest
  /// The log that it speaks of; nil: the first.
  package var epoch: LedgerEpoch?
  package init(size: Int, root: Digest, epoch: LedgerEpoch = .first) {
    self.size = size
    self.root = root
    self.epoch = epoch == .first ? nil : epoch
  }
}

/// What one publication of a tenant's log writes, in three steps that must each be durable before the next: payloads and
/// tiles, the high-water mark, the signed checkpoint.
package struct LedgerRelease: Sendable {
  package let files: [(path: String, bytes: [UInt8])]
  package let mark: HighWater
  package let checkpoint: [(path: String, bytes: [UInt8])]

  /// Leaves that were applied and are not published.
  package struct Due: Sendable {
    package let tree: LedgerTree
    package let published: Int
    package let entries: [LedgeredEntry]

    package init(in view: any StateView, after published: Int) throws {
      tree = try LedgerStage.tree(in: view)
      self.published = published
      entries = try LedgerStage.unpublished(in: view, after: published)
    }
    package var isNothing: Bool { tree.size <= published }
  }

  /// - Parameters:
  ///   - stored: The journal's entries at the positions of `due.entries`, in order.
  ///   - read: Reads what was published.
  package init(
    _ due: Due, of epoch: LedgerEpoch = .first, stored: [Entry], signer: NoteSigner,
    read: @escaping (_ path: String) -> [UInt8]?
  ) throws {
    let publication = try LedgerPublication(
      of: due.tree, after: due.published, entries: due.entries.map(\.leaf), read: read)
    let payloads = try stored.map { entry throws in try LedgerStage.payload(of: entry).file }
    files = payloads.map { ($0.path, $0.bytes) } + publication.files.map { ($0.path, $0.bytes) }
    mark = HighWater(size: publication.size, root: publication.root, epoch: epoch)
    let note = try Checkpoint(origin: signer.key.name, size: publication.size, root: publication.root).signed(
      by: signer)
    checkpoint = [("checkpoint", note.encoded), ("checkpoint.\(publication.size)", note.encoded)]
  }

  /// What a log's signed checkpoint promises; nil without one.
  package static func mark(
    promisedBy note: [UInt8]?, of epoch: LedgerEpoch = .first, signer: NoteSigner
  ) throws -> HighWater? {
    let checkpoint = try note.map { try Checkpoint(signed: SignedNote(parsing: $0), by: signer.key) }
    return checkpoint.map { HighWater(size: $0.size, root: $0.root, epoch: epoch) }
  }
}
