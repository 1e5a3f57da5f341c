import Cryptography
package import Domain
import FileStorage
import Foundation
import SQLiteStorage
import Vault

/// `sluice bench journal`: what the journal writes for each byte that it is given, and what is left of it as it is appended,
/// packed and trimmed. The same batches go into a journal without compression and into one with it, in one run.
package struct JournalBench: Sendable {
  /// Records as lines of JSON; they are repeated, each time with other numbers in them.
  package let lines: [[UInt8]]
  /// Bytes of entry bodies that each journal is given.
  package let bytes: Int
  package let recordsPerBatch: Int
  /// Each waits until its batch is durable before it gives the next one.
  package let writers: Int

  package init(lines: [[UInt8]], bytes: Int, recordsPerBatch: Int, writers: Int) {
    self.lines = lines
    self.bytes = bytes
    self.recordsPerBatch = recordsPerBatch
    self.writers = writers
  }

  private static let partition = Partition.tenant(TenantID(rawValue: "bench")!)

  /// - Parameter folder: New and empty; what is left in it is the packed journal.
  package func run(in folder: String) async throws -> JSONValue {
    let plain = try await measure(folder + "/plain", isCompressing: false)
    try FileManager.default.removeItem(atPath: folder + "/plain")
    let compressed = try await measure(folder + "/compressed", isCompressing: true)
    return ["plain": plain, "compressed": compressed, "records_per_batch": .integer(Int64(recordsPerBatch))]
  }

  private func measure(_ folder: String, isCompressing: Bool) async throws -> JSONValue {
    let journal = try Self.open(folder, isCompressing: isCompressing)
    let clock = ContinuousClock()
    var written = Self.writtenBytes()
    func since() -> Int64 {
      defer { written = Self.writtenBytes() }
      return Int64(Self.writtenBytes() - written)
    }
    var given = 0
    let appending = try await clock.measure { given = try await fill(journal) }
    var answer: [String: JSONValue] = [
      "given_bytes": .integer(Int64(given)), "append_ms": .integer(Int64(appending.seconds * 1000)),
      "append_written_bytes": .integer(since()), "appended_bytes": .integer(try Self.size(of: folder)),
    ]
    guard isCompressing else {
      try await journal.close()
      return .object(answer)
    }
    let packer = JournalPacker(journal)
    let begin = clock.now
    let report = try await packer.pack(.init(isApplied: { _, _ in true }))
    let packing = clock.now - begin
    answer["pack_ms"] = .integer(Int64(packing.seconds * 1000))
    answer["pack_written_bytes"] = .integer(since())
    answer["packed_bytes"] = .integer(try Self.size(of: folder))
    answer["packs"] = .integer(Int64(report.packs))
    answer["packed_entries"] = .integer(Int64(report.entries))
    let head = await journal.head(of: Self.partition).number
    var read = Position.origin
    let reading = try await clock.measure {
      while let last = try await journal.read(Self.partition, after: read, countMax: 64).last { read = last.position }
    }
    answer["read_ms"] = .integer(Int64(reading.seconds * 1000))
    answer["entries"] = .integer(Int64(head))
    let epoch = try await journal.acquire(Self.partition)
    // What is known already: the id of each is looked up in every pack.
    let again = min(Int(head), 200)
    let knowing = try await clock.measure {
      for number in 0..<again {
        _ = try await journal.append([entry(number * Int(head) / again, body: [])], to: Self.partition, epoch: epoch)
      }
    }
    answer["known_us"] = .integer(Int64(knowing.seconds * 1_000_000) / Int64(max(1, again)))
    _ = try await packer.trim(Self.partition, through: Position(try Self.middle(of: journal)), keeping: .origin)
    answer["trim_written_bytes"] = .integer(since())
    answer["trimmed_bytes"] = .integer(try Self.size(of: folder))
    try await journal.close()
    return .object(answer)
  }

  /// The end of the pack in the middle.
  private static func middle(of journal: SQLiteJournal) throws -> UInt64 {
    let paths = journal.packPaths.map(\.path)
    guard !paths.isEmpty, let name = paths[(paths.count - 1) / 2].split(separator: "/").last,
      let last = UInt64(name.dropLast(5).split(separator: "-").last ?? "")
    else { return 0 }
    return last
  }

  private func fill(_ journal: SQLiteJournal) async throws -> Int {
    let epoch = try await journal.acquire(Self.partition)
    let average = lines.reduce(0) { $0 + $1.count } / max(1, lines.count) + 24
    let batches = max(1, bytes / (average * recordsPerBatch))
    return try await withThrowingTaskGroup(of: Int.self) { group in
      for writer in 0..<writers {
        group.addTask {
          var given = 0
          for number in stride(from: writer, to: batches, by: writers) {
            let body = batch(number)
            given += body.count
            _ = try await journal.append([entry(number, body: body)], to: Self.partition, epoch: epoch)
          }
          return given
        }
      }
      return try await group.reduce(0, +)
    }
  }

  private func entry(_ number: Int, body: [UInt8]) -> NewEntry {
    NewEntry(
      id: SHA256.digest("batch \(number)"), kind: .intake, cause: nil, recordedAtMs: SystemSources.wallClockMs(),
      body: body)
  }

  /// Lines one after the other, each with its own number in front: no two batches are alike.
  private func batch(_ number: Int) -> [UInt8] {
    var body: [UInt8] = []
    for record in (number * recordsPerBatch)..<((number + 1) * recordsPerBatch) {
      body += Array("{\"seq\":\(record &* 2_654_435_761 % 1_000_000_007),".utf8)
      body += lines[record % lines.count].dropFirst()
    }
    return body
  }

  /// So many entries of a few bytes, packed and read: what counts is each entry, not its bytes.
  package static func rows(_ count: Int, in folder: String) async throws -> JSONValue {
    let (journal, clock) = (try open(folder, isCompressing: true), ContinuousClock())
    let epoch = try await journal.acquire(partition)
    func entry(_ number: Int) -> NewEntry {
      NewEntry(
        id: SHA256.digest("row \(number)"), kind: .order, cause: nil, recordedAtMs: Int64(number),
        body: Array("{\"n\":\(number),\"verb\":\"kill\"}".utf8))
    }
    let (perCommit, packer) = (5_000, JournalPacker(journal))
    var (packing, appended) = (Duration.zero, Int64(0))
    let appending = try await clock.measure {
      for first in stride(from: 0, to: count, by: perCommit) {
        let entries = (first..<min(first + perCommit, count)).map(entry)
        _ = try await journal.append(entries, to: partition, epoch: epoch)
        // As a host does, whenever a segment was closed.
        guard journal.segmentNumbers.count > 1 else { continue }
        appended += try size(of: folder + "/journal")
        let begin = clock.now
        try await packer.pack(.init(isApplied: { _, _ in true }))
        packing += clock.now - begin
        appended -= try size(of: folder + "/journal")
      }
    }
    appended += try size(of: folder + "/journal")
    let packed = try size(of: folder)
    var (read, entries) = (Position.origin, 0)
    let reading = try await clock.measure {
      while true {
        let found = try await journal.read(partition, after: read, countMax: 1_000)
        guard let last = found.last else { break }
        (read, entries) = (last.position, entries + found.count)
      }
    }
    let asked = stride(from: 0, to: count, by: max(1, count / 1_000)).map(\.self)
    let known = try await journal.append(asked.map(entry), to: partition, epoch: epoch)
    try await journal.close()
    return [
      "entries": .integer(Int64(entries)), "append_ms": .integer(Int64((appending - packing).seconds * 1000)),
      "pack_ms": .integer(Int64(packing.seconds * 1000)), "read_ms": .integer(Int64(reading.seconds * 1000)),
      "appended_bytes": .integer(appended), "packed_bytes": .integer(packed),
      "packs": .integer(Int64(journal.packPaths.count)), "asked": .integer(Int64(asked.count)),
      "known": .integer(Int64(zip(asked, known).count { Int($1.number) == $0 + 1 })),
    ]
  }

  private static func open(_ folder: String, isCompressing: Bool) throws -> SQLiteJournal {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let keystore = try SQLiteKeystore(path: folder + "/keystore.db")
    let vault = try Vault(
      hostKey: SystemSources.random(32), keystore: keystore, random: { SystemSources.random($0) })
    try vault.prepare(partition)
    var limits = SQLiteJournal.Limits()
    limits.isCompressing = isCompressing
    limits.segmentBytesMax = 64 << 20
    return try SQLiteJournal(
      folder: folder + "/journal", objects: try FileObjectStore(root: folder), sealer: vault,
      random: { SystemSources.random($0) }, limits: limits)
  }

  private static func writtenBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/io", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("write_bytes:") }
    return line.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
  }

  private static func size(of folder: String) throws -> Int64 {
    var sum: Int64 = 0
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      let found = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
      if found[.type] as? FileAttributeType == .typeRegular {
        sum += (found[.size] as? Int64) ?? Int64(found[.size] as? Int ?? 0)
      }
    }
    return sum
  }
}
