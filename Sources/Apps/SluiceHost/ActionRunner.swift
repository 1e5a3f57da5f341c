import Action
import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import PluginHost
import Policy
import WorldModel

/// Executes one tenant's permitted actions, one after the other: mint, spend, make durable, send, receipt.
actor ActionRunner {
  typealias RouteLookup = @Sendable (_ instance: String) async -> InstanceRoute?

  private let tenant: TenantRuntime
  private let pool: WorkerPool
  private let policy: PolicyStage
  private let routes: RouteLookup
  private let metrics: Metrics
  private let crash: any CrashInjector
  private let log: HostLog
  private var isWorking = false
  private var isStopping = false
  private var isPoked = false
  private var idleWaiters: [CheckedContinuation<Void, Never>] = []

  init(
    tenant: TenantRuntime, pool: WorkerPool, policy: PolicyStage, metrics: Metrics, crash: any CrashInjector,
    log: HostLog, routes: @escaping RouteLookup
  ) {
    self.tenant = tenant
    self.pool = pool
    self.policy = policy
    self.metrics = metrics
    self.crash = crash
    self.log = log
    self.routes = routes
  }

  /// After a restart nobody knows whether an effect that was started took place: it is asked after, never sent again
  /// blindly.
  func recover() async throws {
    for start in try tenant.view({ try ActionStage.inFlight(in: $0) }) {
      try await report(
        start, .unknown, [], .null, reason: "The host ended between sending the request and keeping its answer.")
    }
  }

  /// Something may have become ready.
  func poke() {
    isPoked = true
    guard !isWorking, !isStopping else { return }
    isWorking = true
    Task { await self.work() }
  }

  /// Finishes the action that is under way and starts no other.
  func stop() async {
    isStopping = true
    await whenIdle()
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
        while !isStopping, try await step() {}
        try await wakeLater()
      } while isPoked && !isStopping
    } catch { log.error(error, ["tenant": "\(tenant.tenant)"]) }
    isWorking = false
    for waiter in idleWaiters { waiter.resume() }
    idleWaiters = []
  }

  /// - Returns: Whether something was done.
  private func step() async throws -> Bool {
    let now = SystemSources.wallClockMs()
    if let (_, start) = try tenant.view({ try ActionStage.toProbe(in: $0, nowMs: now) }).first {
      try await probe(start)
      return true
    }
    // One that must wait for tomorrow's budget does not hold up those ranked below it.
    for ready in try tenant.view({ try ActionStage.ready(in: $0, nowMs: now) }) {
      if isStopping { return false }
      if try await execute(ready, now) { return true }
    }
    return false
  }

  private func execute(_ ready: ReadyAction, _ now: Int64) async throws -> Bool {
    let start: EffectStart
    do {
      start = try tenant.view { view in
        let version = try Self.version(of: ready.action.subject, view)
        let permit = try ready.permit(
          from: policy, tenant: tenant.tenant, in: view, nowMs: now, targetVersion: version)
        return try permit.spend(nowMs: now)
      }
    } catch let refusal as PermitRefusal {
      guard refusal.isFinal else { return false }
      try await withdraw(ready.action.id, refusal)
      return true
    }
    // Invariants 2 and 5: the verdict is journaled, and the spent permit is durable before anything is sent.
    let position = try await tenant.append(
      .effectStarted, start, id: StableID.of("effect", [tenant.tenant.rawValue, start.permit.hex]))
    try await tenant.applied(to: position)
    guard try tenant.view({ try ActionStage.mayExecute(start, at: position, in: $0) }) else { return true }
    try await send(start)
    return true
  }

  private func send(_ start: EffectStart) async throws {
    guard let (route, action) = try await executor(of: start.call.tool) else {
      try await report(start, .notStarted, [], .null, reason: "No enabled executor has the tool \(start.call.tool).")
      return
    }
    var operation = OperationStart(kind: .execute)
    operation.name = action
    operation.key = start.idempotencyKey
    operation.body = start.call.arguments.canonicalBytes
    operation.deadlineMs = route.manifest.limits.operationTimeoutMs
    crash.reach(.effectBeforeSend)
    let outcome = await pool.run(
      operation, operation: .executing(action: action, arguments: start.call.arguments), route: route, mailbox: nil)
    crash.reach(.effectAfterSend)
    metrics.operation(instance: route.key, kind: "execute", ending: outcome.name)
    let judged = Self.judge(outcome)
    try await report(start, judged.outcome, outcome.sentWrites, judged.result, reason: judged.reason)
  }

  /// What an execution's end says of its effect. Whatever left without a clear answer is unknown.
  private static func judge(
    _ outcome: WorkerPool.Outcome
  ) -> (outcome: Receipt.Outcome, result: JSONValue, reason: String?) {
    let sent = !outcome.sentWrites.isEmpty
    switch outcome.result {
    case .failure(let failure): return (sent ? .unknown : .notStarted, .null, failure.message)
    case .success(let result):
      let json = (try? JSONValue(parsing: result.json)) ?? .null
      let reason = result.message.isEmpty ? "The executor gave no reason." : result.message
      switch (result.status, result.outcome) {
      case (.ok, 1): return (.done, json, nil)
      case (.ok, 2): return (.rejected, json, reason)
      case (.ok, 3): return (.notStarted, json, reason)
      case (.ok, 4): return (.unknown, json, reason)
      default: return (sent ? .unknown : .notStarted, json, reason)
      }
    }
  }

  private func probe(_ start: EffectStart) async throws {
    guard let (route, action) = try await executor(of: start.call.tool) else {
      try await report(start, .unknown, [], .null, reason: "No enabled executor can be asked.")
      return
    }
    var operation = OperationStart(kind: .probe)
    operation.name = action
    operation.key = start.idempotencyKey
    operation.body = start.call.arguments.canonicalBytes
    operation.deadlineMs = route.manifest.limits.operationTimeoutMs
    let outcome = await pool.run(operation, operation: .reading, route: route, mailbox: nil)
    metrics.operation(instance: route.key, kind: "probe", ending: outcome.name)
    guard case .success(let result) = outcome.result, result.status == .ok else {
      try await report(start, .unknown, [], .null, reason: "The executor could not be asked what became of it.")
      return
    }
    let json = (try? JSONValue(parsing: result.json)) ?? .null
    switch result.outcome {
    case 1: try await report(start, .done, [], json, reason: "A probe found it done.")
    case 2: try await report(start, .notStarted, [], json, reason: "A probe found that it had no effect.")
    default: try await report(start, .unknown, [], json, reason: "A probe could not tell.")
    }
  }

  private func report(
    _ start: EffectStart, _ outcome: Receipt.Outcome, _ requests: [Digest], _ result: JSONValue, reason: String?
  ) async throws {
    metrics.add("sluice_effects_total", 1, [("tenant", tenant.tenant.rawValue), ("outcome", outcome.rawValue)])
    let receipt = Receipt(
      permit: start.permit, proposal: start.proposal, outcome: outcome, result: result, requests: requests,
      reason: reason)
    let id = StableID.of("receipt", [start.permit.hex, Hex.encode(SystemSources.random(16))])
    try await keep(receipt, id)
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
    let order = Order(verb: .withdraw, target: action.hex, argument: refusal.message, by: nil)
    let id = StableID.of("order", ["withdraw", action.hex, Hex.encode(SystemSources.random(16))])
    try await tenant.applied(to: try await tenant.append(.order, order, id: id))
  }

  /// The executor of a tool and the action's name there.
  private func executor(of tool: String) async throws -> (InstanceRoute, String)? {
    guard let facts = try tenant.view({ try ToolFacts.activated(tool, $0) }), let route = await routes(facts.instance),
      let dot = tool.firstIndex(of: ".")
    else { return nil }
    return (route, String(tool[tool.index(after: dot)...]))
  }

  private static func version(of subject: Subject, _ view: any StateView) throws -> String? {
    subject.type == "opportunity" ? try WorldFacts(view).deal(subject.id)?.version : nil
  }

  /// Sleeps until the first action that waits for its time.
  private func wakeLater() async throws {
    let now = SystemSources.wallClockMs()
    guard let next = try tenant.view({ try ActionStage.nextTime(in: $0, nowMs: now) }) else { return }
    _ = pool.after(ms: max(next - now, 1)) { Task { await self.poke() } }
  }
}
