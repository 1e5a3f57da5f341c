import ConnectorFabric
import Domain
import PluginHost

/// Turns an operation's events into journal entries, stream by stream.
struct Intake {
  struct Taken {
    var entries: [IntakeAssembler.NewEntryContent] = []
    var checkpoints: [(StreamName, IntakeBatch.Checkpoint)] = []
    var records = 0
    var bytes = 0
    var durableTokens: [Int] = []
  }

  private let instance: InstanceID
  private let origin: IntakeBatch.Origin
  private let declared: Set<StreamName>

  init(instance: InstanceID, origin: IntakeBatch.Origin, declared: Set<StreamName>) {
    self.instance = instance
    self.origin = origin
    self.declared = declared
  }

  mutating func take(_ events: [OperationSession.Event]) throws -> Taken {
    var taken = Taken()
    var current: (stream: StreamName, assembler: IntakeAssembler)?
    func flush(_ taken: inout Taken) throws {
      guard var (_, assembler) = current else { return }
      taken.entries += try assembler.take(all: true)
      current = nil
    }
    for event in events {
      switch event {
      case .batch(let batch):
        let stream = try known(batch.stream)
        if current?.stream != stream {
          try flush(&taken)
          current = (stream, assembler(stream))
        }
        current!.assembler.add(batch.records.map(IntakeAssembler.Raw.init))
        taken.records += batch.recordCount
        taken.bytes += batch.creditBytes
      case .checkpoint(let name, let checkpoint):
        let stream = try known(name)
        if current?.stream != stream {
          try flush(&taken)
          current = (stream, assembler(stream))
        }
        current!.assembler.checkpoint(checkpoint)
        taken.checkpoints.append((stream, checkpoint))
      case .durableWanted(let token): taken.durableTokens.append(token)
      }
    }
    try flush(&taken)
    return taken
  }

  func empty(stream: StreamName) throws -> IntakeAssembler.NewEntryContent { try assembler(stream).empty() }

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
  case faulty(reason: String)

  /// Returns when the operation ended well.
  static func check(_ result: WorkerPool.Outcome) throws {
    switch result.result {
    case .failure(let failure): throw OperationEnding.faulty(reason: failure.message)
    case .success(let result):
      let reason = result.message.isEmpty ? "The plugin gave no reason." : result.message
      switch result.status {
      case .ok: return
      case .config: throw OperationEnding.park(reason: "Its configuration cannot work: \(reason)")
      case .auth: throw OperationEnding.park(reason: "The upstream refused the credential: \(reason)")
      case .permanent: throw OperationEnding.park(reason: reason)
      case .rateLimited: throw OperationEnding.pause(ms: result.retryAfterMs ?? 1_000, reason: reason)
      case .transient: throw OperationEnding.faulty(reason: reason)
      case .cancelled: throw OperationEnding.faulty(reason: "The operation was cancelled at its deadline.")
      case .bug, .unsupported: throw OperationEnding.faulty(reason: "The plugin is wrong: \(reason)")
      }
    }
  }
}
