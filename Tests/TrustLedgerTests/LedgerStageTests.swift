import CanonicalJSON
import Cryptography
import Domain
import Foundation
import MemoryStorage
import TestKit
import Testing
import TrustLedger

@Suite struct `The ledger stage` {
  private static func entry(_ number: Int, _ kind: EntryKind) -> Entry {
    Entry(
      partition: .tenant(TenantID(unchecked: "acme")), position: Position(UInt64(number)),
      salt: Array(SHA256.digest("salt \(number)").bytes[..<16]),
      content: NewEntry(
        id: SHA256.digest("entry \(number)"), kind: kind, cause: nil, recordedAtMs: 1_764_000_000_000 + Int64(number),
        body: JSONValue.object(["number": .integer(Int64(number))]).canonicalBytes))
  }
  private static func entries(_ count: Int) -> [Entry] {
    // `epoch` begins another log: `LedgerEpochTests`.
    let kinds = EntryKind.allCases.filter { $0 != .epoch }
    return (1...count).map { entry($0, kinds[$0 % kinds.count]) }
  }
  private static func store(_ entries: [Entry]) throws -> any StateStore {
    let store: any StateStore = MemoryStateStore()
    for entry in entries {
      let derived = try store.transaction { try LedgerStage().apply(entry, to: $0) }
      #expect(derived.isEmpty)
    }
    return store
  }

  @Test func `writes one leaf for every entry that must be provable, in order, and none for others`() throws {
    let entries = Self.entries(40)
    let store = try Self.store(entries)
    let ledgered = entries.filter(\.kind.isLedgered)
    try store.view { view in
      let found = try LedgerStage.unpublished(in: view, after: 0)
      #expect(found.map(\.index) == Array(0..<ledgered.count))
      #expect(found.map(\.position) == ledgered.map(\.position))
      for (leaf, entry) in zip(found, ledgered) {
        let parsed = try LedgerLeaf(parsing: leaf.leaf)
        #expect(parsed.kind == entry.kind.rawValue && parsed.id == entry.id.hex && parsed.at == entry.recordedAtMs)
        #expect(parsed.commitment == (try LedgerStage.payload(of: entry).commitment))
        #expect(try LedgerStage.index(of: entry.id, in: view) == leaf.index)
      }
      #expect(try LedgerStage.unpublished(in: view, after: 10, countMax: 3).map(\.index) == [10, 11, 12])
      #expect(try LedgerStage.unpublished(in: view, after: ledgered.count).isEmpty)
      let others = try entries.filter { !$0.kind.isLedgered }.map { try LedgerStage.index(of: $0.id, in: view) }
      #expect(others.allSatisfy { $0 == nil })
    }
  }

  @Test func `keeps the tree that its leaves make, which can be published in steps`() throws {
    let store = try Self.store(Self.entries(900))
    let (tree, leaves) = try store.view { view in
      (try LedgerStage.tree(in: view), try LedgerStage.unpublished(in: view, after: 0).map(\.leaf))
    }
    #expect(tree.size == leaves.count && tree.size > 512)
    var files: [String: [UInt8]] = [:]
    var grown = LedgerTree()
    for end in [200, 256, 300, leaves.count] {
      let before = grown.size
      for leaf in leaves[before..<end] { try grown.append(leaf) }
      let published = files
      let publication = try LedgerPublication(
        of: grown, after: before, entries: Array(leaves[before..<end]), read: { published[$0] })
      for file in publication.files { files[file.path] = file.bytes }
    }
    #expect(grown == tree)
  }

  @Test func `gives the same bytes for the same entries, and another commitment for another salt`() throws {
    func rows() throws -> [String] {
      try Self.store(Self.entries(60)).view { view in
        try [LedgerStage.tree, LedgerStage.leaves, LedgerStage.index].flatMap { space in
          try view.scan(space).map { "\($0.0) \($0.1.canonicalText)" }
        }
      }
    }
    #expect(try rows() == rows())
    let entry = Self.entry(1, .receipt)
    let other = Entry(
      partition: entry.partition, position: entry.position, salt: [UInt8](repeating: 1, count: 16),
      content: entry.content)
    #expect(try LedgerStage.payload(of: entry).commitment != LedgerStage.payload(of: other).commitment)
  }

  @Test func `keeps rows whose form is golden`() throws {
    let text = try Self.store(Self.entries(6)).view { view in
      try [LedgerStage.tree, LedgerStage.leaves, LedgerStage.index].flatMap { space in
        try view.scan(space).map { "\(space.rawValue) \($0.0) \($0.1.canonicalText)\n" }
      }.joined()
    }
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/stage.txt")
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" { try Data(text.utf8).write(to: file) }
    #expect(try String(contentsOf: file, encoding: .utf8) == text, "Golden/stage.txt")
  }
}
