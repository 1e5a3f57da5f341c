import CanonicalJSON
import Cryptography
package import Domain

/// A leaf that is not published yet, and where its payload is found.
package struct LedgeredEntry: Hashable, Sendable {
  package let index: Int
  /// The entry of the log: `LedgerLeaf.bytes`.
  package let leaf: [UInt8]
  /// The journal entry whose body is the payload; `LedgerStage.payload(of:)` gives the object to publish.
  package let position: Position
}

/// Puts a leaf into the tenant's log for every entry that must be provable, in the journal's order.
package struct LedgerStage: Stage {
  /// `tree` → size and frontier of the open log's tree; `epoch` → which log that is, once there was more than one.
  package static let tree = Space("ledger.tree")
  /// index, 20 digits → {leaf, position}. From the second log on the keys begin with its number: `e00002/`.
  package static let leaves = Space("ledger.leaf")
  /// entry id → leaf index in the log that was open then.
  package static let index = Space("ledger.index")
  /// `e00002` → the `EpochBeginning` of the second log, and so on.
  package static let beginnings = Space("ledger.epoch")

  package init() {}

  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived] {
    guard entry.kind.isLedgered else { return [] }
    if entry.kind == .epoch { try begin(entry, state) }
    let epoch = try Self.epoch(in: state)
    var tree = try Self.tree(in: state)
    let leaf = try LedgerLeaf(
      kind: entry.kind.rawValue, id: entry.id.hex, commitment: try Self.payload(of: entry).commitment,
      at: entry.recordedAtMs)
    let index = try tree.append(leaf.bytes)
    try state.set(Self.tree, "tree", try JSONValue(encoding: tree))
    try state.set(
      Self.leaves, Self.key(index, epoch),
      [
        "leaf": .string(String(decoding: leaf.bytes, as: UTF8.self)),
        "position": .integer(Int64(entry.position.number)),
      ])
    try state.set(Self.index, entry.id.hex, .integer(Int64(index)))
    return []
  }

  /// A restored tenant goes on in a new log, empty but for the entry that begins it.
  private func begin(_ entry: Entry, _ state: any StateTransaction) throws {
    let beginning = try JSONValue(parsing: entry.body)
    let epoch = try beginning.decode(EpochBeginning.self).epoch
    try state.set(Self.tree, "epoch", try JSONValue(encoding: epoch))
    try state.set(Self.beginnings, epoch.rowKey, beginning)
    try state.set(Self.tree, "tree", try JSONValue(encoding: LedgerTree()))
  }

  /// Which log is open.
  package static func epoch(in view: any StateView) throws -> LedgerEpoch {
    try view.value(tree, "epoch")?.decode() ?? .first
  }

  /// How each log but the first began, in order.
  package static func beginnings(in view: any StateView) throws -> [EpochBeginning] {
    try view.scan(beginnings).map { try $0.1.decode() }
  }

  /// What an entry's leaf commits to. The ledger's salt is made of the entry's, so that publishing a payload tells
  /// nothing of other commitments under that salt.
  package static func payload(of entry: Entry) throws(LedgerError) -> LedgerPayload {
    try LedgerPayload(salt: SHA256.digest(entry.salt + Array("ledger".utf8)).bytes, payload: entry.body)
  }

  /// The tree of all applied entries.
  package static func tree(in view: any StateView) throws -> LedgerTree {
    try view.value(tree, "tree")?.decode() ?? LedgerTree()
  }

  /// The root that a log had at a size; nil when it has no such size here.
  package static func root(of epoch: LedgerEpoch, at size: Int, in view: any StateView) throws -> Digest? {
    var tree = LedgerTree()
    let rows = try view.scan(leaves, from: key(0, epoch), until: key(size, epoch), reversed: false, countMax: size)
    for (_, value) in rows { _ = try tree.append(Array((value["leaf"]?.string ?? "").utf8)) }
    return tree.size == size ? tree.root : nil
  }

  /// The leaf that proves an entry; nil when the entry is not ledgered or not applied.
  package static func index(of entry: Digest, in view: any StateView) throws -> Int? {
    try view.value(index, entry.hex)?.integer.map(Int.init)
  }

  /// The open log's leaves from index `size` on, in order, at most `countMax`: what a publication of that size lacks.
  package static func unpublished(
    in view: any StateView, after size: Int, countMax: Int = .max
  ) throws -> [LedgeredEntry] {
    let epoch = try epoch(in: view)
    return try view.scan(
      leaves, from: key(size, epoch), until: key(.max, epoch), reversed: false, countMax: countMax
    ).map { row, value in
      guard let index = Int(row.drop { $0 != "/" }.dropFirst()) ?? Int(row), let leaf = value["leaf"]?.string,
        let position = value["position"]?.integer
      else {
        throw LedgerError.leafMalformed(reason: "the row \(row) of the state is miswritten")
      }
      return LedgeredEntry(index: index, leaf: Array(leaf.utf8), position: Position(UInt64(position)))
    }
  }

  private static func key(_ index: Int, _ epoch: LedgerEpoch) -> String {
    let digits = String(index)
    let key = String(repeating: "0", count: 20 - digits.utf8.count) + digits
    return epoch == .first ? key : "\(epoch.rowKey)/\(key)"
  }
}
