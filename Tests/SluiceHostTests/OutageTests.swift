import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import Foundation
import Synchronization
import Testing
import Vault

@testable import SluiceHost

/// A tide gauge on a port of its own, which can be gone, answer 503, 401 or 404, or give its readings.
final class Gauge: Sendable {
  enum Mood: Equatable { case gone, unavailable, refusing, misplaced, well }
  private struct State {
    var mood = Mood.well
    var listener: Int32 = -1
    var readings = 0
    var asked = 0
  }
  private let state = Mutex(State())
  let port: UInt16
  var asked: Int { state.withLock { $0.asked } }

  init(readings: Int) {
    let (listener, port) = Self.listen(on: 0)
    self.port = port
    state.withLock {
      $0.listener = listener
      $0.readings = readings
    }
    serve(listener)
  }

  /// From now on.
  func become(_ mood: Mood, readings: Int? = nil) {
    let (before, listener) = state.withLock { state in
      state.readings = readings ?? state.readings
      defer { state.mood = mood }
      return (state.mood, state.listener)
    }
    if mood == .gone, before != .gone { shutdown(listener, Int32(SHUT_RDWR)) }
    guard before == .gone, mood != .gone else { return }
    let (again, _) = Self.listen(on: port)
    state.withLock { $0.listener = again }
    serve(again)
  }

  private static func listen(on port: UInt16) -> (Int32, UInt16) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var yes: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        precondition(bind(listener, $0, length) == 0, "the port is taken")
        getsockname(listener, $0, &length)
      }
    }
    Glibc.listen(listener, 16)
    return (listener, UInt16(bigEndian: address.sin_port))
  }

  private func serve(_ listener: Int32) {
    Thread.detachNewThread { [self] in
      while true {
        let peer = accept(listener, nil, nil)
        guard peer >= 0 else { break }
        answer(peer)
      }
      close(listener)
    }
  }

  private func answer(_ peer: Int32) {
    var text = ""
    while !text.contains("\r\n\r\n") {
      var buffer = [UInt8](repeating: 0, count: 4_096)
      let count = recv(peer, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      text += String(decoding: buffer.prefix(count), as: UTF8.self)
    }
    let after = Int(text.split(separator: "after=").dropFirst().first?.prefix { $0.isNumber } ?? "0") ?? 0
    let (mood, readings) = state.withLock { state in
      state.asked += 1
      return (state.mood, state.readings)
    }
    let list = after < readings ? (after + 1...readings).map { #"{"id":\#($0),"at":1767225600000}"# } : []
    let body = mood == .well ? "[\(list.joined(separator: ","))]" : "{}"
    let status =
      switch mood {
      case .well: "200 OK"
      case .refusing: "401 Unauthorized"
      case .misplaced: "404 Not Found"
      case .gone, .unavailable: "503 Service Unavailable"
      }
    let answer = Array(
      "HTTP/1.1 \(status)\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
    _ = answer.withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    close(peer)
  }
}

/// A host in virtual time with one source of that gauge: its schedule, back-off, throttle and worker are the real ones.
struct GaugeBench {
  let clock = VirtualClock()
  let gauge: Gauge
  let host: RunningHost
  let name = InstanceID(rawValue: "tides")!

  init(readings: Int, intervalMs: Int64, log: HostLog = HostLog(write: { _ in })) async throws {
    gauge = Gauge(readings: readings)
    var chosen = options(temporaryFolder())
    chosen.clock = clock
    chosen.log = log
    // Its rounds are hours apart: a clock that goes from timer to timer would leap past the schedule.
    chosen.settings.isPacking = false
    host = try await RunningHost(chosen)
    try await host.createTenant(demo)
    try await host.run()
    try host.vault.put(Array("a-token".utf8), tenant: demo, instance: name, slot: "api")
    let library = built + "/tests/tides.so"
    let hash = SHA256.digest([UInt8](try #require(FileManager.default.contents(atPath: library))))
    let manifest: JSONValue = [
      "sluice": 1, "name": "tides", "version": "1.0.0", "summary": "Reads.", "kind": "source",
      "library": ["file": "tides.so", "sha256": .string(hash.hex), "abi": 1],
      "endpoints": ["tides": ["base": "https://tides.example"]],
      "slots": ["api": ["scheme": "bearer", "endpoint": "tides"]],
      "requests": [
        [
          "id": "readings", "endpoint": "tides", "method": "GET", "path": "/v1/stations/{station}/readings",
          "slot": "api",
          "effect": "read",
        ]
      ],
      "streams": [["name": "readings", "delivery": "replayable"]], "schedule": ["interval_ms": .integer(intervalMs)],
      "config": [
        "type": "object", "properties": ["station": ["type": "string"]], "required": ["station"],
        "additionalProperties": false,
      ],
    ]
    try await host.enable(
      Enabling(
        instance: name, source: "tides.yaml", manifest: manifest, folder: built + "/tests",
        config: ["station": "brest"],
        endpoints: ["tides": EndpointOverride("http://127.0.0.1:\(gauge.port)", allowsPrivate: true)]), for: demo,
      by: nil)
  }

  private struct Standing { let state: ConnectorInstance.State, rounds: Int }

  private func standing() async throws -> Standing {
    let instance = try await host.instance(demo, name)
    return Standing(state: await instance.state, rounds: await instance.completedRounds)
  }

  /// Lets time go on whenever nothing is under way, until it is so.
  /// - Returns: The most time between two requests that left, or tried to.
  @discardableResult
  func run(until isMet: (_ nowMs: Int64, _ rounds: Int) throws -> Bool) async throws -> Int64 {
    var (last, most) = (clock.monotonicMs(), Int64(0))
    var sent = host.metrics.total("sluice_requests_total")
    while true {
      let standing = try await standing()
      if case .parked(let reason) = standing.state { throw Parked(reason: reason) }
      let now = clock.monotonicMs()
      let total = host.metrics.total("sluice_requests_total")
      if total > sent {
        most = max(most, now - last)
        (sent, last) = (total, now)
      }
      if try isMet(now, standing.rounds) { return most }
      let isUnderWay = if case .running = standing.state { true } else { false }
      // A request in line waits for a timer too.
      let waits = host.metrics.sum("sluice_throttle_queued", where: ("instance", "demo/tides")) > 0
      if isUnderWay && !waits || !clock.goOn() { await Task.yield() }
    }
  }
  struct Parked: Error { let reason: String }

  func end() async throws {
    gauge.become(.gone)
    try await host.stop()
  }

  func keys() async throws -> Int {
    let keys = try await journaledKeys(host)
    return keys.values.allSatisfy { $0 == 1 } ? keys.count : -1
  }
  func waited(_ cause: String) -> Int64 {
    host.metrics.sums("sluice_wait_seconds_total", by: "cause", where: ("instance", "demo/tides"))[cause] ?? 0
  }
}

@Suite(
  .enabled(if: FileManager.default.fileExists(atPath: built + "/tests/tides.so"), "run `make c-test` first"))
struct `An upstream that is down for an hour` {
  private static let halfHourMs: Int64 = 1_800_000
  /// So much time other timers of the host may take while an operation is about to begin.
  private static let slackMs: Int64 = 2_500

  @Test(arguments: [Int64(10_000), 600_000])
  func
    `parks nobody, is asked ever more rarely and in bounds, and loses nothing; what it has is there within one interval`(
      intervalMs: Int64
    ) async throws
  {
    let bench = try await GaugeBench(readings: 20, intervalMs: intervalMs)
    try await bench.run { _, rounds in rounds >= 2 }
    #expect(try await bench.keys() == 20)

    // The first half hour nobody is there, the second one it answers 503.
    let capMs = min(intervalMs, 60_000)
    for (mood, status) in [(Gauge.Mood.gone, "none"), (.unavailable, "503")] {
      bench.gauge.become(mood)
      let (since, before) = (bench.clock.monotonicMs(), bench.host.metrics.total("sluice_requests_total"))
      let most = try await bench.run { now, _ in now - since >= Self.halfHourMs }
      let asked = bench.host.metrics.total("sluice_requests_total") - before
      // At the start half a second, then twice as long each time up to the cap: 30 to 36 requests by the minute, 180 to 186
      // by an interval of ten seconds. Fewer where the bench's clock leaps over a round that a busy machine has not begun.
      let bounds = (Self.halfHourMs - intervalMs) / (capMs + 500) / 2...Self.halfHourMs / capMs + 8
      #expect(bounds.contains(asked), "\(asked) requests in half an hour, \(mood)")
      #expect(most <= 2 * max(capMs, intervalMs) + Self.slackMs, "\(most) ms between two requests, \(mood)")
      #expect(
        bench.host.metrics.sums("sluice_requests_total", by: "status", where: ("instance", "demo/tides"))[
          status, default: 0]
          >= asked - 1)
      let reason = try await bench.host.whenStuck(demo, bench.name)
      #expect(!reason.contains("failures in a row"))
    }
    // What it waited for has a name.
    #expect(bench.waited("upstream_slow") >= 2 * Self.halfHourMs - 2 * intervalMs - 120_000)
    #expect(bench.host.metrics.sums("sluice_retries_total", by: "cause").keys.contains("upstream"))
    #expect(bench.host.metrics.total("sluice_instances_parked") == 0)

    bench.gauge.become(.well, readings: 25)
    let back = bench.clock.monotonicMs()
    let rounds = try await bench.host.instance(demo, bench.name).completedRounds
    try await bench.run { _, now in now > rounds }
    #expect(bench.clock.monotonicMs() - back <= 2 * intervalMs + Self.slackMs)
    try await bench.host.tenant(demo).settle()
    #expect(try await bench.keys() == 25)
    try await bench.end()
  }
}
