import CanonicalJSON
import ConnectorFabric
import Domain
import Foundation
import MemoryStorage
import PluginHost
import SluiceHost
import Synchronization
import UVLoop
import Vault

/// Where one check runs: an upstream of its own, a vault with canaries for secrets, a clock that only the kit moves, and
/// workers of the product.
final class Stand: Sendable {
  static let tenant = TenantID(rawValue: "kit")!
  static let instance = InstanceID(rawValue: "subject")!
  /// 2026-01-01T00:00:00Z: where the plugin's time begins.
  static let epochMs: Int64 = 1_767_225_600_000

  let subject: Subject
  let upstream: ScriptedUpstream
  let seed: UInt64
  private let name: String
  private let program: String
  private let loop: EventLoop
  private let vault: Vault
  private let clock = Mutex<Int64>(0)
  private let chance: Mutex<SplitMix64>
  private let workers = Mutex(Workers())
  /// Another one for each check and process.
  private let seedOfUsers: UInt64
  private struct Workers {
    var started = 0
    var live: [LiveWorker] = []
  }

  init(_ subject: Subject, check: String, seed: UInt64, program: String, loop: EventLoop) throws {
    self.subject = subject
    self.seed = seed
    self.program = program
    self.loop = loop
    name = check
    seedOfUsers = SplitMix64.first(seed: UInt64(getpid()), name: check)
    upstream = try ScriptedUpstream(subject)
    var keys = SplitMix64(seed: seed, name: "keys of \(check)")
    chance = Mutex(SplitMix64(seed: seed, name: check))
    let nonces = Mutex(SplitMix64(seed: seed, name: "nonces of \(check)"))
    vault = try Vault(hostKey: keys.bytes(32), keystore: MemoryKeystore()) { count in
      nonces.withLock { $0.bytes(count) }
    }
    try vault.prepare(.tenant(Self.tenant))
    for slot in subject.manifest.slotNames {
      let canary = "canary" + keys.bytes(12).map { String($0, radix: 16) }.joined()
      try vault.put(Array(canary.utf8), tenant: Self.tenant, instance: Self.instance, slot: slot)
    }
  }

  /// The secrets that must be seen nowhere.
  func canaries() throws -> [Secret] {
    try subject.manifest.slotNames.map { try vault.secret(tenant: Self.tenant, instance: Self.instance, slot: $0) }
  }

  func chances() -> SplitMix64 { chance.withLock { SplitMix64(seed: $0.next()) } }

  /// What a worker is started with.
  struct Setup: Sendable {
    var config: JSONValue?
    var component = ""
    var role: WorkerSpec.Role?
    var extensions = ["sluice.http/1", "sluice.rate-hint/1"]
    var recordBytesMax: Int?
    var checking: [WorkerSpec.Checking] = []
    var failAt: Int?
    var realTimeBackMs = 0
    /// What it may ask for; the subject's own manifest when nil.
    var manifest: Manifest?
    init() {}
    var isPlain: Bool {
      config == nil && component.isEmpty && role == nil && recordBytesMax == nil && checking.isEmpty && failAt == nil
        && realTimeBackMs == 0 && manifest == nil && extensions == Setup().extensions
    }
  }

  /// Starts a worker.
  /// - Throws: `WorkerFailure` when the plugin refused to load or its configuration.
  func worker(_ setup: Setup = Setup()) async throws -> LiveWorker {
    let manifest = setup.manifest ?? subject.manifest
    let spec = spec(setup)
    let live = LiveWorker(manifest)
    let ready: WorkerReady = try await withCheckedThrowingContinuation { done in
      loop.post { [self] in
        let surroundings = Worker.Surroundings(
          wallClockMs: { [self] in Self.epochMs + tick() }, monotonicMs: { [self] in tick() },
          random: { [self] count in chance.withLock { $0.bytes(count) } })
        live.worker = Worker(loop: loop, spec: spec, surroundings: surroundings) { done.resume(with: $0) }
      }
    }
    live.ready = ready
    workers.withLock { $0.live.append(live) }
    return live
  }

  private func spec(_ setup: Setup) -> WorkerSpec {
    let manifest = setup.manifest ?? subject.manifest
    var spec = WorkerSpec(
      program: program, plugin: subject.library, role: setup.role ?? (manifest.kind == .source ? .source : .executor))
    spec.config = (setup.config ?? subject.config).canonicalBytes
    spec.component = setup.component
    spec.extensions = setup.extensions
    spec.recordBytesMax = setup.recordBytesMax ?? manifest.limits.recordBytesMax
    spec.memoryBytes = manifest.limits.memoryBytes
    spec.threads = manifest.limits.threads
    spec.graceMs = min(manifest.limits.graceMs, 1_000)
    (spec.checking, spec.failAt, spec.realTimeBackMs) = (setup.checking, setup.failAt, setup.realTimeBackMs)
    if geteuid() == 0 {
      // A user of its own for each worker, as in the product: limits of processes and threads are counted by user.
      let count = workers.withLock { workers -> Int in
        workers.started += 1
        return workers.started
      }
      let number = 62_000 + Int((UInt64(count) &+ seedOfUsers) % 3_000)
      spec.identity = .init(user: number, group: number)
    }
    return spec
  }

  /// The plugin's time: it moves only when it is looked at.
  private func tick() -> Int64 {
    clock.withLock { now in
      now += 1
      return now
    }
  }

  /// Moves the plugin's clock.
  func advance(ms: Int64) { clock.withLock { $0 += ms } }

  /// Runs one operation to its end, well or not.
  func run(
    _ live: LiveWorker, _ start: OperationStart, _ conduct: Conduct = Conduct(),
    as operation: RequestRules.Operation = .reading
  ) async -> Observed {
    await withCheckedContinuation { done in
      loop.post { [self] in
        guard let worker = live.worker, worker.isIdle else {
          var observed = Observed()
          observed.result = .failure(.died(signal: nil, exitCode: nil, lastWords: "it had ended before"))
          done.resume(returning: observed)
          return
        }
        let log = HostLog { _ in }
        if live.gate == nil { live.gate = EgressGate(loop: loop, vault: vault, metrics: Metrics(), crash: NoCrash()) }
        let inner = OperationSession(
          route: route(live.manifest), operation: operation, gate: live.gate!, mailbox: nil, metrics: Metrics(),
          log: log,
          pluginLog: PluginLog(log, fields: [:], nowMs: 0))
        let session = KitSession(inner: inner, conduct: conduct, loop: loop)
        var start = start
        start.deadlineMs = conduct.deadlineMs
        worker.run(start, handler: session) { done.resume(returning: session.ends($0)) }
        session.begins(worker)
      }
    }
  }

  /// Kills the worker, as the host may at any time.
  func end(_ live: LiveWorker) async {
    workers.withLock { $0.live.removeAll { $0 === live } }
    try? await loop.run {
      live.worker?.stop()
      live.gate?.close()
      live.gate = nil
    }
  }

  /// What the library says of itself.
  func description() async throws(Fault) -> Description {
    do { return try await Description.of(spec(Setup()), loop: loop) } catch {
      let failure = error as? WorkerFailure
      throw Fault(
        "It did not load: \(failure?.message ?? "\(error)")", kind: failure.map(Self.kind) ?? .notStarted)
    }
  }

  /// A stand like this one, at the beginning.
  func twin() throws -> Stand { try Stand(subject, check: name, seed: seed, program: program, loop: loop) }

  /// A stand of another plugin for the same check.
  func other(_ subject: Subject) throws -> Stand {
    try Stand(subject, check: name, seed: seed, program: program, loop: loop)
  }

  func close() async {
    for live in workers.withLock({ $0.live }) { await end(live) }
    upstream.server.close()
  }

  private func route(_ manifest: Manifest) -> EgressGate.Route {
    // The throttle is the host's, and has tests of its own: here it would only take time.
    // Schemes of credentials likewise.
    var manifest = manifest.withBearerSlots
    (manifest.limits.requestsPerSecond, manifest.limits.requestBurst) = (100_000, 100_000)
    var overrides: [String: EndpointOverride] = [:]
    for endpoint in manifest.endpoints {
      overrides[endpoint.name] = EndpointOverride(upstream.base(endpoint.name), allowsPrivate: true)
    }
    return EgressGate.Route(
      tenant: Self.tenant, instance: Self.instance, manifest: manifest,
      places: EndpointPlaces(manifest, config: subject.config, overrides: overrides))
  }
}

/// A worker that is ready. Its parts change on the loop's thread only, before anybody else has it; hence unchecked.
final class LiveWorker: @unchecked Sendable {
  let manifest: Manifest
  var worker: Worker?
  var gate: EgressGate?
  var ready: WorkerReady?
  /// Of the operation under way: a worker holds its handler, and this one too.
  var session: (any OperationHandler)?
  init(_ manifest: Manifest) { self.manifest = manifest }

  /// Of /proc: nil where that cannot be read.
  private func process(_ file: String) -> String? {
    guard let id = worker?.processID else { return nil }
    return try? String(contentsOfFile: "/proc/\(id)/\(file)", encoding: .utf8)
  }
  var residentBytes: Int? {
    process("statm")?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map {
      $0 * sysconf(Int32(_SC_PAGESIZE))
    }
  }
  /// The most that it ever was.
  var mostResidentBytes: Int? { status("VmHWM").map { $0 << 10 } }
  var threadCount: Int? { status("Threads") }

  private func status(_ name: String) -> Int? {
    let line = process("status")?.split(separator: "\n").first { $0.hasPrefix("\(name):") }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
  }
  /// Time on a processor, in milliseconds.
  var processorMs: Int? {
    guard let stat = process("stat"), let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[end...].split(separator: " ")
    guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else { return nil }
    return (user + system) * 1_000 / sysconf(Int32(_SC_CLK_TCK))
  }
}
