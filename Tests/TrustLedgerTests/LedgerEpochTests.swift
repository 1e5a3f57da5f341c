import CanonicalJSON
import Cryptography
import Domain
import Foundation
import MemoryStorage
import TestKit
import Testing
import TrustLedger

@Suite struct `A log that goes on after a restore` {
  private static let tenant = TenantID(unchecked: "acme")
  private static func entry(_ number: Int, _ kind: EntryKind, _ body: JSONValue) -> Entry {
    Entry(
      partition: .tenant(tenant), position: Position(UInt64(number)),
      salt: Array(SHA256.digest("salt \(number)").bytes[..<16]),
      content: NewEntry(
        id: SHA256.digest("entry \(number)"), kind: kind, cause: nil, recordedAtMs: 1_764_000_000_000 + Int64(number),
        body: body.canonicalBytes))
  }
  private static func beginning(
    _ number: Int, id: String, after previous: LedgerEpoch, _ tree: LedgerTree, also: [String] = []
  ) -> EpochBeginning {
    EpochBeginning(
      epoch: LedgerEpoch(number: number, id: id), previous: previous, restored: .init(size: tree.size, root: tree.root),
      published: "sluice/acme\n7\n", alsoPublished: also, backupMadeAtMs: 1_764_000_000_000,
      by: UserID(unchecked: "os-0"))
  }

  /// Three leaves, a new log with two, and a third one with one.
  private func store() throws -> any StateStore {
    let store: any StateStore = MemoryStateStore()
    func apply(_ number: Int, _ kind: EntryKind, _ body: JSONValue = ["number": 1]) throws {
      _ = try store.transaction { try LedgerStage().apply(Self.entry(number, kind, body), to: $0) }
    }
    for number in 1...3 { try apply(number, .order) }
    let first = try store.view { try LedgerStage.tree(in: $0) }
    try apply(4, .epoch, JSONValue(encoding: Self.beginning(2, id: "00ff00ff00ff00ff", after: .first, first)))
    try apply(5, .receipt)
    let second = try store.view { (try LedgerStage.epoch(in: $0), try LedgerStage.tree(in: $0)) }
    try apply(
      6, .epoch,
      JSONValue(encoding: Self.beginning(3, id: "11ff11ff11ff11ff", after: second.0, second.1, also: ["seen"])))
    return store
  }

  @Test func `begins with the entry that commits to the one before, and holds no leaf of it`() throws {
    try store().view { view in
      let epoch = try LedgerStage.epoch(in: view)
      #expect(epoch.origin(of: Self.tenant) == "sluice/acme/epoch-3-11ff11ff11ff11ff")
      #expect(LedgerEpoch.first.origin(of: Self.tenant) == "sluice/acme")
      let leaves = try LedgerStage.unpublished(in: view, after: 0)
      #expect(leaves.map(\.index) == [0] && leaves.map(\.position) == [Position(6)])
      #expect(try LedgerLeaf(parsing: leaves[0].leaf).kind == "epoch")
      #expect(try LedgerStage.tree(in: view).size == 1)
      #expect(try LedgerStage.unpublished(in: view, after: 1).isEmpty)
      let beginnings = try LedgerStage.beginnings(in: view)
      #expect(beginnings.map(\.epoch.number) == [2, 3] && beginnings.map(\.restored.size) == [3, 2])
      #expect(beginnings.map(\.previous.number) == [1, 2])
    }
  }

  @Test func `is found by its name, and by no other`() {
    let tenant = Self.tenant
    let epochs = [
      LedgerEpoch.first, LedgerEpoch(number: 2, id: "00ff00ff00ff00ff"),
      LedgerEpoch(number: 99_999, id: "11ff11ff11ff11ff"),
    ]
    for epoch in epochs { #expect(LedgerEpoch(origin: epoch.origin(of: tenant), of: tenant) == epoch) }
    for name in [
      "", "sluice/other", "sluice/acme/", "sluice/acme/x", "sluice/acme/epoch-1-00ff00ff00ff00ff",
      "sluice/acme/epoch-02-00ff00ff00ff00ff", "sluice/acme/epoch-100000-00ff00ff00ff00ff", "sluice/acme/epoch-2-00ff",
      "sluice/acme/epoch-2-00FF00FF00FF00FF", "sluice/acme/epoch-2-00ff00ff00ff00ff/x", "sluice/acme/sluice/acme",
    ] {
      #expect(LedgerEpoch(origin: name, of: tenant) == nil, "\(name)")
    }
  }

  @Test func `commits to what others have seen of the logs before, and to nothing more`() throws {
    func root(_ text: String) -> Digest { SHA256.digest(text) }
    func note(_ epoch: LedgerEpoch, _ size: Int, _ root: Digest) throws -> String {
      let signer = try NoteSigner(name: epoch.origin(of: Self.tenant), seed: [UInt8](repeating: 7, count: 32))
      let checkpoint = Checkpoint(origin: signer.key.name, size: size, root: root)
      return String(decoding: try checkpoint.signed(by: signer).encoded, as: UTF8.self)
    }
    let other = LedgerEpoch(number: 2, id: "22ff22ff22ff22ff")
    let beginnings = [
      EpochBeginning(
        epoch: LedgerEpoch(number: 3, id: "00ff00ff00ff00ff"), previous: .first,
        restored: .init(size: 3, root: root("3")),
        published: try note(.first, 7, root("7")), alsoPublished: [try note(other, 5, root("5"))], backupMadeAtMs: 0,
        by: UserID(unchecked: "os-0"))
    ]
    func isKnown(_ epoch: LedgerEpoch, _ size: Int, _ root: Digest) throws -> Bool {
      try beginnings.commit(to: .init(size: size, root: root), of: epoch, of: Self.tenant)
    }
    #expect(try isKnown(.first, 7, root("7")) && isKnown(.first, 3, root("3")) && isKnown(.first, 5, root("any")))
    #expect(try !isKnown(.first, 8, root("8")) && !isKnown(.first, 7, root("x")) && !isKnown(.first, 3, root("x")))
    #expect(try isKnown(other, 5, root("5")) && !isKnown(other, 6, root("6")) && !isKnown(other, 5, root("x")))
    #expect(try !isKnown(LedgerEpoch(number: 2, id: "33ff33ff33ff33ff"), 1, root("1")))
    #expect(try ![EpochBeginning]().commit(to: .init(size: 1, root: root("1")), of: .first, of: Self.tenant))
  }

  @Test func `keeps rows whose form is golden`() throws {
    let text = try store().view { view in
      try [LedgerStage.tree, LedgerStage.beginnings, LedgerStage.leaves, LedgerStage.index].flatMap { space in
        try view.scan(space).map { "\(space.rawValue) \($0.0) \($0.1.canonicalText)\n" }
      }.joined()
    }
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/epoch.txt")
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" { try Data(text.utf8).write(to: file) }
    #expect(try String(contentsOf: file, encoding: .utf8) == text, "Golden/epoch.txt")
  }
}
