import Cryptography
import Domain
import Foundation
import GRDB
import Testing

@testable import SQLiteStorage

struct XorSealer: Sealer {
  func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] { plaintext.map { $0 ^ 0x5A } }
  func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] { sealed.map { $0 ^ 0x5A } }
}

func temporaryFolder() -> String {
  let path = NSTemporaryDirectory() + "sluice-test-\(UUID().uuidString)"
  try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return path
}

func entry(_ name: String, _ body: String = "{}", kind: EntryKind = .order) -> NewEntry {
  NewEntry(id: SHA256.digest(name), kind: kind, cause: nil, recordedAtMs: 7, body: Array(body.utf8))
}

// What the port promises is asked of every kind.
@Suite struct `The journal` {
  let tenant = Partition.tenant(TenantID(rawValue: "demo")!)

  @Test func `is copied while it is written to, each segment as one file and as it was at one moment`() async throws {
    let folder = temporaryFolder()
    var limits = SQLiteJournal.Limits()
    limits.segmentBytesMax = 1
    let journal = try SQLiteJournal(
      folder: folder, sealer: XorSealer(), random: { [UInt8](repeating: 9, count: $0) }, limits: limits)
    let epoch = try await journal.acquire(tenant)
    for name in ["a", "b", "c"] { _ = try await journal.append([entry(name)], to: tenant, epoch: epoch) }
    let copies = temporaryFolder()
    var heads: [UInt64] = []
    for number in journal.segmentNumbers {
      let copied = try journal.copySegment(number, to: copies + "/" + SQLiteJournal.fileName(number))
      if let head = copied[tenant.name] { heads.append(head) }
      _ = try await journal.append([entry("later \(number)")], to: tenant, epoch: epoch)
    }
    #expect(heads == heads.sorted() && heads.count > 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: copies).allSatisfy { $0.hasSuffix(".segment") })
    let restored = try SQLiteJournal(
      folder: copies, sealer: XorSealer(), random: { [UInt8](repeating: 9, count: $0) }, limits: limits)
    let head = await restored.head(of: tenant)
    let (whole, again) = (
      try await journal.read(tenant, after: .origin, countMax: 100),
      try await restored.read(tenant, after: .origin, countMax: 100)
    )
    #expect(head.number == heads.max() && again == Array(whole.prefix(again.count)) && again.count >= 3)
    try await journal.close()
    try await restored.close()
  }

  /// Has no key for one partition.
  private struct KeylessSealer: Sealer {
    let keyless: Partition
    struct NoKey: Error {}
    func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8] {
      if partition == keyless { throw NoKey() }
      return plaintext
    }
    func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] { sealed }
  }

  @Test(arguments: JournalKind.allCases)
  func `refuses who cannot be sealed alone, whoever shares the commit`(kind: JournalKind) async throws {
    let other = Partition.tenant(TenantID(rawValue: "other")!)
    let journal = try kind.open(sealer: KeylessSealer(keyless: other))
    let epochs = (try await journal.acquire(tenant), try await journal.acquire(other))
    @Sendable func isRefused(_ entry: NewEntry, _ epoch: UInt64) async -> Bool {
      do {
        _ = try await journal.append([entry], to: other, epoch: epoch)
        return false
      } catch { return error is KeylessSealer.NoKey }
    }
    // Of so many pairs, most share a commit.
    for number in 0..<100 {
      async let refused = isRefused(entry("b \(number)"), epochs.1)
      async let given = journal.append([entry("a \(number)"), entry("a \(number)")], to: tenant, epoch: epochs.0)
      let positions = try await given.map(\.number)
      #expect(positions == [UInt64(number) + 1, UInt64(number) + 1])
      let wasRefused = await refused
      #expect(wasRefused)
    }
    #expect(journal.isOf(kind))
    #expect(try await journal.head(of: other) == .origin)
    #expect(try await journal.read(tenant, after: .origin, countMax: 200).count == 100)
    try await journal.close()
  }

  @Test(arguments: JournalKind.allCases)
  func `keeps what was acknowledged, in order, over a restart`(kind: JournalKind) async throws {
    let folder = temporaryFolder()
    var journal = try kind.open(folder)
    var epoch = try await journal.acquire(tenant)
    #expect(
      try await journal.append([entry("a", "1"), entry("b", "2")], to: tenant, epoch: epoch).map(\.number) == [1, 2])
    try await journal.close()
    journal = try kind.open(folder)
    #expect(try await journal.head(of: tenant) == Position(2))
    epoch = try await journal.acquire(tenant)
    #expect(try await journal.append([entry("c", "3")], to: tenant, epoch: epoch) == [Position(3)])
    let read = try await journal.read(tenant, after: Position(1), countMax: 10)
    #expect(read.map { String(decoding: $0.body, as: UTF8.self) } == ["2", "3"])
    #expect(read.map(\.position.number) == [2, 3])
    #expect(journal.isOf(kind))
  }

  @Test(arguments: JournalKind.allCases)
  func `takes an entry once, however often it is appended`(kind: JournalKind) async throws {
    let journal = try kind.open()
    let epoch = try await journal.acquire(tenant)
    let first = try await journal.append([entry("a")], to: tenant, epoch: epoch)
    #expect(try await journal.append([entry("b"), entry("a")], to: tenant, epoch: epoch) == [Position(2), first[0]])
    #expect(try await journal.head(of: tenant) == Position(2))
    #expect(journal.isOf(kind))
  }

  @Test(arguments: JournalKind.allCases)
  func `refuses the owner that was replaced`(kind: JournalKind) async throws {
    let journal = try kind.open()
    let old = try await journal.acquire(tenant)
    for name in ["before", "between"] { _ = try await journal.append([entry(name)], to: tenant, epoch: old) }
    _ = try await journal.acquire(tenant)
    await #expect(throws: JournalError.fenced(partition: "demo", epoch: 1, current: 2)) {
      try await journal.append([entry("a")], to: tenant, epoch: old)
    }
    #expect(journal.isOf(kind))
  }

  @Test func `finds the last position of each partition by the index, without reading entries`() async throws {
    let folder = temporaryFolder()
    let journal = try JournalKind.oneSegment.open(folder)
    let names = ["a", "a-b", "ab", "b", "demo", "z"]
    var heads: [String: UInt64] = [:]
    for (count, name) in zip([3, 1, 40, 2, 7, 1], names) {
      let partition = Partition.tenant(TenantID(rawValue: name)!)
      let epoch = try await journal.acquire(partition)
      for number in 1...count { _ = try await journal.append([entry("\(number)")], to: partition, epoch: epoch) }
      heads[name] = UInt64(count)
      #expect(try journal.journal.copySegment(1, to: "\(folder)/copy of \(name)") == heads)
    }
    try await journal.close()
    let segment = try Segment.open(number: 1, folder: folder + "/journal", writable: false)
    #expect(try segment.heads() == heads)
    let plan = try await segment.pool.read { db in
      try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + Segment.headsOfPartitions).map { $0["detail"] as String }
    }
    #expect(plan.contains { $0.hasPrefix("SEARCH entry") } && !plan.contains { $0.hasPrefix("SCAN entry") }, "\(plan)")
    let empty = try Segment.open(number: 2, folder: folder + "/journal", writable: true)
    #expect(try empty.heads() == [:])
  }

  @Test func `goes on in a new segment when one is full, and still knows every id`() async throws {
    var limits = SQLiteJournal.Limits()
    limits.segmentBytesMax = 60_000
    let folder = temporaryFolder()
    let journal = try SQLiteJournal(
      folder: folder, sealer: XorSealer(), random: { [UInt8](repeating: 9, count: $0) }, limits: limits)
    let epoch = try await journal.acquire(tenant)
    for i in 0..<40 {
      _ = try await journal.append([entry("e\(i)", String(repeating: "x", count: 4000))], to: tenant, epoch: epoch)
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".segment") }
    #expect(files.count > 1)
    #expect(try await journal.append([entry("e0")], to: tenant, epoch: epoch) == [Position(1)])
    #expect(try await journal.read(tenant, after: .origin, countMax: 100).count == 40)
  }

  @Test(arguments: JournalKind.allCases)
  func `commits those who wait together`(kind: JournalKind) async throws {
    let journal = try kind.open()
    let epoch = try await journal.acquire(tenant)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for i in 0..<200 {
        group.addTask { _ = try await journal.append([entry("e\(i)")], to: tenant, epoch: epoch) }
      }
      try await group.waitForAll()
    }
    #expect(try await journal.head(of: tenant) == Position(200))
    #expect(await journal.journal.commitCount < 200)
  }
}
