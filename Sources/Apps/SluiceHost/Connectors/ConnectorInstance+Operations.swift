import ConnectorFabric
import Cryptography
import Domain
import PluginHost

// How an operation is run, and a pull.
extension ConnectorInstance {
  func pull(_ stream: StreamName) async throws {
    var start = OperationStart(kind: .pull)
    start.name = stream.rawValue
    start.deadlineMs = route.manifest.limits.operationTimeoutMs
    if let checkpoint = try checkpoint(of: stream) {
      start.state = Hex.decode(checkpoint.stateHex) ?? []
      start.stateVersion = checkpoint.stateVersion
    }
    var durable: [StreamName: IntakeBatch.Checkpoint] = [:]
    defer { checkpoints.merge(durable) { $1 } }
    let result = try await run(start, allowed: .pulling) { mailbox in
      let commits = IntakeCommits(route: route, workers: workers, tenant: tenant, metrics: metrics, mailbox: mailbox)
      try await commits.run(durable: &durable)
    }
    try OperationEnding.check(result)
  }

  func checkpoint(of stream: StreamName) throws -> IntakeBatch.Checkpoint? {
    if let known = checkpoints[stream] { return known }
    return try tenant.view { try FabricStage.checkpoint(of: route.instance, stream: stream, in: $0) }
  }

  /// Runs an operation that emits, beside what takes in what it emits.
  /// - Parameters:
  ///   - allowed: What it may ask its upstream for.
  ///   - isCommittedLater: Whether somebody else goes on with what is taken in when this has returned.
  func run(
    _ start: OperationStart, allowed: RequestRules.Operation = .reading, isCommittedLater: Bool = false,
    _ takeIn: (Mailbox<OperationSession.Event>) async throws -> Void
  ) async throws -> WorkerPool.Outcome {
    let mailbox = Mailbox<OperationSession.Event>()
    // What a dry run pulls is no pull.
    let kind = route.isDryRun ? "dry_run" : "\(start.kind)"
    async let ending = workers.run(
      start, operation: allowed, route: route, mailbox: mailbox)
    do { try await takeIn(mailbox) } catch {
      workers.cancel(route)
      mailbox.close()
      _ = await ending
      workers.abandon(mailbox)
      metrics.operation(instance: route.key, kind: kind, ending: "not_taken")
      throw error
    }
    let result = await ending
    if !isCommittedLater { workers.abandon(mailbox) }
    metrics.operation(instance: route.key, kind: kind, ending: "\(result.name)")
    return result
  }
}
