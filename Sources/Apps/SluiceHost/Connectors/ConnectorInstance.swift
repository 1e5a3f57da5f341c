import ConnectorFabric
import Cryptography
import Domain
import PluginHost
import UVLoop
import Vault

/// One enabled connector: its schedule, its worker, its checkpoints, and what became of its operations.
package actor ConnectorInstance {
  package nonisolated let route: InstanceRoute
  let workers: WorkerPool
  let tenant: TenantRuntime
  let log: HostLog
  let metrics: Metrics
  private var crashLoop = CrashLoop()
  private var backOff: UpstreamBackOff
  /// What it waits for while it rests after a fault that is none of its own.
  private var restsFor: WaitCause?
  var retries = DeliveryRetries()
  var checkpoints: [StreamName: IntakeBatch.Checkpoint] = [:]
  package internal(set) var state = State.idle {
    didSet {
      if case .parked = state {
        metrics.set("sluice_instances_parked", 1, [("instance", route.key)])
      } else if case .parked = oldValue {
        metrics.remove("sluice_instances_parked", [("instance", route.key)])
      }
      tellObservers()
    }
  }
  var isStopping = false
  private var isPoked = false
  private var isPullDue = false
  private var isPulling = false
  /// Nil for one that only receives.
  private let clock: PullClock?
  private var nextPullMs: Int64
  private(set) var pausedFor: String?
  /// It was parked for its credential: a new secret lets it try again.
  private var awaitsSecret = false
  /// How often a secret was stored for it: by that, what was asked with an earlier one is known.
  private(set) var secretsStored = 0
  private var sleeper: CheckedContinuation<Void, Never>?
  private var loopTask: Task<Void, Never>?
  /// Every stream has been pulled to its end this often.
  package private(set) var completedRounds = 0 { didSet { tellObservers() } }
  private var observers: [(isMet: (isolated ConnectorInstance) -> Bool, done: CheckedContinuation<Void, Never>)] = []

  /// - Parameter pausedFor: An operator's reason why it does nothing for now.
  init(
    route: InstanceRoute, clock: PullClock?, pausedFor: String?, workers: WorkerPool, tenant: TenantRuntime,
    metrics: Metrics, log: HostLog
  ) {
    self.route = route
    self.clock = clock
    self.pausedFor = pausedFor
    let time = workers.clock
    nextPullMs = clock.map { $0.first(nowMs: Self.nowMs($0, time)) } ?? .max
    backOff = UpstreamBackOff(intervalMs: clock?.schedule.intervalMs)
    self.workers = workers
    self.tenant = tenant
    self.metrics = metrics
    self.log = log
    // An executor has no schedule that would say so.
    if let pausedFor, route.manifest.kind == .executor { state = .paused(reason: pausedFor) }
  }

  /// Why an executor is asked nothing now; nil when it may be.
  var isResting: Bool {
    switch state {
    case .parked, .paused, .stopped: true
    case .idle, .running, .waiting: false
    }
  }

  /// An executor's credential was refused: nothing more is asked of it until there is another one, or somebody resumes it.
  /// - Parameter secrets: `secretsStored` when it was asked.
  func refuseCredential(_ reason: String, secrets: Int) {
    if !isResting { _ = parkForSecret(reason, secrets: secrets) }
  }

  /// An operator has stored a secret for it. Where it was parked for the one before, it tries again by itself; a pause, and
  /// a parking for anything else, stay.
  /// - Returns: Whether it tries again.
  func takeSecret(of slot: SlotName) -> Bool {
    secretsStored += 1
    guard case .parked = state, awaitsSecret, pausedFor == nil else { return false }
    triesAgain("A secret was stored in its slot \"\(slot)\": what was parked for its credential tries again.")
    resume()
    return true
  }

  /// Starts the schedule.
  func start() {
    guard loopTask == nil else { return }
    loopTask = Task { await self.schedule() }
  }

  /// Lets the running operation stop, makes durable what it brought, and ends.
  func stop() async {
    isStopping = true
    wake()
    workers.cancel(route)
    await loopTask?.value
    await workers.release(route)
    state = .stopped
  }

  /// Pulls now instead of at the next time.
  package func poke() {
    isPullDue = true
    takeDeliveries()
  }

  /// A delivery waits: it is taken in without pulling.
  func takeDeliveries() {
    isPoked = true
    wake()
  }

  /// Ends a parking or a pause.
  package func resume() {
    crashLoop.succeed()
    backOff.succeed()
    pausedFor = nil
    state = .idle
    poke()
  }

  /// Starts nothing more; what is under way comes to its end.
  func pause(for reason: String) {
    pausedFor = reason
    if loopTask == nil { state = .paused(reason: reason) }
    // It may be on its way to rest until the next pull is due.
    isPoked = true
    wake()
  }

  /// Returns when nothing of a paused instance is under way any more.
  func whenPaused() async {
    await when {
      if case .paused = $0.state { true } else { $0.state == .stopped }
    }
  }

  /// What a person has said of its checkpoints counts from the next pull on.
  func forgetCheckpoints() { checkpoints = [:] }

  private static func nowMs(_ clock: PullClock, _ time: any HostClock) -> Int64 {
    clock.schedule.isByWallClock ? time.wallMs() : time.monotonicMs()
  }
  private func nowMs(_ clock: PullClock) -> Int64 { Self.nowMs(clock, workers.clock) }

  /// Returns when every stream has been pulled to its end that often since the start.
  package func whenCompleted(rounds: Int) async { await when { $0.completedRounds >= rounds } }

  /// Returns the reason as soon as a fault has stopped the instance for a while or for good.
  package func whenStuck() async -> String {
    await when { $0.stuckReason != nil }
    return stuckReason ?? ""
  }

  private var stuckReason: String? {
    switch state {
    case .waiting(let reason), .parked(let reason): reason
    case .idle, .running, .paused, .stopped: nil
    }
  }

  private func when(_ isMet: @escaping (isolated ConnectorInstance) -> Bool) async {
    if isMet(self) { return }
    await withCheckedContinuation { observers.append((isMet, $0)) }
  }

  private func tellObservers() {
    let met = observers.filter { $0.isMet(self) }
    observers.removeAll { $0.isMet(self) }
    for observer in met { observer.done.resume() }
  }

  private func wake() {
    sleeper?.resume()
    sleeper = nil
  }

  private func schedule() async {
    while !isStopping {
      let pauseMs: Int64
      if let pausedFor {
        state = .paused(reason: pausedFor)
        pauseMs = .max
      } else if case .parked = state {
        pauseMs = .max
      } else {
        pauseMs = min(await round(), state == .idle ? retries.untilNextMs(nowMs: workers.clock.monotonicMs()) : .max)
      }
      if isStopping { break }
      let wait = restsFor.map { metrics.wait($0, instance: route.key) }
      restsFor = nil
      await rest(ms: pauseMs)
      wait?.end()
    }
  }

  /// Sleeps on the loop's timer until the time is over or somebody pokes.
  private func rest(ms: Int64) async {
    if isPoked {
      isPoked = false
      return
    }
    let timer = ms == .max ? nil : workers.after(ms: ms) { Task { await self.wake() } }
    await withCheckedContinuation { sleeper = $0 }
    timer?()
    isPoked = false
  }

  /// Whether it is time to pull.
  var isPullWaiting: Bool { clock.map { isPullDue || isPulling || nowMs($0) >= nextPullMs } ?? false }

  /// Takes in what was pushed, then pulls every stream once, with a turn for what is pushed between two of them.
  /// - Returns: How long to rest, in milliseconds.
  private func round() async -> Int64 {
    let secrets = secretsStored
    defer { isPulling = false }
    do {
      var areDeliveriesLeft = try await receiveDeliveries()
      guard let clock else {
        state = .idle
        return .max
      }
      let startedMs = nowMs(clock)
      guard isPullWaiting else { return untilNextPull(clock) }
      if let pause = tenant.intakePause() { throw pause }
      (isPullDue, isPulling) = (false, true)
      for (place, stream) in route.manifest.streams.enumerated() {
        if place > 0 { areDeliveriesLeft = try await receiveDeliveries() }
        if isStopping || pausedFor != nil { return 0 }
        state = .running("pull \(stream.name)")
        try await pull(stream.name)
      }
      completedRounds += 1
      metrics.pulled(instance: route.key, atMs: workers.clock.wallMs())
      crashLoop.succeed()
      backOff.succeed()
      nextPullMs = clock.next(afterPull: min(nextPullMs, startedMs), nowMs: nowMs(clock))
      return areDeliveriesLeft ? 0 : untilNextPull(clock)
    } catch let ending as OperationEnding {
      return after(ending, secrets: secrets)
    } catch let error as any OperatorError where error is any IntakePause || error is DiskFull {
      restsFor = error is DiskQuotaReached ? .diskQuota : .storageSlow
      return after(OperationEnding(error), secrets: secrets)
    } catch {
      log.error(error, route.fields)
      return after(.faulty(reason: "\(error)"), secrets: secrets)
    }
  }

  private func untilNextPull(_ clock: PullClock) -> Int64 {
    state = .idle
    let ms = max(nextPullMs - nowMs(clock), 1)
    // Somebody may set the wall clock meanwhile: it is looked at again soon.
    return clock.schedule.isByWallClock ? min(ms, 30_000) : ms
  }

  /// - Parameter secrets: `secretsStored` when it began.
  private func after(_ ending: OperationEnding, secrets: Int) -> Int64 {
    if isStopping { return 0 }
    isPullDue = true  // what failed is run again from its checkpoint
    switch ending {
    case .pause(let ms, let reason):
      metrics.retry(instance: route.key, cause: "paused")
      state = .waiting(reason: reason)
      return ms
    case .park(let reason): return park(reason)
    case .credentialRefused(let reason): return parkForSecret(reason, secrets: secrets)
    case .upstream(let reason):
      let ms = backOff.fail()
      metrics.retry(instance: route.key, cause: "upstream")
      if backOff.failures == 1 {
        log.warning(
          "instance.upstream_in_trouble",
          "\(reason) It is tried again, at least every minute, until the upstream answers.",
          route.fields)
      }
      restsFor = .upstreamSlow
      state = .waiting(reason: reason)
      return ms
    case .faulty(let reason):
      switch crashLoop.fail(reason) {
      case .retry(let ms):
        metrics.retry(instance: route.key, cause: "fault")
        log.warning("instance.retries", "\(reason) It is tried again in \(ms) ms.", route.fields)
        state = .waiting(reason: reason)
        return ms
      case .park(let reason): return park(reason)
      }
    }
  }

  /// What was asked before the newest secret was stored says nothing of that one.
  private func parkForSecret(_ reason: String, secrets: Int) -> Int64 {
    guard secrets == secretsStored else {
      triesAgain("\(reason) A secret was stored meanwhile: it tries again.")
      return 0
    }
    return park(reason, forSecret: true)
  }

  private func triesAgain(_ why: String) { log.info("instance.tries_again", why, route.fields) }

  private func park(_ reason: String, forSecret: Bool = false) -> Int64 {
    awaitsSecret = forSecret
    state = .parked(reason: reason)
    log.warning("instance.parked", reason, route.fields)
    return .max
  }
}
