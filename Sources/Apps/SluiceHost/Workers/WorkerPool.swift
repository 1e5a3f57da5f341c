import ConnectorFabric
import Cryptography
import Domain
import Egress
import Foundation
import PluginHost
import Synchronization
import UVLoop
import Vault
import WholeLoop

/// The workers of all instances: one for each, started when first needed, replaced when it ended.
///
/// Its functions may be called from anywhere; what they touch lives on the loop.
final class WorkerPool: Sendable {
  struct Settings: Sendable {
    var program: String
    var sandbox = WorkerSpec.Sandbox.strict
    var intakeBytesMax = HostSettings().intakeBytesMax
    var authoritiesFile: String?
  }

  /// Confined to the loop's thread, hence unchecked.
  final class OnLoop: @unchecked Sendable {
    var slots: [String: Slot] = [:]
    /// Of operations that are over while what they brought is not durable, by their mailboxes.
    var draining: [ObjectIdentifier: OperationSession] = [:]
    var gate: EgressGate?
    var room: IntakeRoom?
    var groups: ControlGroups?
    var numbers = WorkerNumbers()
    /// Dry runs that go on, by their workers' keys: of one that was stopped nothing begins any more.
    var dryRuns: Set<String> = []
    var logs: [String: PluginLog] = [:]
    var refusals: [String: ToldRefusals] = [:]
    var pings: LoopTimer?
    var whenNoneLives: (() -> Void)?
    func tellNoneLives() {
      let tell = whenNoneLives
      whenNoneLives = nil
      tell?()
    }
  }
  struct Slot {
    let route: InstanceRoute
    var worker: Worker?
    var session: OperationSession?
  }

  let loop: EventLoop
  let settings: Settings
  let metrics: Metrics
  let log: HostLog
  let onLoop = OnLoop()
  let clock: any HostClock
  let verified = Mutex<[String: String]>([:])

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
        guard !route.isDryRun || onLoop.dryRuns.contains(route.workerKey) else {
          mailbox?.close()
          return done.resume(
            returning: Outcome(result: .failure(.stopped), sentWrites: [], refusals: [], credentialFault: nil))
        }
        let session = OperationSession(
          route: route.gate, operation: operation, gate: onLoop.gate!, mailbox: mailbox,
          // What a dry run emits is nowhere: it is no record of the instance's, and its credit is not the instance's.
          metrics: route.isDryRun ? Metrics() : metrics, log: log, pluginLog: pluginLog(route), room: onLoop.room)
        func finish(_ result: Result<OperationResult, WorkerFailure>) {
          session.end()
          if let mailbox, session.isDraining { onLoop.draining[ObjectIdentifier(mailbox)] = session }
          onLoop.slots[route.workerKey]?.session = nil
          // A thread that was started may run on: what it does belongs to no operation, and to none of its limits. And what
          // says of itself that it is broken begins anew.
          if route.manifest.limits.threads > 0 || Self.isBug(result) {
            onLoop.slots.removeValue(forKey: route.workerKey)?.worker?.stop()
          }
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
            onLoop.slots[route.workerKey]?.session = session
            worker.run(start, handler: session) { finish($0) }
            session.grant()
          }
        }
      }
    }
  }

  private static func isBug(_ result: Result<OperationResult, WorkerFailure>) -> Bool {
    if case .success(let result) = result { result.status == .bug } else { false }
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
      guard let session = onLoop.slots[route.workerKey]?.session, session.fills(mailbox) else { return }
      session.complete(records: records, bytes: bytes, checkpointBytes: checkpointBytes)
      for token in tokens { session.durable(token: token) }
    }
  }

  /// What is left in a mailbox whose operation is over is made durable by nobody.
  func abandon(_ mailbox: Mailbox<OperationSession.Event>) {
    loop.post { [onLoop] in onLoop.draining.removeValue(forKey: ObjectIdentifier(mailbox))?.abandon() }
  }

  /// Lets a dry run ask, until it is released.
  func begin(_ dryRun: InstanceRoute) { loop.post { [onLoop] in onLoop.dryRuns.insert(dryRun.workerKey) } }

  /// Keeps nothing to be seen of an instance that does not run, once it was asked in a dry run.
  func hide(_ route: InstanceRoute) async {
    try? await loop.run { [onLoop] in
      onLoop.gate?.leave(route.gate)
      onLoop.logs[route.key] = nil
      onLoop.refusals[route.key] = nil
    }
  }

  func cancel(_ route: InstanceRoute) { loop.post { [onLoop] in onLoop.slots[route.workerKey]?.worker?.cancel() } }

  /// Ends the instance's worker, and what is seen of what it asked.
  func release(_ route: InstanceRoute) async {
    try? await loop.run { [onLoop] in
      onLoop.dryRuns.remove(route.workerKey)
      let slot = onLoop.slots.removeValue(forKey: route.workerKey)
      slot?.session?.end()
      slot?.worker?.stop()
      if !route.isDryRun { onLoop.gate?.leave(route.gate) }
    }
  }

  /// Keeps nothing of a tenant any more, whose instances have all ended.
  func forget(_ tenant: TenantID) async {
    await withCheckedContinuation { done in
      loop.post { [onLoop] in
        let prefix = "\(tenant)/"
        onLoop.logs = onLoop.logs.filter { !$0.key.hasPrefix(prefix) }
        onLoop.refusals = onLoop.refusals.filter { !$0.key.hasPrefix(prefix) }
        onLoop.dryRuns = onLoop.dryRuns.filter { !$0.hasPrefix(prefix) }
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
        onLoop.pings?.close()
        for slot in onLoop.slots.values { slot.worker?.stop() }
        onLoop.slots = [:]
        onLoop.dryRuns = []
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
