import ConnectorFabric
import Cryptography
import Domain
import PluginHost

extension ConnectorInstance {
  /// How long deliveries are received, in milliseconds, while a pull waits for its turn.
  private static let turnMs: Int64 = 1_000

  /// Gives the plugin the deliveries that wait for this instance, in order: all of them, or as many as its turn has time
  /// for. What comes of them becomes durable meanwhile; all of it is applied when this returns, so that none is given twice.
  /// - Returns: Whether some may be left that could have been given.
  func receiveDeliveries() async throws -> Bool {
    guard let stream = route.manifest.streams.last?.name, try !deliveries(after: .origin, countMax: 1).isEmpty else {
      return false
    }
    // They wait in the journal as well as anywhere.
    if let pause = tenant.intakePause() { throw pause }
    let line = DeliveryLine(route: route, workers: workers, tenant: tenant, metrics: metrics)
    async let taken: Void = line.run()
    let sinceMs = workers.clock.monotonicMs()
    do {
      var last = Position.origin
      while case let waiting = try deliveries(after: last, countMax: 200), let end = waiting.last, mayReceive(sinceMs) {
        for (position, delivery) in waiting where isDue(position) && mayReceive(sinceMs) {
          await line.room()
          try await receive(delivery, at: position, stream, line)
        }
        last = end.position
      }
    } catch {
      line.close()
      try await taken  // why the line broke, before what that led to
      throw error
    }
    line.close()
    try await taken
    return !mayReceive(sinceMs)
  }

  /// A backlog has no end while senders are faster than the plugin: who pauses the instance does not wait for it, and a pull
  /// that is due gets its turn.
  private func mayReceive(_ sinceMs: Int64) -> Bool {
    !isStopping && pausedFor == nil && !(isPullWaiting && workers.clock.monotonicMs() - sinceMs >= Self.turnMs)
  }

  private func deliveries(after position: Position, countMax: Int) throws -> [(position: Position, document: JSONValue)]
  {
    try tenant.view { try FabricStage.deliveries(for: route.instance, after: position, countMax: countMax, in: $0) }
  }

  private func isDue(_ position: Position) -> Bool {
    retries.isDue(position, nowMs: workers.clock.monotonicMs())
  }

  private func receive(
    _ delivery: JSONValue, at position: Position, _ stream: StreamName, _ line: DeliveryLine
  ) async throws {
    state = .running("receive")
    var start = OperationStart(delivery: delivery, at: position)
    start.deadlineMs = route.manifest.limits.operationTimeoutMs
    var intake = Intake(route, origin: .delivery(position))
    let result = try await run(start, isCommittedLater: true) { mailbox in
      while let events = await mailbox.takeAll() {
        try intake.add(events)
        try line.add(try intake.take(), of: mailbox)
      }
    }
    // A delivery that its plugin cannot take is tried again by itself, and stops nothing but itself.
    if let refusal = result.refusal { return try giveUp(position, stream, refusal, line) }
    do { try OperationEnding.check(result) } catch OperationEnding.faulty(let reason) {
      return try failed(position, stream, reason, line)
    } catch OperationEnding.upstream(let reason) {
      // It is none of the delivery's faults; but if the trouble is with this one alone, the others go first.
      retries.wait(position, nowMs: workers.clock.monotonicMs())
      throw OperationEnding.upstream(reason: reason)
    }
    // Whatever came of the delivery is taken: an empty batch says so, and it is done with.
    try line.end(with: try intake.empty(stream: stream))
    retries.forget(position)
  }

  private func failed(_ position: Position, _ stream: StreamName, _ reason: String, _ line: DeliveryLine) throws {
    if isStopping { return }
    switch retries.fail(position, reason, nowMs: workers.clock.monotonicMs()) {
    case .retry(let ms):
      log.warning(
        "instance.delivery_retries", "\(reason) Delivery \(position) is given again in \(ms) ms.", route.fields)
    case .park(let reason): try giveUp(position, stream, reason, line)
    }
  }

  /// Makes a dead letter of it, by an empty batch that says why.
  private func giveUp(_ position: Position, _ stream: StreamName, _ reason: String, _ line: DeliveryLine) throws {
    let intake = Intake(route, origin: .delivery(position))
    try line.end(with: try intake.empty(stream: stream, failure: String(reason.prefix(1_000))))
    retries.forget(position)
    metrics.add("sluice_deliveries_total", 1, [("instance", route.key), ("outcome", "dead_letter")])
    log.warning("instance.delivery_given_up", "Delivery \(position) is a dead letter: \(reason)", route.fields)
  }
}

/// Deliveries that failed: how often each, and when it is given again.
struct DeliveryRetries {
  private var failing: [Position: (faults: CrashLoop, waits: UpstreamBackOff, dueMs: Int64)] = [:]

  func isDue(_ position: Position, nowMs: Int64) -> Bool { failing[position].map { $0.dueMs <= nowMs } ?? true }

  /// How long until the next of them is due, in milliseconds; beyond all time when there is none.
  func untilNextMs(nowMs: Int64) -> Int64 { failing.values.map { max($0.dueMs - nowMs, 1) }.min() ?? .max }

  mutating func fail(_ position: Position, _ reason: String, nowMs: Int64) -> CrashLoop.Next {
    var faults = failing[position]?.faults ?? CrashLoop()
    let next = faults.fail(reason)
    if case .retry(let ms) = next {
      failing[position] = (faults, failing[position]?.waits ?? UpstreamBackOff(intervalMs: nil), nowMs + ms)
    }
    return next
  }

  /// The upstream's doing: it is given again for as long as that lasts.
  mutating func wait(_ position: Position, nowMs: Int64) {
    var waits = failing[position]?.waits ?? UpstreamBackOff(intervalMs: nil)
    let ms = waits.fail()
    failing[position] = (failing[position]?.faults ?? CrashLoop(), waits, nowMs + ms)
  }

  mutating func forget(_ position: Position) { failing[position] = nil }
}

extension WorkerPool.Outcome {
  /// What the plugin says of something that it will never take.
  fileprivate var refusal: String? {
    guard case .success(let result) = self.result, result.status == .permanent || result.status == .unsupported else {
      return nil
    }
    return result.message.isEmpty ? "The plugin gave no reason." : result.message
  }
}
