import CanonicalJSON
package import ConnectorFabric
import Cryptography
package import Domain
import Foundation
import MemoryStorage
package import PluginHost
package import SluiceHost
package import UVLoop
import Vault

/// Runs a plugin by hand, outside any tenant: the product's worker and egress, and nobody who keeps what it brings.
package struct PluginRun: Sendable {
  package enum Event: Sendable {
    case started(OperationStart)
    case record(stream: String, EmittedRecord)
    case checkpoint(stream: String, state: [UInt8], version: Int, watermarkMs: Int64?)
    case call(String)
    case log(level: Int, code: String, message: String, fields: [(name: String, value: String)])
    case ended(OperationStart.Kind, Result<OperationResult, WorkerFailure>)
    case worker(processID: Int32)
  }

  package struct Options: Sendable {
    package var config: JSONValue = [:]
    /// By slot.
    package var secrets: [String: [UInt8]] = [:]
    /// Base addresses instead of the manifest's.
    package var overrides: [String: EndpointOverride] = [:]
    /// What is done, in order; with nothing, a check and a pull of every stream.
    package var operations: [OperationStart] = []
    /// Whether a pull may let its upstream forget what nobody keeps here.
    package var mayAcknowledge = false
    /// Waits before the first operation, so that a debugger can be attached, and sets no deadline.
    package var pause: (@Sendable (Int32) -> Void)?
    package var sandbox = WorkerSpec.Sandbox.strict
    package init() {}
  }

  private static let tenant = TenantID(rawValue: "run")!
  private static let instance = InstanceID(rawValue: "run")!

  private let manifest: Manifest
  private let library: String
  private let options: Options
  private let program: String
  private let loop: EventLoop
  /// Waits by cause, in milliseconds, as the host counts them.
  package let metrics = Metrics()

  package init(manifest: Manifest, library: String, options: Options, program: String, loop: EventLoop) {
    var manifest = manifest
    // Of requests as well: a worker that a debugger holds reads no answer.
    if options.pause != nil { manifest.limits.operationTimeoutMs = 86_400_000 }
    self.manifest = manifest
    self.library = library
    self.options = options
    self.program = program
    self.loop = loop
  }

  /// The head of a cassette of this run.
  package var header: JSONValue {
    [
      "sluice_cassette": .integer(Int64(Cassette.format)), "plugin": .string(manifest.name),
      "version": .string(manifest.version), "sha256": .string(manifest.library.sha256.hex), "config": options.config,
    ]
  }

  /// Runs live, one operation after the other, until one fails.
  /// - Parameter cassette: Where everything is recorded.
  /// - Returns: Whether every operation ended well.
  package func live(recording cassette: Cassette?, told: @escaping @Sendable (Event) -> Void) async throws -> Bool {
    let vault = try Vault(hostKey: SystemSources.random(32), keystore: MemoryKeystore(), random: SystemSources.random)
    try vault.prepare(.tenant(Self.tenant))
    for (slot, secret) in options.secrets {
      guard manifest.slotNames.contains(slot) else {
        throw EnablingError.unknownSlot(slot: slot, instance: manifest.name, known: manifest.slotNames)
      }
      try vault.put(secret, tenant: Self.tenant, instance: Self.instance, slot: slot)
    }
    let surroundings = Worker.Surroundings(
      wallClockMs: { Self.taped(SystemSources.wallClockMs(), cassette) },
      monotonicMs: { Self.taped(SystemSources.monotonicMs(), cassette) },
      random: { count in
        let bytes = SystemSources.random(count)
        cassette?.record(["random": .string(Hex.encode(bytes))])
        return bytes
      })
    let route = EgressGate.Route(
      tenant: Self.tenant, instance: Self.instance, manifest: manifest,
      places: EndpointPlaces(manifest, config: options.config, overrides: options.overrides))
    let slots = manifest.slotNames
    let reworded: @Sendable (HTTPFailure) -> HTTPFailure = { Self.reworded($0, slots) }
    let gate = GateBox()
    try await loop.run { [loop, metrics] in
      gate.gate = EgressGate(loop: loop, vault: vault, metrics: metrics, crash: NoCrash())
    }
    let isGood = try await run(surroundings, operations(), told) {
      [metrics, mayAcknowledge = options.mayAcknowledge] worker, start in
      cassette?.record(CallLines.start(start))
      let log = HostLog { _ in }
      let rules: RequestRules.Operation =
        switch start.kind {
        case .execute:
          Self.executing(start)
        case .pull where mayAcknowledge: .pulling
        default: .reading
        }
      let inner = OperationSession(
        route: route, operation: rules, gate: gate.gate!, mailbox: nil, metrics: metrics, log: log,
        pluginLog: PluginLog(log, fields: [:], nowMs: 0))
      let session = RecordingSession(inner: inner, cassette: cassette, told: told, reworded: reworded)
      session.worker = worker
      return (
        session,
        { result in
          inner.end()
          cassette?.record(CallLines.result(result))
        }
      )
    }
    try await loop.run { gate.gate?.close() }
    return isGood
  }

  /// Nothing is stored for a run: what a host says of `secret set` is said of the option that gives a secret here.
  private static func reworded(_ failure: HTTPFailure, _ slots: [String]) -> HTTPFailure {
    let message = slots.reduce(failure.message) { message, slot in
      message.replacingOccurrences(
        of: "`sluice secret set \(instance) \(slot) < FILE`", with: "`--secret \(slot)=FILE`"
      ).replacingOccurrences(of: "\"\(slot)\" of \(instance) ", with: "\"\(slot)\" ")
    }
    return HTTPFailure(
      status: failure.status, code: failure.code, message: message, retryAfterMs: failure.retryAfterMs)
  }

  /// Plays a cassette to the library: no network, no clock and no chance but what is on it.
  /// - Throws: `CassetteError`.
  package func play(
    _ cassette: Cassette, anyLibrary: Bool = false, told: @escaping @Sendable (Event) -> Void
  ) async throws {
    let wanted = cassette.header["sha256"]?.string ?? ""
    guard anyLibrary || wanted == manifest.library.sha256.hex else {
      throw CassetteError.otherLibrary(wanted: wanted, found: manifest.library.sha256.hex)
    }
    let surroundings = Worker.Surroundings(
      wallClockMs: { cassette.answer("clock", to: "clock_now")?.integer ?? 0 },
      monotonicMs: { cassette.answer("clock", to: "clock_now")?.integer ?? 0 },
      random: { count in
        let bytes = cassette.answer("random", to: "random")?.string.flatMap { Hex.decode($0) } ?? []
        return bytes.count == count ? bytes : [UInt8](repeating: 0, count: count)
      })
    var played = self
    played.config = cassette.header["config"] ?? [:]
    _ = try await played.run(
      surroundings, nil, told, next: { cassette.peek("start").flatMap { CallLines.operation($0) } }
    ) {
      worker, start in
      _ = cassette.expect(CallLines.start(start))
      let session = PlayingSession(cassette: cassette, told: told)
      session.worker = worker
      return (session, { result in _ = cassette.expect(CallLines.result(result)) })
    }
    if let difference = cassette.difference { throw CassetteError.differs(difference) }
  }
  private var config: JSONValue?

  /// As the loop would call it: `expect_version` is the version that its target must have.
  private static func executing(_ start: OperationStart) -> RequestRules.Operation {
    let arguments: JSONValue = (try? JSONValue(parsing: start.body)) ?? [:]
    let version = arguments["expect_version"]
    return .executing(
      action: start.name, arguments: arguments, key: start.key,
      targetVersion: version?.string ?? version?.integer.map(String.init))
  }

  private static func taped(_ now: Int64, _ cassette: Cassette?) -> Int64 {
    cassette?.record(["clock": .integer(now)])
    return now
  }

  private func operations() -> [OperationStart] {
    guard options.operations.isEmpty else { return options.operations }
    let pulls = manifest.streams.map { stream in
      var start = OperationStart(kind: .pull)
      start.name = stream.name.rawValue
      return start
    }
    return [OperationStart(kind: .check)] + pulls
  }

  private typealias Begin =
    @Sendable (Worker, OperationStart) -> (
      any OperationHandler, (Result<OperationResult, WorkerFailure>) -> Void
    )

  /// - Parameter next: The next operation, when they are not all known before.
  private func run(
    _ surroundings: Worker.Surroundings, _ known: [OperationStart]?, _ told: @escaping @Sendable (Event) -> Void,
    next: @escaping @Sendable () -> OperationStart? = { nil }, begin: @escaping Begin
  ) async throws -> Bool {
    let live = LiveWorker(manifest)
    let boxed = SurroundingsBox(surroundings)
    _ = try await withCheckedThrowingContinuation { done in
      loop.post { [self] in
        live.worker = Worker(loop: loop, spec: spec(), surroundings: boxed.surroundings) { done.resume(with: $0) }
      }
    }
    if let id = live.worker?.processID { told(.worker(processID: id)) }
    if let pause = options.pause, let id = live.worker?.processID { pause(id) }
    var rest = (known ?? [])[...]
    var isGood = true
    while isGood, let start = known == nil ? next() : rest.popFirst() {
      told(.started(start))
      let result: Result<OperationResult, WorkerFailure> = await withCheckedContinuation { done in
        loop.post { [self] in
          guard let worker = live.worker, worker.isIdle else {
            done.resume(returning: .failure(.stopped))
            return
          }
          var start = start
          start.deadlineMs = manifest.limits.operationTimeoutMs
          let (session, ended) = begin(worker, start)
          worker.run(start, handler: session) { result in
            ended(result)
            done.resume(returning: result)
          }
          worker.grant(records: 100_000, bytes: 1 << 28)
          live.session = session
        }
      }
      told(.ended(start.kind, result))
      if case .success(let ending) = result { isGood = ending.status == .ok } else { isGood = false }
    }
    try await loop.run { live.worker?.stop() }
    return isGood
  }

  private func spec() -> WorkerSpec {
    var spec = WorkerSpec(program: program, plugin: library, role: manifest.kind == .source ? .source : .executor)
    spec.config = (config ?? options.config).canonicalBytes
    spec.extensions = ["sluice.http/1", "sluice.rate-hint/1"]
    spec.recordBytesMax = manifest.limits.recordBytesMax
    spec.memoryBytes = manifest.limits.memoryBytes
    spec.cpuSeconds = manifest.limits.cpuSeconds
    spec.threads = manifest.limits.threads
    spec.graceMs = manifest.limits.graceMs
    spec.sandbox = options.sandbox
    if geteuid() == 0 {
      let number = 65_000 + Int(getpid()) % 500
      spec.identity = .init(user: number, group: number)
    }
    return spec
  }
}

/// Touched on the loop's thread only, hence unchecked.
private final class GateBox: @unchecked Sendable { var gate: EgressGate? }
/// Called on the loop's thread only, hence unchecked.
private final class SurroundingsBox: @unchecked Sendable {
  let surroundings: Worker.Surroundings
  init(_ surroundings: Worker.Surroundings) { self.surroundings = surroundings }
}
