import Cryptography
import Domain
import Foundation
import SQLiteStorage
import Testing

/// So that the files show what is in them.
private struct OpenSealer: Sealer {
  func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] {
    plaintext + [UInt8](repeating: 0, count: 28)
  }
  func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] { sealed.dropLast(28) }
}

@Suite struct `What is taken out of a storage` {
  private func holds(_ bytes: [UInt8], below folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter {
      (FileManager.default.contents(atPath: "\(folder)/\($0)") ?? Data()).range(of: Data(bytes)) != nil
    }
  }

  @Test func `is in no file of a keystore any more, also where SQLite had moved it before`() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let keystore = try SQLiteKeystore(path: folder + "/keystore.db")
    // Rows come in an order that splits pages again and again, and are replaced by others.
    let values = (0..<200).map { number in (0..<48).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7 &+ 1) } }
    for number in (0..<200).map({ ($0 * 73) % 200 }) { try keystore.set("key/gone/\(number)", values[number]) }
    for number in 0..<200 { try keystore.set("key/stays/\(number)", [UInt8(number)]) }
    #expect(try holds(values[7], below: folder) == ["keystore.db"])
    for number in 0..<200 { try keystore.remove("key/gone/\(number)") }
    try keystore.scrub()
    for value in values { #expect(try holds(value, below: folder) == []) }
    #expect(try keystore.names(withPrefix: "key/stays/").count == 200)
    #expect(try keystore.value("key/stays/9") == [9])
  }

  @Test func `is in no segment of a journal any more, closed or open, and the others' entries are`() async throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var limits = SQLiteJournal.Limits()
    limits.segmentBytesMax = 200_000
    let journal = try SQLiteJournal(
      folder: folder, sealer: OpenSealer(), random: { [UInt8](repeating: 0xA5, count: $0) }, limits: limits)
    let (gone, stays) = (Partition.tenant(TenantID(rawValue: "gone")!), Partition.tenant(TenantID(rawValue: "stays")!))
    let epochs = (try await journal.acquire(gone), try await journal.acquire(stays))
    func entry(_ number: Int, of name: String) -> NewEntry {
      NewEntry(
        id: StableID.of(name, ["\(number)"]), kind: .intake, cause: nil, recordedAtMs: 1,
        body: Array("\(name) number \(number) \(String(repeating: "x", count: 900))".utf8))
    }
    try await journal.countBytes(of: gone)
    for number in 0..<450 {
      _ = try await journal.append([entry(number, of: "gone")], to: gone, epoch: epochs.0)
      _ = try await journal.append([entry(number, of: "stays")], to: stays, epoch: epochs.1)
    }
    #expect(journal.segmentNumbers.count > 2)
    let bytes = journal.storedBytes(of: gone)
    try await journal.countBytes(of: gone)
    #expect(journal.storedBytes(of: gone) == bytes && bytes > 450 * 230)
    let before = try await journal.read(stays, after: .origin, countMax: 1_000)
    let packer = JournalPacker(journal)
    try await packer.erase(gone)
    try await packer.erase(gone)
    #expect(try await journal.read(gone, after: .origin, countMax: 10) == [])
    #expect(journal.storedBytes(of: gone) == 0)
    #expect(try await journal.read(stays, after: .origin, countMax: 1_000) == before && before.count == 450)
    _ = try await journal.append([entry(450, of: "stays")], to: stays, epoch: epochs.1)
    try await journal.close()
    #expect(try holds(Array("gone number".utf8), below: folder) == [])
    #expect(try holds(Array("stays number".utf8), below: folder).count > 2)
  }
}
