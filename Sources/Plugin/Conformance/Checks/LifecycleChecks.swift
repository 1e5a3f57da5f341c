import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

// C: order of calls, threads, memory.
extension Check {
  static let lifecycle = ordering + holding

  private static let ordering: [Check] = [
    Check(
      "operations-any-order", .basic, "ABI-3.3", "Operations come in any order, one after the other, in one worker."
    ) { stand in
      let live = try await stand.ready()
      for round in 1...2 {
        try await stand.operation(.check, live).succeeded("Check \(round)")
        if stand.subject.isSource { try await stand.operation(.discover, live).succeeded("Discover \(round)") }
        for stream in stand.subject.isSource ? stand.streams.reversed() : [] {
          try await stand.pull(live, stream).succeeded("Pull \(round) of \(stream)")
        }
        for call in stand.subject.isExecutor ? stand.subject.fixtures.calls : [] {
          for kind in [OperationStart.Kind.probe, .execute, .dryRun] {
            let observed = try await stand.act(kind, live, call, key: "key-\(round)-\(call.action)").alive(
              "\(kind) \(round) of \(call.action)")
            guard kind != .execute || observed.outcome == 1 else {
              throw Fault("\(call.action), round \(round), ended with \(observed.ending)\(observed.words).")
            }
          }
        }
      }
      return .fine
    },
    Check("illegal-order", .standard, "ABI-7.7", "What it does not have it refuses with a class and words.") { stand in
      let live = try await stand.ready()
      if stand.subject.isSource {
        let unknown = await stand.pull(live, "no-such-stream")
        try unknown.failed("A pull of a stream that does not exist", with: [.config, .permanent])
        guard unknown.records.isEmpty else { throw Fault("It gave records of a stream that does not exist.") }
      } else {
        let call = Fixtures.Call(action: "no_such_action", input: [:])
        let observed = try await stand.act(.execute, live, call).alive("An action that does not exist")
        guard observed.outcome == 2 || [.config, .permanent].contains(observed.status) else {
          throw Fault("An action that does not exist ended with \(observed.ending).")
        }
      }
      try await stand.operation(.check, live).succeeded("A check after that")
      return .fine
    },
    Check(
      "init-error-clean", .standard, "ABI-3.1",
      "A configuration of another shape is refused or ignored; nothing breaks."
    ) { stand in
      let wrong: [JSONValue] = [
        [:], ["unknown": "field"],
        .object(Dictionary(uniqueKeysWithValues: (stand.subject.config.object ?? [:]).map { ($0.key, .null) })),
        .object(
          Dictionary(uniqueKeysWithValues: (stand.subject.config.object ?? [:]).map { ($0.key, .array([[:], 1])) })),
        ["nested": .array(Array(repeating: ["deep": .array([.null])], count: 200))],
      ]
      for config in wrong {
        var setup = Stand.Setup()
        setup.config = config
        do { await stand.end(try await stand.worker(setup)) } catch WorkerFailure.configureRefused {
          continue
        } catch let failure as WorkerFailure {
          throw Fault("Given \(config.canonicalText.prefix(80)): \(failure.message)", kind: Stand.kind(failure))
        }
      }
      return .fine
    },
    Check("host-call-in-create-refused", .basic, "ABI-3.1", "create() makes no requests and emits nothing.") { stand in
      try await stand.watches([.calls], for: "create")
    },
    Check("call-arguments", .basic, "ABI-5.15", "No call of the host is answered INVALID or STATE.") { stand in
      try await stand.watches([.calls], for: "call")
    },
    Check("object-validity", .standard, "ABI-3.2", "It passes the host's own table back, and nothing else.") { stand in
      try await stand.watches([.calls], for: "object")
    },
    Check(
      "thread-tags", .standard, "ABI-5.17",
      "Calls come from one thread at a time, and no thread is started without a grant."
    ) { stand in
      let finding = try await stand.watches([.calls], for: "thread")
      let live = try await stand.ready()
      try await stand.operation(.check, live).succeeded("A check")
      guard let threads = live.threadCount else { return .warning("The worker's threads could not be counted.") }
      let granted = stand.subject.manifest.limits.threads
      guard threads <= 1 + granted else { throw Fault("\(threads - 1) threads run; the manifest grants \(granted).") }
      return finding
    },
    Check("absent-extension-tolerated", .standard, "ABI-6.14", "Without an extension it works, or says so.") { stand in
      for granted in [[], ["sluice.http/1"], ["sluice.rate-hint/1"]] {
        var setup = Stand.Setup()
        setup.extensions = granted
        let live: LiveWorker
        do { live = try await stand.worker(setup) } catch WorkerFailure.configureRefused { continue }
        let what = granted.isEmpty ? "no extension" : "nothing but \(granted[0])"
        let observed = try await stand.operation(.check, live).alive("A check with \(what)")
        guard observed.isOK || OperationResult.Status.typed.contains(observed.status!) else {
          throw Fault("A check with \(what) ended with \(observed.ending).")
        }
        if stand.subject.isSource, let stream = stand.streams.first {
          let pulled = try await stand.pull(live, stream).alive("A pull with \(what)")
          guard pulled.isOK || OperationResult.Status.typed.contains(pulled.status!) else {
            throw Fault("A pull with \(what) ended with \(pulled.ending).")
          }
        }
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "borrowed-slices-poisoned", .hardened, "ABI-5.13", "It keeps nothing of the host's memory longer than it may."
    ) { stand in
      var setup = Stand.Setup()
      setup.checking = [.poison]
      let plain = try await stand.everything(Stand.Setup())
      let twin = try stand.twin()
      let spoiled = try await twin.everything(setup).filter { $0.violation() == nil }
      await twin.close()
      guard plain == spoiled else {
        throw Fault(
          "With the host's memory overwritten after its time the plugin did something else: \(Stand.difference(plain, spoiled))."
        )
      }
      return .fine
    },
    Check(
      "unknown-answers", .standard, "ABI-5.16",
      "A call of the host that is answered as no header says, whichever it is, is a failure and never taken for done."
    ) { stand in
      var counting = Stand.Setup()
      counting.failAt = 0
      for (stream, whole) in stand.subject.isSource ? try await stand.pullAll(counting) : [] {
        for place in stand.some(Array(1...max(1, whole.hostCalls)), 16) {
          try await stand.failsAt(place, stream, whole)
        }
      }
      for call in stand.subject.isExecutor ? stand.subject.fixtures.calls : [] {
        let whole = try await stand.act(.execute, try await stand.ready(counting), call).alive(call.action)
        for place in stand.some(Array(1...max(1, whole.hostCalls)), 8) { try await stand.failsAt(place, call) }
      }
      return .fine
    },
    Check("input-not-modified", .standard, "ABI-5.14", "It changes nothing that the host lent it.") { stand in
      try await stand.watches([.calls], for: "input")
    },
  ]
}

extension Stand {
  /// A pull whose so-manieth call of the host fails. Nothing of that call was taken.
  fileprivate func failsAt(_ place: Int, _ stream: String, _ whole: Observed) async throws(Fault) {
    var setup = Setup()
    setup.failAt = place
    let live = try await ready(setup)
    let what = "A pull of \(stream) whose call \(place) of the host failed"
    let cut = try await pull(live, stream).alive(what)
    await end(live)
    guard cut.isOK else { return }
    // It went on without it: then it was of no weight.
    let came = Content([cut]).versions
    let missing = Content([whole]).versions.values.filter { came[$0.key] == nil }.map(\.keyText).sorted()
    guard missing.isEmpty else { throw Fault("\(what) ended with OK, and \(listed(missing)) never came.") }
    guard cut.checkpoints.count >= whole.checkpoints.count else {
      throw Fault("\(what) ended with OK, and without one of its checkpoints.")
    }
  }

  fileprivate func failsAt(_ place: Int, _ call: Fixtures.Call) async throws(Fault) {
    var setup = Setup()
    setup.failAt = place
    let live = try await ready(setup)
    let before = upstream.effects
    let what = "\(call.action), whose call \(place) of the host failed,"
    let observed = try await act(.execute, live, call, key: "key-\(call.action)-fails-\(place)").alive(what)
    await end(live)
    guard observed.outcome != 1 || upstream.effects > before else {
      throw Fault("\(what) said that it is done; nothing was written.")
    }
  }

  /// Does everything once, with the worker watching, and throws what it found of one kind.
  func watches(_ what: [WorkerSpec.Checking], for kind: String) async throws(Fault) -> Finding {
    var setup = Setup()
    setup.checking = what
    let found = try await everything(setup).compactMap { $0.violation(of: kind) }
    guard found.isEmpty else { throw Fault(listed(Array(Set(found)).sorted())) }
    return .fine
  }

  /// Everything that the fixtures allow, in one worker: what it did, in order. Nothing may break; answers are not judged.
  func everything(_ setup: Setup) async throws(Fault) -> [Observed.Event] {
    let live = try await ready(setup)
    var events = try await operation(.check, live).alive("A check").events
    if subject.isSource {
      events += try await operation(.discover, live).alive("Discover").events
      for stream in streams {
        let first = try await pull(live, stream).alive("A pull of \(stream)")
        events += first.events
        events += try await pull(live, stream, from: first.checkpoints.last).alive("A second pull of \(stream)").events
      }
      for delivery in subject.fixtures.deliveries {
        events += try await deliver(live, delivery).alive("The delivery \(delivery.id)").events
      }
    }
    for call in subject.fixtures.calls where subject.isExecutor {
      for kind in [OperationStart.Kind.dryRun, .execute, .probe] {
        events += try await act(kind, live, call).alive("\(call.action)").events
      }
    }
    await end(live)
    return events
  }

  static func difference(_ left: [Observed.Event], _ right: [Observed.Event]) -> String {
    for (index, (one, other)) in zip(left, right).enumerated() where one != other {
      return
        "call \(index + 1) was \(String(describing: other).prefix(200)), not \(String(describing: one).prefix(200))"
    }
    return "\(right.count) calls, not \(left.count)"
  }
}
