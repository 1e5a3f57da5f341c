import Cryptography
import Domain
import FileStorage
import Foundation
import Synchronization

@testable import SQLiteStorage

/// AES-256-GCM by a key of the partition's name, as the vault seals.
struct NamedSealer: Sealer {
  private func key(_ partition: Partition) -> [UInt8] { SHA256.digest("key of \(partition)").bytes }
  func seal(_ plaintext: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8] {
    let nonce = Array(SHA256.digest("\(UUID())").bytes.prefix(AES256GCM.nonceByteCount))
    return try AES256GCM.seal(plaintext, key: key(partition), nonce: nonce, context: context)
  }
  func open(_ sealed: [UInt8], for partition: Partition, context: [UInt8]) throws -> [UInt8] {
    try AES256GCM.open(sealed, key: key(partition), context: context)
  }
}

/// Does something once, when a point is reached for the nth time.
final class OnceAt: CrashInjector {
  private let point: CrashPoint
  private let left: Mutex<Int>
  private let action: @Sendable () -> Void
  init(_ point: CrashPoint, visit: Int = 1, _ action: @escaping @Sendable () -> Void) {
    self.point = point
    self.action = action
    left = Mutex(visit)
  }
  func reach(_ point: CrashPoint) {
    guard point == self.point else { return }
    let isNow = left.withLock {
      $0 -= 1
      return $0 == 0
    }
    if isNow { action() }
  }
}

/// A journal in a data folder, with packs beside it.
struct PackBench {
  let folder: String
  let tenant = Partition.tenant(TenantID(rawValue: "demo")!)
  let other = Partition.tenant(TenantID(rawValue: "other")!)
  let sealer = NamedSealer()

  init(_ folder: String = temporaryFolder()) { self.folder = folder }

  var limits: SQLiteJournal.Limits {
    var limits = SQLiteJournal.Limits()
    limits.segmentBytesMax = 1
    return limits
  }

  func open(
    crash: any CrashInjector = NoCrash(), _ change: (inout SQLiteJournal.Limits) -> Void = { _ in }
  ) throws -> SQLiteJournal {
    var limits = limits
    change(&limits)
    return try SQLiteJournal(
      folder: folder + "/journal", objects: try FileObjectStore(root: folder), sealer: sealer,
      random: { count in Array(SHA256.digest("\(UUID())").bytes.prefix(count)) }, limits: limits, crash: crash)
  }

  static let everything = JournalPacker.Rules(isApplied: { _, _ in true })

  /// Packs all that is closed.
  @discardableResult func pack(_ journal: SQLiteJournal) async throws -> JournalPacker.Report {
    try await JournalPacker(journal).pack(Self.everything)
  }

  /// Entries `name 1` to `name n`, each in a commit of its own, so that all but the last are in closed segments.
  func fill(_ journal: SQLiteJournal, _ name: String, _ count: Int, of partition: Partition? = nil) async throws {
    let partition = partition ?? tenant
    let epoch = try await journal.acquire(partition)
    for number in 1...count {
      _ = try await journal.append(
        [entry("\(name) \(number)", #"{"text":"the body of \#(name) \#(number)"}"#)], to: partition, epoch: epoch)
    }
  }

  func fill(_ journal: SQLiteJournal, _ count: Int) async throws { try await fill(journal, "e", count) }

  func segments() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder + "/journal").filter { $0.hasSuffix(".segment") }
      .sorted()
  }

  func packs(_ partition: Partition? = nil) throws -> [String] {
    let path = "\(folder)/tenants/\(partition ?? tenant)/packs"
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }

  func path(_ pack: String, _ partition: Partition? = nil) -> String {
    "\(folder)/tenants/\(partition ?? tenant)/packs/\(pack)"
  }

  func copy() throws -> PackBench {
    let to = temporaryFolder() + "/copy"
    try FileManager.default.copyItem(atPath: folder, toPath: to)
    return PackBench(to)
  }
}

extension SQLiteJournal {
  /// Bodies as text, in order.
  func texts(_ partition: Partition, after position: UInt64 = 0) async throws -> [String] {
    var (found, last): ([String], Position) = ([], Position(position))
    while true {
      let entries = try await read(partition, after: last, countMax: 7)
      guard let end = entries.last else { return found }
      found += entries.map { String(decoding: $0.body, as: UTF8.self) }
      last = end.position
    }
  }
}

func damage(_ body: () async throws -> Void) async -> (position: UInt64, reason: String)? {
  do { try await body() } catch JournalError.damaged(_, let position, _, let reason) { return (position, reason) } catch
  {
    return (0, "\(error)")
  }
  return nil
}
