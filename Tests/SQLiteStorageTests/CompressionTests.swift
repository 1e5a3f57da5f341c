import Domain
import Foundation
import GRDB
import Synchronization
import TestKit
import Testing

@testable import SQLiteStorage

@Suite struct `A compressed body` {
  let bench = PackBench()

  @Test func `is read as it was given, and takes less room; one that would not be smaller stays plain`() async throws {
    let journal = try bench.open { $0.segmentBytesMax = 1 << 30 }
    let epoch = try await journal.acquire(bench.tenant)
    var chance = SplitMix64(seed: 3)
    let noise = (0..<5_000).map { _ in UInt8.random(in: 0...255, using: &chance) }
    let bodies = [Array(String(repeating: "a long text, ", count: 400).utf8), noise, Array("{}".utf8), []]
    for (number, body) in bodies.enumerated() {
      _ = try await journal.append(
        [NewEntry(id: entry("\(number)").id, kind: .intake, cause: nil, recordedAtMs: 1, body: body)], to: bench.tenant,
        epoch: epoch)
    }
    #expect(try await journal.read(bench.tenant, after: .origin, countMax: 9).map(\.body) == bodies)
    let segment = journal.holdings.withLock { $0.segments[0] }
    let rows = try await segment.pool.read {
      try Row.fetchAll($0, sql: "SELECT codec, length(body) FROM entry ORDER BY position").map {
        ($0[0] as Int, $0[1] as Int)
      }
    }
    #expect(rows.map(\.0) == [1, 0, 0, 0])
    #expect(rows[0].1 < 200)
  }

  @Test func `that says another codec, or is larger than an entry may be, is damaged`() async throws {
    let journal = try bench.open {
      $0.segmentBytesMax = 1 << 30
      $0.entryBytesMax = 10_000
    }
    let epoch = try await journal.acquire(bench.tenant)
    _ = try await journal.append([entry("a", String(repeating: "x", count: 9_000))], to: bench.tenant, epoch: epoch)
    // Written by somebody who has the key: a frame that would become a gigabyte.
    let frame = Zstandard.compress([UInt8](repeating: 0, count: 1 << 28), level: 1)!
    let new = entry("b")
    let context = Segment.context(new, at: Position(2), salt: [1], codec: 1)
    let sealed = try bench.sealer.seal(frame, for: bench.tenant, context: context)
    let segment = journal.holdings.withLock { $0.segments[0] }
    try await segment.pool.write {
      try $0.execute(
        sql: "INSERT INTO entry VALUES('demo', 2, ?, 'order', NULL, 7, ?, 1, ?)",
        arguments: [Data(new.id.bytes), Data([1]), Data(sealed)])
    }
    let found = await damage { _ = try journal.entry(at: Position(2), of: bench.tenant) }
    #expect(
      found?.position == 2 && found?.reason.contains("\(1 << 28) bytes, 10000 are the most") == true,
      "\(String(describing: found))")
    try await segment.pool.write { try $0.execute(sql: "UPDATE entry SET codec=0 WHERE position=1") }
    #expect(
      await damage { _ = try journal.entry(at: Position(1), of: bench.tenant) }?.reason.contains("does not open")
        == true)
    try await segment.pool.write { try $0.execute(sql: "UPDATE entry SET codec=7 WHERE position=1") }
    #expect(
      await damage { _ = try journal.entry(at: Position(1), of: bench.tenant) }?.reason.contains("codec 7") == true)
  }

  @Test func `comes out as it went in, and never as more than its bound, whatever is done to the frame`() throws {
    var chance = SplitMix64(seed: 20)
    for round in 0..<400 {
      let words = (0..<Int.random(in: 20...600, using: &chance)).map { _ in
        String(Int.random(in: 0...40, using: &chance))
      }
      let body = Array(words.joined(separator: round % 2 == 0 ? "," : " and then ").utf8)
      guard var frame = Zstandard.compress(body, level: round % 3 == 0 ? 6 : 1) else { continue }
      #expect(frame.count < body.count)
      #expect(try Zstandard.expand(frame, bytesMax: body.count) == body)
      #expect(throws: Zstandard.Fault.self) { try Zstandard.expand(frame, bytesMax: body.count - 1) }
      for _ in 0..<20 {
        var changed = frame
        for _ in 0...Int.random(in: 0...3, using: &chance) {
          changed[Int.random(in: 0..<changed.count, using: &chance)] ^= UInt8.random(in: 1...255, using: &chance)
        }
        if Bool.random(using: &chance) { changed.removeLast(Int.random(in: 0..<changed.count, using: &chance)) }
        // The checksum lets nothing else pass for it.
        if let found = try? Zstandard.expand(changed, bytesMax: 1 << 20) { #expect(found == body) }
      }
      frame.append(contentsOf: frame)
      #expect(throws: Zstandard.Fault.self) { try Zstandard.expand(frame, bytesMax: 1 << 20) }
    }
    for count in 0..<64 {
      let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &chance) }
      #expect(throws: Zstandard.Fault.self) { try Zstandard.expand(noise, bytesMax: 1 << 20) }
    }
  }
}

@Suite struct `A segment of format 2` {
  /// As the version before wrote it.
  private static let schema = """
    CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta(key, value) VALUES('format', 2);
    CREATE TABLE lease(partition TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE entry(
      partition TEXT NOT NULL, position INTEGER NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL, cause INTEGER,
      recorded_at_ms INTEGER NOT NULL, salt BLOB NOT NULL, codec INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE UNIQUE INDEX entry_position ON entry(partition, position);
    CREATE UNIQUE INDEX entry_id ON entry(partition, id);
    INSERT INTO lease VALUES('demo', 4);
    """

  @Test func `is read, packed, and goes on as one of format 3, which the version before refuses`() async throws {
    let bench = PackBench()
    try FileManager.default.createDirectory(atPath: bench.folder + "/journal", withIntermediateDirectories: true)
    for number in 1...2 {
      let queue = try DatabaseQueue(path: "\(bench.folder)/journal/\(Segment.fileName(number))")
      try await queue.write { db in
        try db.execute(sql: Self.schema)
        for place in 1...3 {
          let position = Position(UInt64((number - 1) * 3 + place))
          let new = entry("old \(position)", String(repeating: "old \(position) ", count: 50))
          let context = Segment.context(new, at: position, salt: [9], codec: 0)
          try db.execute(
            sql: "INSERT INTO entry VALUES('demo', ?, ?, 'order', NULL, 7, ?, 0, ?)",
            arguments: [
              Int64(position.number), Data(new.id.bytes), Data([9]),
              Data(try bench.sealer.seal(new.body, for: bench.tenant, context: context)),
            ])
        }
      }
      try queue.close()
    }
    let journal = try bench.open()
    let before = try await journal.texts(bench.tenant)
    #expect(before.count == 6)
    let epoch = try await journal.acquire(bench.tenant)
    #expect(epoch == 5)
    #expect(
      try await journal.append([entry("old 2"), entry("new")], to: bench.tenant, epoch: epoch).map(\.number) == [2, 7])
    try await bench.pack(journal)
    #expect(Array(try await journal.texts(bench.tenant).prefix(6)) == before)
    let last = try DatabaseQueue(path: "\(bench.folder)/journal/\(try bench.segments().last!)")
    let format = try await last.read { try Int.fetchOne($0, sql: "SELECT value FROM meta WHERE key='format'") }
    #expect(format == 3)
  }

  @Test func `is refused when its number is of tomorrow, with both numbers, and is not touched`() async throws {
    let bench = PackBench()
    try await bench.open().close()
    let path = "\(bench.folder)/journal/\(try bench.segments()[0])"
    let queue = try DatabaseQueue(path: path)
    try await queue.write { try $0.execute(sql: "UPDATE meta SET value=4 WHERE key='format'") }
    #expect(throws: StorageError.formatMismatch(path: path, found: 4, understood: 3)) { try bench.open() }
    #expect(try await queue.read { try Int.fetchOne($0, sql: "SELECT value FROM meta WHERE key='format'") } == 4)
  }
}
