import ConnectorFabric
import Domain
import PluginHost

/// Turns an operation's events into journal entries, stream by stream: added as they come, taken when the journal is
/// ready for more. So what one commit holds is what came during the one before it.
struct Intake {
  struct Taken: Sendable {
    var entries: [IntakeAssembler.NewEntryContent] = []
    var checkpoints: [(StreamName, IntakeBatch.Checkpoint)] = []
    var records = 0
    var bytes = 0
    /// Of the checkpoints' states.
    var checkpointBytes = 0
    var durableTokens: [Int] = []
    var entryBytes: Int { entries.reduce(0) { $0 + $1.body.count } }
    var isEmpty: Bool { entries.isEmpty && durableTokens.isEmpty && bytes == 0 }
  }

  private let instance: InstanceID
  private let origin: IntakeBatch.Origin
  private let declared: Set<StreamName>
  private var taken = Taken()
  private var current: (stream: StreamName, assembler: IntakeAssembler)?

  init(_ route: InstanceRoute, origin: IntakeBatch.Origin) {
    instance = route.instance
    self.origin = origin
    declared = Set(route.manifest.streams.map(\.name))
  }

  mutating func add(_ events: [OperationSession.Event]) throws {
    for event in events {
      switch event {
      case .batch(let batch):
        try turn(to: batch.stream)
        current!.assembler.add(batch.records.map(IntakeAssembler.Raw.init))
        taken.records += batch.recordCount
        taken.bytes += batch.creditBytes
      case .checkpoint(let name, let checkpoint):
        let stream = try turn(to: name)
        current!.assembler.checkpoint(checkpoint)
        taken.checkpoints.append((stream, checkpoint))
        taken.checkpointBytes += checkpoint.stateHex.utf8.count / 2
      case .durableWanted(let token): taken.durableTokens.append(token)
      case .committed: break
      }
    }
  }

  /// Everything that was added since the last time.
  mutating func take() throws -> Taken {
    try flush()
    defer { taken = Taken() }
    return taken
  }

  @discardableResult
  private mutating func turn(to name: String) throws -> StreamName {
    let stream = try known(name)
    if current?.stream != stream {
      try flush()
      current = (stream, assembler(stream))
    }
    return stream
  }

  private mutating func flush() throws {
    guard var (_, assembler) = current else { return }
    taken.entries += try assembler.take(all: true)
    current = nil
  }

  func empty(stream: StreamName, failure: String? = nil) throws -> IntakeAssembler.NewEntryContent {
    try assembler(stream).empty(failure: failure)
  }

  private func assembler(_ stream: StreamName) -> IntakeAssembler {
    IntakeAssembler(instance: instance, stream: stream, origin: origin, random: SystemSources.random)
  }

  private func known(_ name: String) throws -> StreamName {
    guard let stream = StreamName(rawValue: name), declared.contains(stream) else {
      throw OperationEnding.faulty(
        reason: "The plugin emitted to the stream \"\(name.prefix(64))\", which its manifest does not declare.")
    }
    return stream
  }
}

extension IntakeAssembler.Raw {
  init(_ record: EmittedRecord) {
    self.init(
      isDelete: record.isDelete, eventTimeMs: record.eventTimeMs, sourceOrdinal: record.sourceOrdinal, key: record.key,
      sourceVersion: record.sourceVersion, payload: record.payload)
  }
}

/// What the end of an operation means for its instance.
enum OperationEnding: Error, Equatable {
  case pause(ms: Int64, reason: String)
  case park(reason: String)
  /// Parked until there is another credential.
  case credentialRefused(reason: String)
  case faulty(reason: String)
  /// The upstream's doing, however long it lasts: no fault of the plugin, and no reason to park it.
  case upstream(reason: String)

  var reason: String {
    switch self {
    case .pause(_, let reason), .park(let reason), .credentialRefused(let reason), .faulty(let reason),
      .upstream(let reason):
      reason
    }
  }

  /// While nothing is taken in, it is asked for again and again; nothing is wrong with the instance.
  init(_ pause: any OperatorError) { self = .pause(ms: 1_000, reason: pause.message) }

  /// Of what an operator set, it is said where to set it otherwise.
  private static func reason(_ failure: WorkerFailure) -> String {
    switch failure {
    case .hung, .overLimit, .maybeOutOfMemory: "[\(failure.code)] \(failure.message) \(failure.remedy)"
    default: failure.message
    }
  }

  /// Returns when the operation ended well.
  static func check(_ result: WorkerPool.Outcome) throws {
    if let refusal = result.credentialRefusal { throw OperationEnding.credentialRefused(reason: refusal) }
    let (wasHeldBack, trouble) = (result.wasHeldBack, result.upstreamTrouble)
    switch result.result {
    case .failure(let failure): throw OperationEnding.faulty(reason: Self.reason(failure))
    case .success(let result):
      let reason = result.reason
      switch result.status {
      case .ok: return
      case .config: throw OperationEnding.park(reason: "Its configuration cannot work: \(reason)")
      case .auth: throw OperationEnding.credentialRefused(reason: reason)  // told above
      case .permanent: throw OperationEnding.park(reason: reason)
      case .rateLimited: throw OperationEnding.pause(ms: result.retryAfterMs ?? 1_000, reason: reason)
      case .transient where trouble != nil: throw OperationEnding.upstream(reason: reason)
      case .transient: throw OperationEnding.faulty(reason: reason)
      // The host's own doing, however long it lasts: no fault of the plugin.
      case .cancelled where wasHeldBack:
        throw OperationEnding.pause(ms: 5_000, reason: "Its requests waited for their turn until its deadline.")
      case .cancelled where trouble != nil:
        throw OperationEnding.upstream(reason: "Its upstream gave no proper answer until the deadline: \(trouble!).")
      case .cancelled: throw OperationEnding.faulty(reason: "The operation was cancelled at its deadline.")
      case .bug, .unsupported: throw OperationEnding.faulty(reason: "The plugin is wrong: \(reason)")
      }
    }
  }
}
