import ConnectorFabric
import Cryptography
import Domain
import PluginHost

// What a new version of a plugin is asked before it takes over.
extension ConnectorInstance {
  /// Meanwhile the instance does nothing, or somebody waits: no answer takes longer.
  var trialTimeoutMs: Int { min(route.manifest.limits.operationTimeoutMs, 30_000) }

  /// Whether it starts with its configuration. Its upstream may be down: that is no fault of the version.
  /// - Throws: `UpgradeError.doesNotWork`.
  func tries() async throws {
    var start = OperationStart(kind: .check)
    start.deadlineMs = trialTimeoutMs
    let outcome = try await run(start) { mailbox in while await mailbox.takeAll() != nil {} }
    switch outcome.result {
    case .success(let result) where result.status == .config:
      throw UpgradeError.doesNotWork(version: route.manifest.version, reason: "\(result.message) [\(result.code)]")
    case .success: return
    case .failure(let failure): throw UpgradeError.doesNotWork(version: route.manifest.version, reason: failure.message)
    }
  }

  /// What this version makes of another one's checkpoint, with `sluice.state-migrate/1` (ABI-6.16).
  /// - Returns: nil when it has no such extension, and takes states as they are.
  /// - Throws: `UpgradeError.notMigrated`.
  func migrated(_ old: IntakeBatch.Checkpoint, of stream: StreamName) async throws -> IntakeBatch.Checkpoint? {
    var start = OperationStart(kind: .migrate)
    start.name = stream.rawValue
    start.state = Hex.decode(old.stateHex) ?? []
    start.stateVersion = old.stateVersion
    start.deadlineMs = trialTimeoutMs
    var found: IntakeBatch.Checkpoint?
    var isOdd = false
    let outcome = try await run(start) { mailbox in
      while let events = await mailbox.takeAll() {
        for event in events {
          switch event {
          case .checkpoint(stream: stream.rawValue, let checkpoint): found = checkpoint
          case .durableWanted(let token):
            workers.complete(route, mailbox, Intake.Taken(durableTokens: [token]))
          case .batch, .checkpoint: isOdd = true
          case .committed: break
          }
        }
      }
    }
    func refused(_ reason: String) -> UpgradeError {
      .notMigrated(stream: stream.rawValue, stateVersion: old.stateVersion, reason: reason)
    }
    switch outcome.result {
    case .failure(let failure): throw refused(failure.message)
    case .success(let result) where result.status == .unsupported: return nil
    case .success(let result) where result.status != .ok: throw refused("\(result.message) [\(result.code)]")
    case .success:
      guard !isOdd else { throw refused("it emitted something else than this stream's checkpoint") }
      guard let found else { throw refused("it handed no checkpoint over") }
      return found
    }
  }
}
