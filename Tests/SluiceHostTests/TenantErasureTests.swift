import CanonicalJSON
import Domain
import Foundation
import Testing

@testable import SluiceHost

@Suite struct `A tenant that is erased or suspended` {
  let bench = BackupBench()

  /// Something in the way of a file, which no renaming replaces.
  private static func block(_ path: String) throws {
    try? FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path + "/full", withIntermediateDirectories: true)
  }

  private func fails(_ body: () async throws -> Void) async -> Bool {
    do { try await body() } catch { return true }
    return false
  }

  private func erase(_ host: RunningHost) async throws -> JSONValue {
    try await bench.ask(host, "tenant.erase", ["tenant": "demo", "confirm": "demo"])
  }

  @Test func `is in no backup that is asked for while it is being erased, or once that has stopped half-way`()
    async throws
  {
    let (point, bench) = (AtPoint(.erasureBeforeKeys), bench)
    let host = try await bench.host(crash: point)
    try await bench.order(host)
    let to = bench.path("a.backup")
    point.set {
      #expect(
        try await refusal { try await bench.ask(host, "backup.create", ["to": .string(to)]) } == "backup.erasing")
      try Self.block(bench.path("data/erased/demo/ledger"))
    }
    let hasFailed = await fails { _ = try await erase(host) }
    #expect(hasFailed)
    #expect(try await refusal { try await bench.ask(host, "backup.create", ["to": .string(to)]) } == "backup.erasing")
    #expect(!FileManager.default.fileExists(atPath: to))
    try FileManager.default.removeItem(atPath: bench.path("data/erased/demo/ledger"))
    let erased = try await erase(host)
    #expect(erased["erased"]?.bool == true)
    try await bench.ask(host, "backup.create", ["to": .string(to)])
    try await host.stop()
  }

  @Test func `holds none of the threads that all share, however many hosts erase and wait for their disks`()
    async throws
  {
    let count = ProcessInfo.processInfo.activeProcessorCount + 1
    let meeting = MeetingPoint(.erasureBeforeKeys, of: count)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<count {
        group.addTask { [bench] in
          let host = try await bench.host("data\(number)", crash: meeting)
          try await bench.ask(host, "tenant.erase", ["tenant": "demo", "confirm": "demo"])
          try await host.stop()
        }
      }
      try await group.waitForAll()
    }
    #expect(meeting.isComplete)
  }

  @Test func `waits for the backup that is being made`() async throws {
    let (point, bench) = (AtPoint(.backupBeforeParts), bench)
    let host = try await bench.host(crash: point)
    try await bench.order(host)
    point.set {
      let code = try await refusal { _ = try await erase(host) }
      #expect(code == "tenant.backup_under_way")
    }
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("a.backup"))])
    let erased = try await erase(host)
    #expect(erased["erased"]?.bool == true)
    try await host.stop()
  }

  @Test func `is ended like any other when its erasure is gone on with that stopped between the two lists`()
    async throws
  {
    let (point, bench) = (AtPoint(.erasureBeforeSecondList), bench)
    let host = try await bench.host(crash: point)
    try await bench.order(host)
    let lists = (bench.path("data/erasures"), await host.erasuresBesideKey)
    point.set {
      try Self.block(lists.0)
      try Self.block(lists.1)
    }
    let hasFailed = await fails { _ = try await erase(host) }
    #expect(hasFailed)
    for path in [lists.0, lists.1] { try FileManager.default.removeItem(atPath: path) }
    let answer = try await erase(host)
    #expect(answer["erased"]?.bool == true && answer["log_says_so"]?.bool == true, "\(answer)")
    for path in [lists.0, lists.1] { #expect(try Erasures.read(path)?.erased.map(\.tenant.rawValue) == ["demo"]) }
    try await host.stop()
  }

  @Test func `acts again once it goes on, also when it was suspended while the host started`() async throws {
    let host = try await bench.host()
    try await bench.ask(host, "tenant.suspend", ["tenant": "demo", "reason": "leaves"])
    try await host.run()
    let actions = try await host.opened(demo).actions
    #expect(await actions.isHeld)
    try await bench.ask(host, "tenant.resume", ["tenant": "demo"])
    #expect(await !actions.isHeld)
    try await host.stop()
  }

  @Test func `is told the bytes of its logs as they are after a publication that failed half-way`() async throws {
    let host = try await bench.host()
    try await bench.order(host)
    let mark = bench.path("data/high-water/demo.json")
    try Self.block(mark)
    let hasFailed = await fails { try await bench.order(host) }
    #expect(hasFailed)
    try FileManager.default.removeItem(atPath: mark)
    try await bench.order(host)
    let use = try await host.opened(demo).runtime.use
    #expect(use?.counts.ledger == DiskUse.bytes(below: bench.path("data/tenants/demo/ledger")))
    try await host.stop()
  }
}

/// Lets nobody go on from a point before so many are there; or gives up after a minute.
private final class MeetingPoint: CrashInjector, @unchecked Sendable {
  private let point: CrashPoint
  private let count: Int
  private let condition = NSCondition()
  private var arrived = 0
  private var hasGivenUp = false
  init(_ point: CrashPoint, of count: Int) {
    self.point = point
    self.count = count
  }

  /// Whether all were there at once.
  var isComplete: Bool { condition.withLock { arrived >= count && !hasGivenUp } }

  func reach(_ point: CrashPoint) {
    guard point == self.point else { return }
    condition.withLock {
      arrived += 1
      condition.broadcast()
      let end = Date(timeIntervalSinceNow: 60)
      while arrived < count, condition.wait(until: end) {}
      if arrived < count { hasGivenUp = true }
    }
  }
}
