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
  /// `tree` → the tree's size and frontier.
  package static let tree = Space("ledger.tree")
  /// index, 20 digits → {leaf, position}.
  package static let leaves = Space("ledger.leaf")
  /// entry id → leaf index.
  package static let index = Space("ledger.index")

  package init() {}

  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived] {
    guard entry.kind.isLedgered else { return [] }
    var tree = try Self.tree(in: state)
    let leaf = try LedgerLeaf(
      kind: entry.kind.rawValue, id: entry.id.hex, commitment: try Self.payload(of: entry).commitment,
      at: entry.recordedAtMs)
    let index = try tree.append(leaf.bytes)
    try state.set(Self.tree, "tree", try JSONValue(encoding: tree))
    try state.set(
      Self.leaves, Self.key(index),
      [
        "leaf": .string(String(decoding: leaf.bytes, as: UTF8.self)),
        "position": .integer(Int64(entry.position.number)),
      ])
    try state.set(Self.index, entry.id.hex, .integer(Int64(index)))
    return []
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

  /// The leaf that proves an entry; nil when the entry is not ledgered or not applied.
  package static func index(of entry: Digest, in view: any StateView) throws -> Int? {
    try view.value(index, entry.hex)?.integer.map(Int.init)
  }

  /// Leaves from index `size` on, in order, at most `countMax`: what a publication of that size lacks.
  package static func unpublished(
    in view: any StateView, after size: Int, countMax: Int = .max
  ) throws -> [LedgeredEntry] {
    try view.scan(leaves, from: key(size), until: nil, reversed: false, countMax: countMax).map { row, value in
      guard let index = Int(row), let leaf = value["leaf"]?.string, let position = value["position"]?.integer else {
        throw LedgerError.leafMalformed(reason: "the row \(row) of the state is miswritten")
      }
      return LedgeredEntry(index: index, leaf: Array(leaf.utf8), position: Position(UInt64(position)))
    }
  }

  private static func key(_ index: Int) -> String {
    let digits = String(index)
    return String(repeating: "0", count: 20 - digits.utf8.count) + digits
  }
}
