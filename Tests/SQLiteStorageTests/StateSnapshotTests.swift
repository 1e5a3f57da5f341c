import CanonicalJSON
import Domain
import FileStorage
import Foundation
import MemoryStorage
import Testing

@testable import SQLiteStorage

@Suite struct `A snapshot of a state` {
  let tenant = Partition.tenant(TenantID(rawValue: "demo")!)
  let sealer = NamedSealer()
  let folder = temporaryFolder()

  private func state(_ rows: Int) throws -> MemoryStateStore {
    let store = MemoryStateStore()
    try store.transaction { state in
      for number in 0..<rows {
        let text = String(repeating: "text \(number % 7) ", count: 120)
        try state.set(Space("a.\(number % 3)"), "key \(number)", ["n": .integer(Int64(number)), "t": .string(text)])
      }
      try state.set(Space("b"), "é", .null)
    }
    return store
  }

  private func make(_ store: some StateStore, at position: Position) throws -> StateSnapshot.Written {
    let objects = try FileObjectStore(root: folder)
    return try store.view { try StateSnapshot.write(of: $0, tenant, at: position, to: objects, sealer: sealer) }
  }

  private func read(_ partition: Partition? = nil, at position: Position) throws -> (Digest, MemoryStateStore) {
    let store = MemoryStateStore()
    let digest = try store.transaction { state in
      try StateSnapshot.read(
        partition ?? tenant, at: position, from: FileObjectStore(root: folder), sealer: sealer
      ) { try state.set($0, $1, $2) }
    }
    return (digest, store)
  }

  @Test(arguments: [0, 10, 5_000]) func `gives back each row, and has the digest of its rows alone`(rows: Int) throws {
    let store = try state(rows)
    let (made, again) = (try make(store, at: Position(7)), try make(store, at: Position(8)))
    #expect(made.digest == again.digest && made.rows == rows + 1)
    let (digest, found) = try read(at: Position(7))
    #expect(digest == made.digest)
    func texts(_ store: MemoryStateStore) -> [[String]] {
      store.rows.map { [$0.space, $0.key, $0.value.canonicalText] }
    }
    #expect(texts(found) == texts(store))
    try store.transaction { try $0.set(Space("b"), "é", 1) }
    #expect(try make(store, at: Position(9)).digest != made.digest)
  }

  @Test func `is written a block at a time, however large the state is`() throws {
    let store = try state(9_000)
    let objects = PartsOnly()
    let written = try store.view {
      try StateSnapshot.write(of: $0, tenant, at: Position(7), to: objects, sealer: sealer)
    }
    let most = 1 << 20
    #expect(written.rows == 9_001 && objects.parts.count > 5)
    #expect(objects.parts.allSatisfy { $0 < most + 4_096 })
  }

  @Test func `that cannot be written to its end is not there`() throws {
    struct Full: Sealer {
      func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8] {
        guard String(decoding: context, as: UTF8.self).hasSuffix(" 0") else { throw POSIXError(.ENOSPC) }
        return plaintext
      }
      func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) -> [UInt8] { sealed }
    }
    let (store, objects) = (try state(5_000), try FileObjectStore(root: folder))
    #expect(throws: POSIXError.self) {
      try store.view { try StateSnapshot.write(of: $0, tenant, at: Position(7), to: objects, sealer: Full()) }
    }
    #expect(try objects.list("") == [])
  }

  @Test func `is refused when a byte was changed, it was cut off, or it is another one's, and named`() throws {
    _ = try make(try state(3_000), at: Position(7))
    let path = "\(folder)/\(StateSnapshot.path(tenant, Position(7)))"
    let bytes = [UInt8](FileManager.default.contents(atPath: path)!)
    func refusal(_ changed: [UInt8]) throws -> String? {
      try Data(changed).write(to: URL(fileURLWithPath: path))
      do {
        _ = try read(at: Position(7))
        return nil
      } catch let error as any OperatorError { return error.message }
    }
    for at in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 61)) {
      var changed = bytes
      changed[at] ^= 4
      #expect(try refusal(changed)?.contains("snapshots/7.snapshot") == true, "byte \(at)")
    }
    for count in [0, 15, 30, bytes.count / 2, bytes.count - 1] {
      #expect(try refusal(Array(bytes.prefix(count)))?.contains("snapshots/7.snapshot") == true, "\(count) bytes")
    }
    #expect(try refusal(bytes + [0])?.contains("behind it") == true)
    #expect(try refusal(bytes) == nil)
    let other = Partition.tenant(TenantID(rawValue: "other")!)
    let objects = try FileObjectStore(root: folder)
    try objects.write([
      (StateSnapshot.path(other, Position(7)), bytes), (StateSnapshot.path(tenant, Position(8)), bytes),
    ])
    #expect(throws: SnapshotError.self) { try read(other, at: Position(7)) }
    #expect(throws: SnapshotError.self) { try read(at: Position(8)) }
    #expect(throws: SnapshotError.self) { try read(at: Position(9)) }
  }
}

/// Notes how large the parts are in which an object is written.
private final class PartsOnly: ObjectStore, @unchecked Sendable {
  private(set) var parts: [Int] = []

  func read(_ path: String) -> [UInt8]? { nil }
  func read(_ path: String, from offset: Int, count: Int) -> [UInt8]? { nil }
  func size(_ path: String) -> Int? { nil }
  func write(_ objects: [(path: String, bytes: [UInt8])]) { parts += objects.map(\.bytes.count) }
  func write<Result>(_ path: String, by body: (([UInt8]) throws -> Void) throws -> Result) throws -> Result {
    try body { parts.append($0.count) }
  }
  func list(_ prefix: String) -> [String] { [] }
  func remove(_ path: String) {}
}
