import Action
import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import PluginHost
import Policy
import WholeLoop

/// Executes one tenant's permitted actions, one after the other: mint, spend, make durable, send, receipt.
actor ActionRunner {
  /// The tenant's executors as they run now.
  struct Executors: Sendable {
    let find: @Sendable (_ instance: String) async -> ConnectorInstance?
    /// Names of those that are asked nothing until somebody resumes them: their actions wait.
    let resting: @Sendable () async -> Set<String>
  }

  private let tenant: TenantRuntime
  private let pool: WorkerPool
  private let policy: PolicyStage
  private let executors: Executors
  private let idSecret: [UInt8]
  private let metrics: Metrics
  private let crash: any CrashInjector
  private let log: HostLog
  private let steady: SteadyClock
  private var isWorking = false
  private var isStopping = false
  private var isPoked = false
  /// How many replace an executor now: meanwhile nothing is started.
  private var holds = 0
  /// Whether the tenant is suspended: the same, however often it is said.
  private var isSuspended = false
  var isHeld: Bool { holds > 0 || isSuspended }
  private var idleWaiters: [CheckedContinuation<Void, Never>] = []

  init(
    tenant: TenantRuntime, pool: WorkerPool, policy: PolicyStage, idSecret: [UInt8], metrics: Metrics,
    crash: any CrashInjector, log: HostLog, executors: Executors
  ) {
    let clock = pool.clock
    steady = SteadyClock(wallMs: { clock.wallMs() }, monotonicMs: { clock.monotonicMs() })
    self.tenant = tenant
    self.pool = pool
    self.policy = policy
    self.idSecret = idSecret
    self.metrics = metrics
    self.crash = crash
    self.log = log
    self.executors = executors
  }

  /// After a restart: what was under way is unknown, and is asked after.
  func recover() async throws {
    for receipt in try tenant.view({ try ActionTurn.recovery(in: $0) }) { try await report(receipt) }
  }

  /// Something may have become ready.
  func poke() {
    isPoked = true
    guard !isWorking, !isStopping, !isHeld else { return }
    isWorking = true
    Task { await self.work() }
  }

  /// Finishes the action that is under way and starts no other.
  func stop() async {
    isStopping = true
    await whenIdle()
  }

  /// Finishes the action that is under way, and starts no other until `goOn`.
  func hold() async {
    holds += 1
    await whenIdle()
  }

  /// - Parameter isStarting: Whether this host starts actions at all.
  func goOn(starting isStarting: Bool = true) {
    holds -= 1
    if isStarting { poke() }
  }

  /// Finishes the action that is under way, and starts no other until the tenant goes on.
  func suspend() async {
    isSuspended = true
    await whenIdle()
  }

  /// - Parameter isStarting: Whether this host starts actions at all.
  func resume(starting isStarting: Bool) {
    isSuspended = false
    if isStarting { poke() }
  }

  /// Returns when nothing can be started or probed now.
  func whenIdle() async {
    if !isWorking { return }
    await withCheckedContinuation { idleWaiters.append($0) }
  }

  private func work() async {
    do {
      repeat {
        isPoked = false
        while !isStopping, !isHeld, try await step() {}
      } while isPoked && !isStopping && !isHeld
    } catch { log.error(error, ["tenant": "\(tenant.tenant)"]) }
    isWorking = false
    for waiter in idleWaiters { waiter.resume() }
    idleWaiters = []
  }

  /// - Returns: Whether something was done.
  private func step() async throws -> Bool {
    let now = pool.clock.wallMs()
    let steadyMs = steady.nowMs()
    let resting = await executors.resting()
    let turn = try tenant.view {
      try ActionTurn.next(
        in: $0, policy: policy, tenant: tenant.tenant, nowMs: now, steadyMs: steadyMs, resting: resting)
    }
    switch turn {
    case .probe(let start): try await probe(start)
    case .withdraw(let action, let refusal): try await withdraw(action, refusal)
    case .start(let start): try await execute(start)
    case .rest(let untilMs):
      if let untilMs { _ = pool.after(ms: max(untilMs - now, 1)) { Task { await self.poke() } } }
      return false
    }
    return true
  }

  private func execute(_ start: EffectStart) async throws {
    // Invariants 2 and 5: the verdict is journaled, and the spent permit is durable before anything is sent.
    let position = try await tenant.append(
      .effectStarted, start, id: start.entryID(of: tenant.tenant, secret: idSecret))
    try await tenant.applied(to: position)
    guard try tenant.view({ try ActionStage.mayExecute(start, at: position, in: $0) }) else { return }
    try await send(start)
  }

  private func send(_ start: EffectStart) async throws {
    guard let (executor, action) = try await executor(of: start.call.tool) else {
      return try await report(
        Receipt(start, .notStarted, reason: "No enabled executor has the tool \(start.call.tool)."))
    }
    let route = executor.route
    var operation = OperationStart(kind: .execute)
    operation.name = action
    operation.key = start.idempotencyKey
    operation.body = start.call.arguments.canonicalBytes
    operation.deadlineMs = route.manifest.limits.operationTimeoutMs
    let secrets = await executor.secretsStored
    crash.reach(.effectBeforeSend)
    let outcome = await pool.run(
      operation,
      operation: .executing(
        action: action, arguments: start.call.arguments, key: start.idempotencyKey,
        targetVersion: start.call.targetVersion), route: route, mailbox: nil)
    crash.reach(.effectAfterSend)
    metrics.operation(instance: route.key, kind: "execute", ending: outcome.name)
    let refusal = outcome.credentialRefusal
    // Before its receipt: nothing else is started meanwhile.
    if let refusal { await executor.refuseCredential(refusal, secrets: secrets) }
    try await report(outcome.ending.receipt(for: start, credentialRefusal: refusal))
  }

  private func probe(_ start: EffectStart) async throws {
    guard let (executor, action) = try await executor(of: start.call.tool) else {
      return try await report(Receipt(start, .unknown, reason: "No enabled executor can be asked."))
    }
    let route = executor.route
    var operation = OperationStart(kind: .probe)
    operation.name = action
    operation.key = start.idempotencyKey
    operation.body = start.call.arguments.canonicalBytes
    operation.deadlineMs = route.manifest.limits.operationTimeoutMs
    let secrets = await executor.secretsStored
    let askedAtMs = steady.nowMs()
    let outcome = await pool.run(operation, operation: .reading, route: route, mailbox: nil)
    metrics.operation(instance: route.key, kind: "probe", ending: outcome.name)
    // It could not be asked at all: that is no answer, and is asked again once there is another credential.
    if let refusal = outcome.credentialRefusal {
      return await executor.refuseCredential(refusal, secrets: secrets)
    }
    try await report(outcome.ending.probed(start, askedAtMs: askedAtMs))
  }

  private func report(_ receipt: Receipt) async throws {
    metrics.add("sluice_effects_total", 1, [("tenant", tenant.tenant.rawValue), ("outcome", receipt.outcome.rawValue)])
    try await keep(
      receipt.reported(steadyMs: steady.nowMs()),
      StableID.of("receipt", [receipt.permit.hex, Hex.encode(SystemSources.random(16))]))
  }

  /// What was done must be kept, however long the disk is full; nothing else is started meanwhile.
  private func keep(_ receipt: Receipt, _ id: Digest) async throws {
    while true {
      do { return try await tenant.applied(to: try await tenant.append(.receipt, receipt, id: id)) } catch is DiskFull
        where !isStopping
      {
        await pause(ms: 1_000)
      }
    }
  }

  private func pause(ms: Int64) async {
    await withCheckedContinuation { done in _ = pool.after(ms: ms) { done.resume() } }
  }

  private func withdraw(_ action: Digest, _ refusal: PermitRefusal) async throws {
    let order = ActionTurn.withdrawal(of: action, for: refusal)
    let id = StableID.of("order", ["withdraw", action.hex, Hex.encode(SystemSources.random(16))])
    try await tenant.applied(to: try await tenant.append(.order, order, id: id))
  }

  /// The executor of a tool and the action's name there.
  private func executor(of tool: String) async throws -> (ConnectorInstance, String)? {
    guard let facts = try tenant.view({ try ToolFacts.activated(tool, $0) }),
      let executor = await executors.find(facts.instance), let dot = tool.firstIndex(of: ".")
    else { return nil }
    return (executor, String(tool[tool.index(after: dot)...]))
  }
}

extension WorkerPool.Outcome {
  /// The outcome in the loop's words.
  fileprivate var ending: ExecutorEnding {
    switch result {
    case .failure(let failure):
      return ExecutorEnding(answer: .none, result: .null, reason: failure.message, sentWrites: sentWrites)
    case .success(let result):
      return ExecutorEnding(
        answer: result.status == .ok ? .number(Int(result.outcome)) : .none,
        result: (try? JSONValue(parsing: result.json)) ?? .null,
        reason: result.message.isEmpty ? "The executor gave no reason." : result.message,
        code: result.code.isEmpty ? nil : result.code, sentWrites: sentWrites)
    }
  }
}
