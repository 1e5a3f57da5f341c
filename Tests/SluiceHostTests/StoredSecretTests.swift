import Domain
import Foundation
import Synchronization
import Testing

@testable import SluiceHost

private final class Lines: Sendable {
  private let kept = Mutex<[String]>([])
  var log: HostLog { HostLog(write: { line in self.kept.withLock { $0.append(line) } }) }
  func count(of text: String) -> Int { kept.withLock { $0.count { $0.contains(text) } } }
}

/// A source of the gauge, which has read it once, and what the host says of it.
private struct Bench {
  let lines = Lines()
  let bench: GaugeBench
  let instance: ConnectorInstance

  init() async throws {
    bench = try await GaugeBench(readings: 3, intervalMs: 600_000, log: lines.log)
    try await bench.run { _, rounds in rounds >= 1 }
    instance = try await bench.host.instance(demo, bench.name)
  }

  var state: ConnectorInstance.State { get async { await instance.state } }

  /// - Returns: Why it is parked.
  @discardableResult
  func park(by mood: Gauge.Mood) async throws -> String {
    bench.gauge.become(mood)
    await instance.poke()
    return try await whenParked()
  }

  func whenParked() async throws -> String {
    do { try await bench.run { _, _ in false } } catch let parked as GaugeBench.Parked { return parked.reason }
    return ""
  }

  func store(_ secret: String) async throws { try await ask("secret.set", ["slot": "api", "value": .string(secret)]) }

  func ask(_ command: String, _ arguments: [String: JSONValue] = [:]) async throws {
    let whose: [String: JSONValue] = ["tenant": .string(demo.rawValue), "instance": .string(bench.name.rawValue)]
    _ = try await HostCommand.named(command).run(
      .init(
        host: bench.host, arguments: .object(whose.merging(arguments) { $1 }), user: UserID(unchecked: "os-0")))
  }
}

@Suite(
  .enabled(if: FileManager.default.fileExists(atPath: built + "/tests/tides.so"), "run `make c-test` first"))
struct `A secret that is stored` {
  @Test func `lets a connector that was parked for its credential try again by itself, and says so`() async throws {
    let bench = try await Bench()
    let reason = try await bench.park(by: .refusing)
    #expect(reason.contains("401"))
    bench.bench.gauge.become(.well, readings: 5)
    try await bench.store("another-token")
    #expect(bench.lines.count(of: "instance.tries_again") == 1)
    let rounds = await bench.instance.completedRounds
    try await bench.bench.run { _, now in now > rounds }
    try await bench.bench.host.tenant(demo).settle()
    #expect(try await bench.bench.keys() == 5)
    try await bench.bench.end()
  }

  @Test func `that is refused as well parks it again`() async throws {
    let bench = try await Bench()
    try await bench.park(by: .refusing)
    let asked = bench.bench.gauge.asked
    try await bench.store("another-wrong-token")
    let reason = try await bench.whenParked()
    #expect(reason.contains("401") && bench.bench.gauge.asked == asked + 1)
    #expect(bench.lines.count(of: "instance.parked") == 2)
    try await bench.bench.end()
  }

  @Test func `leaves a connector parked that was for anything else`() async throws {
    let bench = try await Bench()
    let reason = try await bench.park(by: .misplaced)
    bench.bench.gauge.become(.well)
    try await bench.store("another-token")
    #expect(await bench.state == .parked(reason: reason))
    // Nor does it count for what it is parked for later.
    await bench.instance.resume()
    let rounds = await bench.instance.completedRounds
    try await bench.bench.run { _, now in now > rounds }
    #expect(bench.lines.count(of: "instance.tries_again") == 0)
    try await bench.bench.end()
  }

  @Test(arguments: [false, true])
  func `leaves a connector paused that an operator has paused, parked before or not`(isParked: Bool) async throws {
    let bench = try await Bench()
    if isParked { try await bench.park(by: .refusing) }
    try await bench.ask("connector.pause", ["reason": "the upstream migrates", "drain": true])
    try await bench.store("another-token")
    #expect(await bench.state == .paused(reason: "the upstream migrates"))
    #expect(bench.lines.count(of: "instance.tries_again") == 0)
    try await bench.bench.end()
  }

  @Test func `counts for what was asked before it came and refused after it: that does not park`() async throws {
    let bench = try await Bench()
    let before = await bench.instance.secretsStored
    try await bench.store("another-token")
    await bench.instance.refuseCredential("The token was refused.", secrets: before)
    #expect(await !bench.instance.isResting)
    #expect(bench.lines.count(of: "instance.tries_again") == 1 && bench.lines.count(of: "instance.parked") == 0)
    let now = await bench.instance.secretsStored
    await bench.instance.refuseCredential("The token was refused.", secrets: now)
    #expect(await bench.state == .parked(reason: "The token was refused."))
    try await bench.bench.end()
  }
}
