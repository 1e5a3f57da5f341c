import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

// What most checks do with a plugin.
extension Stand {
  var streams: [String] { subject.manifest.streams.map(\.name.rawValue) }

  /// A worker that is ready. One that starts as it should, and not as a check asks, is wrong; one that does not start at all
  /// is told of by `load-rtld-now` and `configure-ok` alone.
  func ready(_ setup: Setup = Setup()) async throws(Fault) -> LiveWorker {
    do { return try await worker(setup) } catch {
      let failure = error as? WorkerFailure
      let reason = "It did not start: \(failure?.message ?? "\(error)")"
      if !setup.isPlain, let plain = try? await worker() {
        await end(plain)
        throw Fault(reason, kind: failure.map(Self.kind) ?? .failed)
      }
      throw Fault(reason, kind: .notStarted)
    }
  }

  static func kind(_ failure: WorkerFailure) -> Fault.Kind {
    switch failure {
    case .died, .brokeProtocol, .exceededCredit: .crashed
    case .hung: .hung
    case .loadFailed, .notStarted: .notStarted
    default: .failed
    }
  }

  func pull(
    _ live: LiveWorker, _ stream: String, from: Observed.Checkpoint? = nil, _ conduct: Conduct = Conduct()
  ) async -> Observed {
    var start = OperationStart(kind: .pull)
    start.name = stream
    start.state = from?.state ?? []
    start.stateVersion = from?.version ?? 0
    return await run(live, start, conduct, as: .pulling)
  }

  func operation(_ kind: OperationStart.Kind, _ live: LiveWorker, _ conduct: Conduct = Conduct()) async -> Observed {
    await run(live, OperationStart(kind: kind), conduct)
  }

  /// Every stream from its beginning, in a worker of its own, in the manifest's order.
  func pullAll(_ setup: Setup = Setup(), _ conduct: Conduct = Conduct()) async throws(Fault) -> [(
    stream: String, Observed
  )] {
    let live = try await ready(setup)
    var all: [(stream: String, Observed)] = []
    for stream in streams {
      all.append((stream, try await pull(live, stream, conduct).succeeded("A pull of \(stream)")))
    }
    await end(live)
    return all
  }

  /// Goes on from a checkpoint in a new worker, until the plugin has caught up.
  func resume(_ stream: String, from: Observed.Checkpoint?) async throws(Fault) -> Observed {
    let live = try await ready()
    let observed = try await pull(live, stream, from: from).succeeded("A pull of \(stream) from a checkpoint")
    await end(live)
    return observed
  }

  func deliver(_ live: LiveWorker, _ delivery: Fixtures.Delivery, _ conduct: Conduct = Conduct()) async -> Observed {
    var start = OperationStart(kind: .receive)
    start.name = delivery.id
    start.headers = delivery.headers
    start.body = delivery.body
    start.timeMs = Self.epochMs
    return await run(live, start, conduct)
  }

  /// One call of an action, as a permit would have it.
  func act(
    _ kind: OperationStart.Kind, _ live: LiveWorker, _ call: Fixtures.Call, key: String = "key-1",
    version: String? = nil,
    _ conduct: Conduct = Conduct()
  ) async -> Observed {
    var start = OperationStart(kind: kind)
    start.name = call.action
    start.key = key
    start.body = call.input.canonicalBytes
    let operation: RequestRules.Operation =
      kind == .execute
      ? .executing(action: call.action, arguments: call.input, key: key, targetVersion: version) : .reading
    return await run(live, start, conduct, as: operation)
  }
}

/// The last version of every key of a stream: what counts when records come twice.
struct Content: Equatable, Sendable {
  private(set) var versions: [[UInt8]: Observed.Record] = [:]

  init(_ observed: [Observed]) { for one in observed { add(one.records) } }
  mutating func add(_ records: [Observed.Record]) { for record in records { versions[record.key] = record } }

  /// What the other one has and this one lacks, or has otherwise.
  func missing(of other: Content) -> [String] {
    other.versions.values.filter {
      versions[$0.key]?.payload != $0.payload || versions[$0.key]?.isDelete != $0.isDelete
    }
    .map(\.keyText).sorted()
  }
}

func listed(_ names: [String], _ most: Int = 5) -> String {
  names.prefix(most).joined(separator: ", ") + (names.count > most ? " and \(names.count - most) more" : "")
}
