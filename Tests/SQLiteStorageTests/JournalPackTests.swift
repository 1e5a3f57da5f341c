import Cryptography
import Domain
import FileStorage
import Foundation
import GRDB
import Synchronization
import TestKit
import Testing

@testable import SQLiteStorage

@Suite struct `A journal whose past is packed` {
  let bench = PackBench()

  @Test func `gives every entry once and in order, whole or in parts, and by its position`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 30)
    let before = try await journal.read(bench.tenant, after: .origin, countMax: 100)
    let report = try await bench.pack(journal)
    #expect(report.entries == 29 && report.segments >= 29 && report.waitingFor == nil)
    #expect(try bench.segments().count == 1 && bench.packs().count == 29)
    for position in 0...30 {
      for count in [1, 3, 100] {
        let read = try await journal.read(bench.tenant, after: Position(UInt64(position)), countMax: count)
        #expect(read == Array(before.dropFirst(position).prefix(count)))
      }
    }
    #expect(try journal.entry(at: Position(17), of: bench.tenant) == before[16])
    let some = [1, 2, 3, 7, 9, 28, 29, 30].map { Position($0) }
    #expect(try journal.entries(at: some, of: bench.tenant).map(\.position) == some)
    #expect(throws: JournalError.self) { _ = try journal.entries(at: [Position(30), Position(31)], of: bench.tenant) }
    try await journal.close()
    let again = try bench.open()
    #expect(try await again.read(bench.tenant, after: .origin, countMax: 100) == before)
    #expect(await again.head(of: bench.tenant) == Position(30))
  }

  @Test func `knows each id that it holds, and takes an entry once, however often it is appended`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 12)
    try await bench.pack(journal)
    let epoch = try await journal.acquire(bench.tenant)
    let given = try await journal.append(
      [entry("e 3"), entry("new"), entry("e 11"), entry("e 12")], to: bench.tenant, epoch: epoch)
    #expect(given.map(\.number) == [3, 13, 11, 12])
    #expect(await journal.head(of: bench.tenant) == Position(13))
    // The same id is another entry for another tenant.
    let others = try await journal.acquire(bench.other)
    #expect(try await journal.append([entry("e 3")], to: bench.other, epoch: others) == [Position(1)])
  }

  @Test func `still refuses the owner that was replaced, when the segment that told of it is gone`() async throws {
    var journal = try bench.open()
    let old = try await journal.acquire(bench.tenant)
    _ = try await journal.append([entry("a")], to: bench.tenant, epoch: old)
    _ = try await journal.append([entry("b")], to: bench.tenant, epoch: old)
    _ = try await journal.append([entry("c")], to: bench.tenant, epoch: old)
    try await bench.pack(journal)
    try await journal.close()
    journal = try bench.open()
    let new = try await journal.acquire(bench.tenant)
    #expect(new == old + 1)
    await #expect(throws: JournalError.fenced(partition: "demo", epoch: old, current: new)) {
      try await journal.append([entry("d")], to: bench.tenant, epoch: old)
    }
  }

  @Test func `goes on at the next position when every one of its entries is packed`() async throws {
    var journal = try bench.open()
    try await bench.fill(journal, 4)
    try await bench.fill(journal, "o", 2, of: bench.other)  // the open segment holds nothing of the first tenant
    try await bench.pack(journal)
    try await journal.close()
    journal = try bench.open()
    #expect(await journal.head(of: bench.tenant) == Position(4))
    let epoch = try await journal.acquire(bench.tenant)
    #expect(try await journal.append([entry("next")], to: bench.tenant, epoch: epoch) == [Position(5)])
    #expect(await journal.partitionNames == ["demo", "other"])
  }

  @Test func `keeps many entries in few packs, each within its bounds, and reads one without the whole`() async throws {
    let journal = try bench.open {
      $0.segmentBytesMax = 1 << 19
      $0.packBytesMax = 1 << 16
    }
    var chance = SplitMix64(seed: 5)
    let epoch = try await journal.acquire(bench.tenant)
    for round in 0..<80 {
      let entries = (0..<50).map { number in
        let noise = (0..<40).map { _ in String(UInt64.random(in: 0 ... .max, using: &chance), radix: 36) }.joined()
        return entry("r \(round) \(number)", #"{"noise":"\#(noise)"}"#)
      }
      _ = try await journal.append(entries, to: bench.tenant, epoch: epoch)
    }
    let before = try await journal.read(bench.tenant, after: .origin, countMax: 5_000)
    try await bench.pack(journal)
    let packs = try bench.packs()
    #expect(packs.count > 3 && packs.count < 30)
    #expect(try await journal.read(bench.tenant, after: .origin, countMax: 5_000) == before)
    let through = journal.status.partitions[0].packedThrough.number
    let known = try await journal.append(
      before.prefix(Int(through)).map { NewEntry(id: $0.id, kind: .order, cause: nil, recordedAtMs: 0, body: []) },
      to: bench.tenant, epoch: epoch)
    #expect(known == before.prefix(Int(through)).map(\.position))
  }

  @Test func `waits with a segment until everybody has applied it, and says for whom`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 5)
    let report = try await JournalPacker(journal).pack(.init(isApplied: { _, position in position <= Position(2) }))
    #expect(report.entries == 2 && report.waitingFor == "demo")
    #expect(try await journal.texts(bench.tenant).count == 5)
    #expect(try await bench.pack(journal).entries == 2)
  }

  @Test func `packs nothing of a tenant that is erased, whose packs, snapshots and rows go for good`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 3)
    try await bench.fill(journal, "o", 3, of: bench.other)
    try await bench.pack(journal)
    try await bench.fill(journal, "more", 3)
    let objects = try FileObjectStore(root: bench.folder)
    try objects.write([(StateSnapshot.path(bench.tenant, Position(2)), [1])])
    let (tenant, packer) = (bench.tenant, JournalPacker(journal))
    let packed = try bench.packs()
    try await packer.pack(.init(isApplied: { _, _ in true }, isForgotten: { $0 == tenant }))
    #expect(try bench.packs() == packed && bench.segments().count == 1)
    try await packer.erase(tenant)
    #expect(try bench.packs() == [])
    #expect(try objects.list(StateSnapshot.folder(tenant)) == [])
    #expect(try await journal.texts(bench.other).count == 3)
    await #expect(throws: JournalError.fenced(partition: "demo", epoch: 1, current: 0)) {
      try await journal.append([entry("late")], to: tenant, epoch: 1)
    }
    try await journal.close()
    let again = try bench.open()
    #expect(await again.partitionNames == [bench.other.name])
    #expect(again.status.partitions.map(\.partition) == [bench.other])
    #expect(try await again.texts(bench.other).count == 3)
  }

  @Test func `tells no segment that is made while a tenant is taken out what it knew of that one`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 3)
    try await bench.pack(journal)
    let (tenant, other) = (bench.tenant, bench.other)
    let epochs = (try await journal.acquire(tenant), try await journal.acquire(other))
    // Taken out in many pieces, between which others append, each time into a segment of its own.
    _ = try await journal.append((0..<4_000).map { entry("many \($0)") }, to: tenant, epoch: epochs.0)
    let isErased = Mutex(false)
    let appending = Task {
      var number = 0
      while !isErased.withLock({ $0 }) {
        _ = try await journal.append([entry("other \(number)")], to: other, epoch: epochs.1)
        number += 1
      }
      return number
    }
    let before = journal.segmentNumbers.last!
    try await JournalPacker(journal).erase(tenant)
    #expect(journal.segmentNumbers.last! > before + 1)
    isErased.withLock { $0 = true }
    let count = try await appending.value
    try await journal.close()
    let again = try bench.open()
    #expect(again.packPaths.map(\.path) == [])
    #expect(await again.partitionNames == [other.name])
    #expect(again.status.partitions.map(\.partition) == [other])
    #expect(try await again.texts(other).count == count)
  }

  @Test func `counts what a tenant takes, whether it is appended, packed or trimmed`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 10)
    try await journal.countBytes(of: bench.tenant)
    func isCounted() async throws -> Bool {
      let kept = journal.storedBytes(of: bench.tenant)
      try await journal.countBytes(of: bench.tenant)
      return kept > 0 && kept == journal.storedBytes(of: bench.tenant)
    }
    #expect(try await isCounted())
    try await bench.fill(journal, "more", 10)
    #expect(try await isCounted())
    try await bench.pack(journal)
    #expect(try await isCounted())
    let before = journal.storedBytes(of: bench.tenant)
    let gone = try await JournalPacker(journal).trim(bench.tenant, through: Position(12), keeping: .origin)
    #expect(try await isCounted())
    #expect(journal.storedBytes(of: bench.tenant) == before - gone.bytes)
    #expect(journal.storedBytes(of: bench.other) == 0)
  }

  @Test func `stops before it writes while the disk is low, and goes on later`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 5)
    let low = DiskShortage(path: "/", freeBytes: 1, neededBytes: 2)
    await #expect(throws: low) {
      try await JournalPacker(journal).pack(.init(isApplied: { _, _ in true }, shortage: { low }))
    }
    #expect(try bench.packs() == [] && bench.segments().count >= 5)
    #expect(try await bench.pack(journal).entries == 4)
  }

  @Test func `stays readable for who holds a segment that is packed meanwhile`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 5)
    var held: Segment? = journal.holdings.withLock { $0.segments[1] }
    try await bench.pack(journal)
    let copied = try OnlineCopy.make(of: held!.pool, at: bench.folder + "/copied", .journal, look: Segment.heads)
    #expect(copied == ["demo": 1])
    #expect(try bench.segments().count == 2)
    held = nil
    #expect(try bench.segments().count == 1)
  }

  @Test func `lets a backup copy what it has, and packs afterwards`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 6)
    let packer = JournalPacker(journal)
    let bench = bench
    let packing = try await packer.holding {
      let packing = Task { try await packer.pack(PackBench.everything) }
      for _ in 0..<50 { await Task.yield() }
      let packs = try bench.packs()
      #expect(packs == [])
      return packing
    }
    #expect(try await packing.value.entries == 5)
  }

  @Test(arguments: [
    CrashPoint.packBeforeObject, .packAfterObject, .packBeforeCatalogue, .packAfterCatalogue, .packBeforeUnlink,
    .packAfterUnlink,
  ])
  func `holds every entry once, whenever the host dies`(point: CrashPoint) async throws {
    for visit in [1, 3] {
      let bench = PackBench()
      let copy = bench.folder + "-died"
      let crash = OnceAt(point, visit: visit) {
        try! FileManager.default.copyItem(atPath: bench.folder, toPath: copy)
      }
      let journal = try bench.open(crash: crash)
      try await bench.fill(journal, 6)
      try await bench.fill(journal, "o", 2, of: bench.other)
      let (whole, others) = (try await journal.texts(bench.tenant), try await journal.texts(bench.other))
      try await bench.pack(journal)
      let died = PackBench(copy)
      let again = try died.open()
      for _ in 1...2 {
        #expect(try await again.texts(bench.tenant) == whole)
        #expect(try await again.texts(bench.other) == others)
        let epoch = try await again.acquire(bench.tenant)
        let positions = try await again.append((1...6).map { entry("e \($0)") }, to: bench.tenant, epoch: epoch)
        #expect(positions.map(\.number) == [1, 2, 3, 4, 5, 6])
        try await died.pack(again)
      }
      #expect(try died.segments().count == 1)
      #expect(try died.packs() == bench.packs())
    }
  }

  @Test func `removes what a host left behind that died, and nothing that is needed`() async throws {
    let journal = try bench.open()
    try await bench.fill(journal, 5)
    try await bench.pack(journal)
    try FileManager.default.copyItem(atPath: bench.path("1-1.pack"), toPath: bench.path("1-3.pack"))
    try FileManager.default.copyItem(atPath: bench.path("1-1.pack"), toPath: bench.path("90-99.pack"))
    try await bench.pack(journal)
    #expect(try bench.packs() == ["1-1.pack", "2-2.pack", "3-3.pack", "4-4.pack", "90-99.pack"])
    #expect(try await journal.texts(bench.tenant).count == 5)
  }

  @Test func `begins where it was trimmed, says so to who asks for more, and knows it after a restart`() async throws {
    var journal = try bench.open()
    try await bench.fill(journal, 8)
    try await bench.pack(journal)
    let packer = JournalPacker(journal)
    #expect(await packer.lastPacked(of: bench.tenant, recordedBeforeMs: 7) == nil)
    #expect(await packer.lastPacked(of: bench.tenant, recordedBeforeMs: 8) == Position(7))
    #expect(try await packer.trim(bench.tenant, through: Position(4), keeping: .origin).packs == 4)
    for round in 1...2 {
      #expect(try bench.packs() == ["5-5.pack", "6-6.pack", "7-7.pack"], "\(round)")
      #expect(try await journal.texts(bench.tenant, after: 4).count == 4)
      await #expect(throws: JournalError.trimmed(partition: "demo", position: 4, firstKept: 5)) {
        _ = try journal.entry(at: Position(4), of: bench.tenant)
      }
      await #expect(throws: JournalError.trimmed(partition: "demo", position: 1, firstKept: 5)) {
        _ = try await journal.read(bench.tenant, after: .origin, countMax: 1)
      }
      try await journal.close()
      journal = try bench.open()
    }
    _ = try await JournalPacker(journal).trim(bench.tenant, through: Position(7), keeping: .origin)
    let epoch = try await journal.acquire(bench.tenant)
    #expect(try await journal.append([entry("next")], to: bench.tenant, epoch: epoch) == [Position(9)])
  }
}

@Suite struct `Somebody who changes packs` {
  /// 1…20 of two tenants, the open segment holding one entry of each.
  private func made() async throws -> PackBench {
    let bench = PackBench()
    let journal = try bench.open { $0.segmentBytesMax = 80_000 }
    let noise = String(repeating: "text ", count: 900)
    for (partition, name) in [(bench.tenant, "e"), (bench.other, "o")] {
      let epoch = try await journal.acquire(partition)
      for number in 1...20 {
        _ = try await journal.append(
          [entry("\(name) \(number)", "\(noise)\(name) \(number)")], to: partition, epoch: epoch)
      }
    }
    try await journal.close()
    let rolled = try bench.open()
    try await bench.fill(rolled, "last", 1)
    try await bench.pack(rolled)
    try await rolled.close()
    return bench
  }

  private func read(_ bench: PackBench) async throws {
    let journal = try bench.open()
    for partition in [bench.tenant, bench.other] { _ = try await journal.texts(partition) }
    try await journal.close()
  }

  @Test func `by a byte, anywhere, is found, with the pack's path and a position`() async throws {
    let bench = try await made()
    try await read(bench)
    let pack = try bench.packs()[0]
    let bytes = FileManager.default.contents(atPath: bench.path(pack))!
    for at in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 97)) {
      let copy = try bench.copy()
      var changed = bytes
      changed[at] ^= 1
      try changed.write(to: URL(fileURLWithPath: copy.path(pack)))
      // A page of ids is read by who appends, not by who reads.
      let found = await damage {
        try await read(copy)
        let journal = try copy.open()
        let epoch = try await journal.acquire(copy.tenant)
        for number in 1...20 { _ = try await journal.append([entry("e \(number)")], to: copy.tenant, epoch: epoch) }
      }
      #expect(found?.reason.contains("tenants/demo/packs/\(pack)") == true, "byte \(at): \(String(describing: found))")
    }
  }

  @Test func `by cutting one off, taking one away, or exchanging those of two tenants, is found`() async throws {
    let bench = try await made()
    let pack = try bench.packs()[0]
    let size = FileManager.default.contents(atPath: bench.path(pack))!.count
    for length in [0, 10, size / 2, size - 1] {
      let copy = try bench.copy()
      truncate(copy.path(pack), off_t(length))
      let found = await damage { try await read(copy) }
      #expect(
        found?.position == 1 && found?.reason.contains("\(pack)") == true, "\(length): \(String(describing: found))")
    }
    let gone = try bench.copy()
    try FileManager.default.removeItem(atPath: gone.path(pack))
    let missing = await damage { try await read(gone) }
    #expect(missing?.reason == "its pack tenants/demo/packs/\(pack) is missing" && missing?.position == 1)
    let swapped = try bench.copy()
    try FileManager.default.removeItem(atPath: swapped.path(pack))
    let others = try bench.packs(bench.other)[0]
    try FileManager.default.copyItem(atPath: bench.path(others, bench.other), toPath: swapped.path(pack))
    let found = await damage { try await read(swapped) }
    #expect(found?.reason.contains("tenants/demo/packs/\(pack)") == true)
  }

  @Test func `by an earlier version of the same pack, which its tenant's key opens, is found`() async throws {
    let bench = try await made()
    let pack = try bench.packs()[0]
    // The same entries, sealed on another day, as a restored folder may have them.
    let range = PackLayout.range(of: pack)!
    let journal = try bench.open()
    let entries = try await journal.read(bench.tenant, after: .origin, countMax: Int(range.last))
    try await journal.close()
    var builder = PackBuilder(bench.tenant, first: 1, sealer: bench.sealer)
    for entry in entries { try builder.add(entry) }
    let (row, bytes) = try builder.finish()
    #expect(PackLayout.path("demo", row.first, row.last).hasSuffix(pack))
    try Data(bytes).write(to: URL(fileURLWithPath: bench.path(pack)))
    let found = await damage { try await read(bench) }
    #expect(
      found?.reason.contains("\(pack) is not the one that the journal wrote") == true
        || found?.reason.contains("should have") == true)
  }

  @Test func `refuses one of a newer format with both numbers`() async throws {
    let bench = try await made()
    let pack = try bench.packs()[0]
    var bytes = FileManager.default.contents(atPath: bench.path(pack))!
    bytes[bytes.count - 8] = 9
    try bytes.write(to: URL(fileURLWithPath: bench.path(pack)))
    let path = "tenants/demo/packs/\(pack)"
    await #expect(throws: StorageError.formatMismatch(path: path, found: 9, understood: 1)) { try await read(bench) }
  }

  @Test func `keeps nobody else from appending`() async throws {
    let bench = try await made()
    for pack in try bench.packs() { try FileManager.default.removeItem(atPath: bench.path(pack)) }
    let journal = try bench.open()
    let (demo, other) = (try await journal.acquire(bench.tenant), try await journal.acquire(bench.other))
    async let refused = damage { _ = try await journal.append([entry("x")], to: bench.tenant, epoch: demo) }
    async let taken = journal.append([entry("x")], to: bench.other, epoch: other)
    let (found, given) = (await refused, try await taken)
    #expect(found?.reason.contains("is missing") == true && given == [Position(21)])
  }
}
