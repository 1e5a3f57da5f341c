import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import PluginHost

/// What a pull brought that nothing is kept of.
struct DryPull: Sendable {
  /// What is new, as it would have been journaled, as far as it was asked for.
  private(set) var records: [IntakeRecord] = []
  /// How many it brought that were delivered before.
  private(set) var knownCount = 0
  private(set) var bytes = 0
  let recordsMax: Int
  /// Of payloads.
  let bytesMax: Int
  private let isKnown: @Sendable (IntakeRecord) throws -> Bool
  init(recordsMax: Int, bytesMax: Int, isKnown: @escaping @Sendable (IntakeRecord) throws -> Bool) {
    self.recordsMax = recordsMax
    self.bytesMax = bytesMax
    self.isKnown = isKnown
  }

  /// More came than was asked for; the rest of the stream was not asked for.
  var isCutOff: Bool { records.count >= recordsMax || bytes >= bytesMax }

  mutating func add(_ taken: Intake.Taken) throws {
    for entry in taken.entries {
      for record in try IntakeBatch.decode(entry.body).records where !isCutOff {
        if try isKnown(record) {
          knownCount += 1
        } else {
          records.append(record)
          bytes += record.payload.count
        }
      }
    }
  }
}

// What a plugin is asked without anything coming of it: no record is taken in, no checkpoint kept, and its upstream is
// neither written to nor told to forget.
extension ConnectorInstance {
  /// Whether it can work: its configuration, its credential, its upstream.
  func dryCheck() async throws -> WorkerPool.Outcome {
    var start = OperationStart(kind: .check)
    start.deadlineMs = trialTimeoutMs
    return try await run(start) { mailbox in while await mailbox.takeAll() != nil {} }
  }

  /// Adds to `pull` what one of a stream would bring next.
  func dryPull(
    _ stream: StreamName, from checkpoint: IntakeBatch.Checkpoint?, into pull: inout DryPull
  ) async throws -> WorkerPool.Outcome {
    var start = OperationStart(kind: .pull)
    start.name = stream.rawValue
    start.deadlineMs = trialTimeoutMs
    if let checkpoint {
      start.state = Hex.decode(checkpoint.stateHex) ?? []
      start.stateVersion = checkpoint.stateVersion
    }
    var intake = Intake(route, origin: .pull)
    return try await run(start) { mailbox in
      while let events = await mailbox.takeAll() {
        try intake.add(events)
        let taken = try intake.take()
        try pull.add(taken)
        // Nobody acknowledges anything by it: to its upstream, a dry run may not say so.
        if pull.isCutOff { workers.cancel(route) } else { workers.complete(route, mailbox, taken) }
      }
    }
  }

  /// What an executor says that a call would do.
  func dryRun(_ action: String, _ arguments: JSONValue) async throws -> WorkerPool.Outcome {
    var start = OperationStart(kind: .dryRun)
    start.name = action
    start.key = "dry-run-" + Hex.encode(SystemSources.random(16))
    start.body = arguments.canonicalBytes
    start.deadlineMs = trialTimeoutMs
    return try await run(start) { mailbox in while await mailbox.takeAll() != nil {} }
  }
}
