import Cryptography
import Domain
import FileStorage
import SQLiteStorage
import TestKit
import Testing

/// Where a journal's entries stand. Whoever uses its port must not notice.
enum JournalKind: String, CaseIterable {
  /// All in the open segment.
  case oneSegment
  /// Each commit in a segment of its own.
  case segments
  /// The same, and all that is closed is packed after each append.
  case packed

  func open(_ folder: String = temporaryFolder(), sealer: any Sealer = NamedSealer()) throws -> ContractJournal {
    var limits = SQLiteJournal.Limits()
    if self != .oneSegment { limits.segmentBytesMax = 1 }
    let journal = try SQLiteJournal(
      folder: folder + "/journal", objects: try FileObjectStore(root: folder), sealer: sealer,
      random: { [UInt8](repeating: 9, count: $0) }, limits: limits)
    return ContractJournal(journal: journal, packer: self == .packed ? JournalPacker(journal) : nil)
  }
}

/// The port, and what its owner does with it.
struct ContractJournal: Journal {
  let journal: SQLiteJournal
  let packer: JournalPacker?

  func append(_ entries: [NewEntry], to partition: Partition, epoch: UInt64) async throws -> [Position] {
    let given = try await journal.append(entries, to: partition, epoch: epoch)
    try await packer?.pack(PackBench.everything)
    return given
  }

  func read(_ partition: Partition, after position: Position, countMax: Int) async throws -> [Entry] {
    try await journal.read(partition, after: position, countMax: countMax)
  }

  func head(of partition: Partition) async throws -> Position { await journal.head(of: partition) }
  func acquire(_ partition: Partition) async throws -> UInt64 { try await journal.acquire(partition) }
  func close() async throws { try await journal.close() }

  /// Whether its entries stand where this kind has them.
  func isOf(_ kind: JournalKind) -> Bool {
    let (segments, packs) = (journal.segmentNumbers.count, journal.packPaths.count)
    return switch kind {
    case .oneSegment: segments == 1 && packs == 0
    case .segments: segments > 1 && packs == 0
    case .packed: segments == 1 && packs > 0
    }
  }
}

/// What a journal promises, without a disk.
private struct ModelJournal {
  var entries: [Partition: [Entry]] = [:]
  var epochs: [Partition: UInt64] = [:]

  mutating func append(_ new: [NewEntry], to partition: Partition) -> [Position] {
    new.map { new in
      let held = entries[partition] ?? []
      if let known = held.first(where: { $0.id == new.id }) { return known.position }
      let position = Position(UInt64(held.count + 1))
      let salt = [UInt8](repeating: 9, count: 16)
      entries[partition, default: []].append(Entry(partition: partition, position: position, salt: salt, content: new))
      return position
    }
  }
}

/// The contract of `Journal`, on every kind; what one test says of each stands in `The journal`.
@Suite struct `A journal of any kind` {
  private let partitions = ["demo", "other"].map { Partition.tenant(TenantID(rawValue: $0)!) } + [.host]

  /// An entry in which every field tells something; of few names, so that many come again.
  private func entry(_ chance: inout SplitMix64) -> NewEntry {
    let number = Int.random(in: 1...60, using: &chance)
    let kinds: [EntryKind] = [.order, .intake, .tick]
    return NewEntry(
      id: SHA256.digest("entry \(number)"), kind: kinds[number % 3],
      cause: number % 4 == 0 ? Position(UInt64(number)) : nil, recordedAtMs: Int64(number) - 30,
      body: Array(String(repeating: "body \(number) ", count: number % 7 * 40).utf8))
  }

  @Test(arguments: JournalKind.allCases, [1, 2, 3] as [UInt64])
  func `gives what a list would give, whatever is asked of it in which order`(kind: JournalKind, seed: UInt64)
    async throws
  {
    var (chance, model, folder) = (SplitMix64(seed: seed), ModelJournal(), temporaryFolder())
    var journal = try kind.open(folder)
    for partition in partitions { model.epochs[partition] = try await journal.acquire(partition) }
    for step in 1...90 {
      let partition = partitions.randomElement(using: &chance)!
      switch Int.random(in: 0..<20, using: &chance) {
      case 0:
        try await journal.close()
        journal = try kind.open(folder)
      case 1:
        let old = model.epochs[partition]!
        let new = try await journal.acquire(partition)
        #expect(new == old + 1)
        model.epochs[partition] = new
        await #expect(throws: JournalError.fenced(partition: partition.name, epoch: old, current: new)) {
          _ = try await journal.append([entry(&chance)], to: partition, epoch: old)
        }
      case 2..<12:
        let new = (0..<Int.random(in: 0...4, using: &chance)).map { _ in entry(&chance) }
        let given = try await journal.append(new, to: partition, epoch: model.epochs[partition]!)
        #expect(given == model.append(new, to: partition), "step \(step)")
      default:
        let held = model.entries[partition] ?? []
        let (after, count) = (Int.random(in: 0...held.count, using: &chance), Int.random(in: 1...30, using: &chance))
        let read = try await journal.read(partition, after: Position(UInt64(after)), countMax: count)
        #expect(read == Array(held.dropFirst(after).prefix(count)), "step \(step)")
        #expect(try await journal.head(of: partition) == held.last?.position ?? .origin)
      }
    }
    #expect(journal.isOf(kind))
    for partition in partitions {
      #expect(try await journal.read(partition, after: .origin, countMax: 1_000) == model.entries[partition] ?? [])
    }
  }
}
