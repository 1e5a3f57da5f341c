package import ConnectorFabric
import Cryptography
package import Domain
package import Egress
import Foundation
import PluginHost
import Synchronization
import UVLoop
import Vault
import WholeLoop

/// What an instance is and may do; fixed while it is enabled.
package struct InstanceRoute: Sendable {
  package let tenant: TenantID
  package let instance: InstanceID
  package let manifest: Manifest
  /// The folder of the manifest and its library.
  package let folder: String
  /// Base addresses that an operator set for endpoints of this instance.
  package let overrides: [String: String]
  /// The proxy that an operator set for this instance, or "none"; nil leaves it to the host's.
  package let proxy: String?
  package let hostProxy: EgressProxy?
  /// The instance's configuration, canonical JSON.
  package let config: [UInt8]

  package var key: String { "\(tenant)/\(instance)" }
  var fields: [String: String] { ["tenant": "\(tenant)", "instance": "\(instance)"] }
  var gate: EgressGate.Route {
    EgressGate.Route(
      tenant: tenant, instance: instance, manifest: manifest, overrides: overrides, proxy: proxy,
      hostProxy: hostProxy)
  }
  var library: String { folder + "/" + manifest.library.file }
}

/// The workers of all instances: one for each, started when first needed, replaced when it ended.
///
/// Its functions may be called from anywhere; what they touch lives on the loop.
final class WorkerPool: Sendable {
  struct Outcome: Sendable {
    let result: Result<OperationResult, WorkerFailure>
    let sentWrites: [SentWrite]
    let refusals: [RequestRules.Refusal]
    /// Why a request had no usable credential; whatever the plugin makes of it.
    let credentialFault: String?
    /// What its upstream did to it: no answer, or one of trouble. Nil when it did nothing of the kind.
    var upstreamTrouble: String?
    /// Whether the host held it back when it ended.
    var wasHeldBack = false
    var name: String {
      switch result {
      case .success(let result): "\(result.status)"
      case .failure(let failure): failure.code
      }
    }
  }

  struct Settings: Sendable {
    var program: String
    var sandbox = WorkerSpec.Sandbox.strict
    var intakeBytesMax = HostSettings().intakeBytesMax
    var authoritiesFile: String?
  }

  /// Confined to the loop's thread, hence unchecked.
  private final class OnLoop: @unchecked Sendable {
    var slots: [String: Slot] = [:]
    /// Of operations that are over while what they brought is not durable, by their mailboxes.
    var draining: [ObjectIdentifier: OperationSession] = [:]
    var gate: EgressGate?
    var room: IntakeRoom?
    var groups: ControlGroups?
    var numbers = WorkerNumbers()
    var logs: [String: PluginLog] = [:]
    var refusals: [String: ToldRefusals] = [:]
    var whenNoneLives: (() -> Void)?
    func tellNoneLives() {
      let tell = whenNoneLives
      whenNoneLives = nil
      tell?()
    }
  }
  private struct Slot {
    var worker: Worker?
    var session: OperationSession?
  }

  private let loop: EventLoop
  private let settings: Settings
  private let metrics: Metrics
  private let log: HostLog
  private let onLoop = OnLoop()
  let clock: any HostClock
  private let verified = Mutex<[String: String]>([:])

  init(
    loop: EventLoop, settings: Settings, vault: Vault, metrics: Metrics, crash: any CrashInjector, log: HostLog,
    clock: any HostClock = SystemClock()
  ) {
    self.loop = loop
    self.clock = clock
    self.settings = settings
    self.metrics = metrics
    self.log = log
    loop.post { [onLoop] in
      onLoop.room = IntakeRoom(bytesMax: settings.intakeBytesMax, metrics: metrics)
      onLoop.gate = EgressGate(
        loop: loop, vault: vault, metrics: metrics, crash: crash, clock: clock,
        authoritiesFile: settings.authoritiesFile)
    }
  }

  /// From now on each worker gets a control group of its own.
  func use(_ groups: ControlGroups?) async { try? await loop.run { [onLoop] in onLoop.groups = groups } }

  /// Runs one operation to its end.
  func run(
    _ start: OperationStart, operation: RequestRules.Operation, route: InstanceRoute,
    mailbox: Mailbox<OperationSession.Event>?
  ) async -> Outcome {
    do { try verifyLibrary(route) } catch {
      mailbox?.close()
      return Outcome(result: .failure(error), sentWrites: [], refusals: [], credentialFault: nil)
    }
    return await withCheckedContinuation { done in
      loop.post { [self] in
        let session = OperationSession(
          route: route.gate, operation: operation, gate: onLoop.gate!, mailbox: mailbox, metrics: metrics, log: log,
          pluginLog: pluginLog(route), room: onLoop.room)
        func finish(_ result: Result<OperationResult, WorkerFailure>) {
          session.end()
          if let mailbox, session.isDraining { onLoop.draining[ObjectIdentifier(mailbox)] = session }
          onLoop.slots[route.key]?.session = nil
          // A thread that was started may run on: what it does belongs to no operation, and to none of its limits.
          if route.manifest.limits.threads > 0 { onLoop.slots.removeValue(forKey: route.key)?.worker?.stop() }
          done.resume(
            returning: Outcome(
              result: result, sentWrites: session.sentWrites, refusals: session.refusals,
              credentialFault: session.credentialFault, upstreamTrouble: session.upstreamTrouble,
              wasHeldBack: session.wasHeldBack))
        }
        withWorker(route) { [self] ready in
          switch ready {
          case .failure(let failure): finish(.failure(failure))
          case .success(let worker):
            session.worker = worker
            onLoop.slots[route.key]?.session = session
            worker.run(start, handler: session) { finish($0) }
            session.grant()
          }
        }
      }
    }
  }

  /// Gives credit and room back, and answers `wait_durable` unless the operation that fills the mailbox has ended.
  func complete(
    _ route: InstanceRoute, _ mailbox: Mailbox<OperationSession.Event>, _ taken: Intake.Taken
  ) {
    let (records, bytes, checkpointBytes) = (taken.records, taken.bytes, taken.checkpointBytes)
    let tokens = taken.durableTokens
    loop.post { [onLoop] in
      let id = ObjectIdentifier(mailbox)
      if let session = onLoop.draining[id] {
        session.complete(records: records, bytes: bytes, checkpointBytes: checkpointBytes)
        if !session.isDraining { onLoop.draining[id] = nil }
      }
      guard let session = onLoop.slots[route.key]?.session, session.fills(mailbox) else { return }
      session.complete(records: records, bytes: bytes, checkpointBytes: checkpointBytes)
      for token in tokens { session.durable(token: token) }
    }
  }

  /// What is left in a mailbox whose operation is over is made durable by nobody.
  func abandon(_ mailbox: Mailbox<OperationSession.Event>) {
    loop.post { [onLoop] in onLoop.draining.removeValue(forKey: ObjectIdentifier(mailbox))?.abandon() }
  }

  func cancel(_ route: InstanceRoute) { loop.post { [onLoop] in onLoop.slots[route.key]?.worker?.cancel() } }

  /// Ends the instance's worker, and what is seen of what it asked.
  func release(_ route: InstanceRoute) async {
    try? await loop.run { [onLoop] in
      let slot = onLoop.slots.removeValue(forKey: route.key)
      slot?.session?.end()
      slot?.worker?.stop()
      onLoop.gate?.leave(route.gate)
    }
  }

  /// Keeps nothing of a tenant any more, whose instances have all ended.
  func forget(_ tenant: TenantID) async {
    await withCheckedContinuation { done in
      loop.post { [onLoop] in
        let prefix = "\(tenant)/"
        onLoop.logs = onLoop.logs.filter { !$0.key.hasPrefix(prefix) }
        onLoop.refusals = onLoop.refusals.filter { !$0.key.hasPrefix(prefix) }
        for key in onLoop.slots.keys where key.hasPrefix(prefix) {
          onLoop.slots.removeValue(forKey: key)?.worker?.stop()
        }
        onLoop.gate!.forget(tenant) { done.resume() }
      }
    }
  }

  /// Ends every worker, and returns once no access token is on its way any more and the kernel has let go of the workers,
  /// so that nothing of them is left.
  func close() async {
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      loop.post { [self] in
        for slot in onLoop.slots.values { slot.worker?.stop() }
        onLoop.slots = [:]
        onLoop.gate!.close { [self] in
          guard !onLoop.numbers.isEmpty else { return done.resume() }
          // A process that the kernel cannot end (one that waits for a broken disk) is left to it.
          let patience = LoopTimer(loop)
          onLoop.whenNoneLives = {
            patience.close()
            done.resume()
          }
          patience.start(after: .seconds(5)) { [onLoop] in onLoop.tellNoneLives() }
        }
      }
    }
  }

  /// - Returns: A function that takes the timer back.
  func after(ms: Int64, _ fire: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
    let timer = TimerBox()
    loop.post { [loop, clock] in
      let made = clock.timer(loop)
      timer.timer = made
      made.start(afterMs: ms) {
        made.close()
        fire()
      }
    }
    return { [loop] in loop.post { timer.timer?.close() } }
  }
  /// Confined to the loop's thread, hence unchecked.
  private final class TimerBox: @unchecked Sendable { var timer: (any HostTimer)? }

  /// Process ids of running workers, for tests that kill them.
  func processIDs() async -> [Int32] {
    (try? await loop.run { [onLoop] in onLoop.slots.values.compactMap { $0.worker?.processID } }) ?? []
  }
}

extension WorkerPool {
  /// One for all operations and workers of an instance.
  private func pluginLog(_ route: InstanceRoute) -> PluginLog {
    if let known = onLoop.logs[route.key] { return known }
    let made = PluginLog(log, fields: route.fields, nowMs: SystemSources.monotonicMs())
    onLoop.logs[route.key] = made
    return made
  }

  private func withWorker(_ route: InstanceRoute, _ use: @escaping (Result<Worker, WorkerFailure>) -> Void) {
    if let worker = onLoop.slots[route.key]?.worker, worker.isIdle {
      use(.success(worker))
      return
    }
    onLoop.slots[route.key]?.worker?.stop()
    metrics.add("sluice_worker_spawns_total", 1, [("instance", route.key)])
    let surroundings = Worker.Surroundings(
      wallClockMs: SystemSources.wallClockMs, monotonicMs: SystemSources.monotonicMs, random: SystemSources.random)
    let box = WorkerBox()
    let refusals = onLoop.refusals[route.key] ?? ToldRefusals(route, metrics: metrics, log: log)
    onLoop.refusals[route.key] = refusals
    let number = onLoop.numbers.take()
    let worker = Worker(
      loop: loop, spec: spec(route, number), surroundings: surroundings, reported: { refusals.tell($0) }
    ) { ready in
      use(ready.map { _ in box.worker! })
    }
    if worker.hasEnded { onLoop.numbers.give(back: number) }
    worker.onEnd = { [onLoop] in
      onLoop.numbers.give(back: number)
      if onLoop.numbers.isEmpty { onLoop.tellNoneLives() }
    }
    box.worker = worker
    onLoop.slots[route.key] = Slot(worker: worker, session: nil)
  }
  private final class WorkerBox { weak var worker: Worker? }

  private func spec(_ route: InstanceRoute, _ number: Int) -> WorkerSpec {
    let limits = route.manifest.limits
    var spec = WorkerSpec(
      program: settings.program, plugin: route.library, role: route.manifest.kind == .source ? .source : .executor)
    spec.config = route.config
    spec.extensions = ["sluice.http/1", "sluice.rate-hint/1"]
    spec.recordBytesMax = limits.recordBytesMax
    spec.memoryBytes = limits.memoryBytes
    spec.cpuSeconds = limits.cpuSeconds
    spec.threads = limits.threads
    spec.files = limits.files
    spec.graceMs = limits.graceMs
    spec.sandbox = settings.sandbox
    if geteuid() == 0 {
      // A user of its own for each live worker, so that none can touch another.
      spec.identity = .init(user: WorkerNumbers.firstUser + number, group: WorkerNumbers.firstUser + number)
    }
    spec.group = onLoop.groups?.group(
      number: number, processID: getpid(), memoryBytes: limits.memoryBytes, threads: limits.threads)
    return spec
  }

  /// The library is what the reviewed manifest names, byte for byte; hashed again whenever the file has changed.
  private func verifyLibrary(_ route: InstanceRoute) throws(WorkerFailure) {
    var status = stat()
    guard stat(route.library, &status) == 0 else {
      throw .loadFailed(step: "open_file", errorNumber: Int(errno), text: "\(route.library) does not exist")
    }
    let mark = "\(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    let key = "\(route.library) \(route.manifest.library.sha256.hex)"
    if verified.withLock({ $0[key] }) == mark { return }
    guard let bytes = FileManager.default.contents(atPath: route.library) else {
      throw .loadFailed(step: "open_file", errorNumber: 0, text: "\(route.library) cannot be read")
    }
    let found = SHA256.digest([UInt8](bytes))
    guard found == route.manifest.library.sha256 else {
      throw .loadFailed(
        step: "hash", errorNumber: 0,
        text: "\(route.library) has SHA-256 \(found), its manifest says \(route.manifest.library.sha256)")
    }
    verified.withLock { $0[key] = mark }
  }
}

extension WorkerPool.Outcome {
  /// That the upstream, or its token endpoint, refuses the credential, or that there is none to be used; nil when the
  /// operation went well or failed for something else.
  var credentialRefusal: String? {
    if case .success(let result) = result, result.status == .ok, result.outcome < 2 { return nil }
    if let credentialFault { return "Its credential cannot be used: \(credentialFault)" }
    if case .success(let result) = result, result.status == .auth {
      return "The upstream refused the credential: \(result.reason)"
    }
    // With an access token it was sent for a second time by then, with a new one.
    return sentWrites.last?.status == 401 ? "The upstream refused the credential: it answered 401 to a write." : nil
  }
}

extension OperationResult {
  var reason: String { message.isEmpty ? "The plugin gave no reason." : message }
}
