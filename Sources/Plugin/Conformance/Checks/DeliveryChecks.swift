import ConnectorFabric
import Domain
import PluginHost

// E: crashes, credit, cancelling.
extension Check {
  static let delivery: [Check] = [
    Check(
      "kill9-sweep", .standard, "ABI-3.2", "Killed at any call, it loses nothing when it starts again.",
      unless: Subject.isNoSource
    ) { stand in
      for (stream, whole) in try await stand.pullAll() {
        for place in stand.some(Array(1...max(1, whole.callCount)), 10) {
          var conduct = Conduct()
          conduct.killAt = place
          let live = try await stand.ready()
          let cut = await stand.pull(live, stream, conduct)
          await stand.end(live)
          let durable = cut.before(checkpoint: cut.checkpoints.count - 1)
          let rest = try await stand.resume(stream, from: cut.checkpoints.last)
          let missing = Content([durable, rest]).missing(of: Content([whole]))
          guard missing.isEmpty else {
            throw Fault("\(stream): killed at call \(place), \(listed(missing)) never came.")
          }
        }
      }
      return .fine
    },
    Check(
      "prune-sweep", .standard, "ABI-5.7",
      "Killed at any call while its upstream forgets what it is told to, it loses nothing.",
      unless: Subject.forgetsNothing
    ) { stand in
      for (stream, whole) in try await stand.pullAll() {
        for place in stand.some(Array(1...max(1, whole.callCount)), 16) {
          // Each time another upstream: what was told to the one before may still be on its way.
          let one = try stand.twin()
          one.upstream.forgets()
          var conduct = Conduct()
          conduct.killAt = place
          let cut = await one.pull(try await one.ready(), stream, conduct)
          let durable = cut.before(checkpoint: cut.checkpoints.count - 1)
          let rest = try await one.resume(stream, from: cut.checkpoints.last)
          await one.close()
          let missing = Content([durable, rest]).missing(of: Content([whole]))
          guard missing.isEmpty else {
            throw Fault("\(stream): killed at call \(place), its upstream had forgotten \(listed(missing)).")
          }
        }
      }
      return .fine
    },
    Check(
      "ack-delayed", .standard, "ABI-5.7", "While durability is waited for it can be cancelled.",
      unless: Subject.isNoSource
    ) { stand in
      var waited = false
      for stream in stand.streams {
        var conduct = Conduct()
        conduct.isDurable = false
        conduct.cancelAfterMs = 300
        let live = try await stand.ready()
        let observed = try await stand.pull(live, stream, conduct).alive(
          "A pull of \(stream) whose records never become durable")
        waited = waited || observed.events.contains(.waitedUntilDurable)
        guard observed.isOK || observed.status == .cancelled else {
          throw Fault("It ended with \(observed.ending)\(observed.words).")
        }
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "credit-scarce", .standard, "ABI-5.5",
      "Given credit late, one record or few bytes at a time, it gives everything.",
      unless: Subject.isNoSource
    ) { stand in
      let bytes = stand.subject.manifest.limits.recordBytesMax
      try await stand.underCredit(.noneFor(ms: 250), "no credit for a while")
      try await stand.underCredit(.little(records: 1, bytes: bytes), "credit for one record")
      try await stand.underCredit(.little(records: 100_000, bytes: bytes), "credit for few bytes")
      return .fine
    },
    Check(
      "credit-never", .standard, "ABI-5.2", "A pull that gets no credit ends when it is cancelled.",
      unless: Subject.isNoSource
    ) { stand in
      for stream in stand.streams {
        var conduct = Conduct()
        conduct.credit = .none
        conduct.cancelAfterMs = 200
        let live = try await stand.ready()
        let observed = try await stand.pull(live, stream, conduct).alive(
          "A pull of \(stream) without credit, cancelled")
        guard observed.isOK || observed.status == .cancelled else {
          throw Fault("It ended with \(observed.ending)\(observed.words).")
        }
        try await stand.pull(live, stream).succeeded("A pull of \(stream) after that, in the same worker")
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "slow-consumer-memory-flat", .standard, "ABI-5.5", "Held back, it does not gather what it cannot give.",
      unless: Subject.isNoSource
    ) { stand in
      let live = try await stand.ready()
      for stream in stand.streams { try await stand.pull(live, stream).succeeded("A pull of \(stream)") }
      let before = live.mostResidentBytes
      for stream in stand.streams {
        var conduct = Conduct()
        conduct.credit = .little(records: 1, bytes: stand.subject.manifest.limits.recordBytesMax)
        try await stand.pull(live, stream, conduct).succeeded("A slow pull of \(stream)")
      }
      guard let before, let after = live.mostResidentBytes else {
        return .warning("The worker's memory could not be read.")
      }
      guard after - before <= 2 << 20 else {
        throw Fault("Held back, its memory grew by \((after - before) >> 10) KiB.")
      }
      return .fine
    },
    Check(
      "cancel-each-call", .standard, "ABI-5.2", "Cancelled at any call, it stops within its grace and can work again."
    ) { stand in
      let live = try await stand.ready()
      for stream in stand.subject.isSource ? stand.streams : [] {
        let whole = try await stand.pull(live, stream).succeeded("A pull of \(stream)")
        for place in stand.some(Array(1...max(1, whole.callCount)), 8) {
          var conduct = Conduct()
          conduct.cancelAt = place
          let observed = try await stand.pull(live, stream, conduct).alive("\(stream): cancelled at call \(place)")
          guard observed.isOK || observed.status == .cancelled else {
            throw Fault(
              "\(stream): cancelled at call \(place) it ended with \(observed.ending)\(observed.words), not CANCELLED.")
          }
        }
      }
      for call in stand.subject.isExecutor ? stand.subject.fixtures.calls : [] {
        try await stand.cancelsAtEachCall(call, live)
      }
      try await stand.operation(.check, live).succeeded("A check after that, in the same worker")
      return .fine
    },
    Check(
      "cancel-in-request", .standard, "ABI-5.2",
      "Cancelled while the upstream says nothing, it stops within its grace.",
      unless: Subject.asksNobody
    ) { stand in
      stand.upstream.behaves { _, _ in UpstreamAnswer(manner: .silent) }
      let live = try await stand.ready()
      var conduct = Conduct()
      conduct.cancelAfterMs = 200
      for (what, observed) in try await stand.asking(live, conduct) {
        try observed.alive("\(what) of a silent upstream, cancelled")
        guard observed.requestCount > 0 else { continue }
        guard observed.status == .cancelled else {
          throw Fault(
            "\(what): cancelled while the upstream was silent it ended with \(observed.ending)\(observed.words).")
        }
      }
      stand.upstream.behaves(nil)
      try await stand.operation(.check, live).succeeded("A check after that, in the same worker")
      return .fine
    },
    Check(
      "deadline-passed", .standard, "ABI-5.2", "Past its deadline an operation ends, and the worker can work again.",
      unless: Subject.asksNobody
    ) { stand in
      stand.upstream.behaves { _, _ in UpstreamAnswer(manner: .silent) }
      let live = try await stand.ready()
      var conduct = Conduct()
      conduct.deadlineMs = 200
      let observed = try await stand.operation(.check, live, conduct).alive("A check past its deadline")
      guard observed.requestCount == 0 || observed.status == .cancelled else {
        throw Fault("A check past its deadline ended with \(observed.ending)\(observed.words), not CANCELLED.")
      }
      stand.upstream.behaves(nil)
      try await stand.operation(.check, live).succeeded("A check after that, in the same worker")
      return .fine
    },
    Check(
      "oversize-record", .standard, "ABI-5.5",
      "A record that is too large is refused by name; nothing hangs or breaks.", unless: Subject.isNoSource
    ) { stand in
      for (stream, whole) in try await stand.pullAll() {
        guard let largest = whole.records.map({ $0.payload.count + $0.key.count + $0.version.count + 32 }).max() else {
          continue
        }
        var setup = Stand.Setup()
        setup.recordBytesMax = max(64, largest - 1)
        let live = try await stand.ready(setup)
        let observed = try await stand.pull(live, stream).alive("A pull of \(stream) with a record that is too large")
        guard observed.isOK || [.permanent, .config].contains(observed.status) else {
          throw Fault("\(stream): a record that is too large ended with \(observed.ending)\(observed.words).")
        }
        if !observed.isOK, (try? observed.result.get().message.isEmpty) != false {
          throw Fault("\(stream): it does not say that a record is too large.")
        }
        if observed.isOK, Content([observed]).versions.count == Content([whole]).versions.count { continue }
        if observed.isOK, !observed.events.contains(where: { if case .log = $0 { true } else { false } }) {
          throw Fault("\(stream): a record that is too large was left out in silence.")
        }
        await stand.end(live)
      }
      return .fine
    },
  ]
}

extension Subject {
  static let forgetsNothing: @Sendable (Subject) -> String? = { subject in
    if let reason = isNoSource(subject) { return reason }
    guard subject.manifest.requests.contains(where: { $0.effect == .ack }) else {
      return "It lets its upstream forget nothing."
    }
    return subject.fixtures.rules.contains { $0.until != nil }
      ? nil : "The fixtures say of nothing until when it is kept."
  }
}

extension Stand {
  /// Of a call that was cancelled nobody may say that it was refused: it was not done, or nobody knows, or it was done.
  func cancelsAtEachCall(_ call: Fixtures.Call, _ live: LiveWorker) async throws(Fault) {
    for kind in [OperationStart.Kind.dryRun, .execute, .probe] {
      let whole = try await act(kind, live, call, key: "key-\(call.action)-whole").alive("\(kind) of \(call.action)")
      for place in some(Array(1...max(1, whole.callCount)), 8) {
        var conduct = Conduct()
        conduct.cancelAt = place
        let observed = try await act(kind, live, call, key: "key-\(call.action)-\(place)", conduct).alive(
          "\(kind) of \(call.action), cancelled at call \(place)")
        let isRight =
          observed.status == .cancelled || observed.outcome == 1
          || (kind == .execute ? observed.outcome == 4 : observed.outcome == whole.outcome || observed.outcome == 3)
        guard isRight else {
          throw Fault(
            "\(kind) of \(call.action), cancelled at call \(place), ended with \(observed.ending)\(observed.words).")
        }
      }
    }
  }

  func underCredit(_ credit: Conduct.Credit, _ what: String) async throws(Fault) {
    for (stream, whole) in try await pullAll() {
      var conduct = Conduct()
      conduct.credit = credit
      conduct.deadlineMs = 10_000
      let live = try await ready()
      let observed = try await pull(live, stream, conduct).succeeded("A pull of \(stream) with \(what)")
      await end(live)
      guard observed.records == whole.records else {
        throw Fault(
          "\(stream): with \(what) it gave \(observed.records.count) records, otherwise \(whole.records.count).")
      }
      guard observed.checkpoints.map(\.state) == whole.checkpoints.map(\.state) else {
        throw Fault("\(stream): with \(what) its checkpoints are others.")
      }
    }
  }

  /// The operations that ask the upstream something, each once.
  func asking(_ live: LiveWorker, _ conduct: Conduct = Conduct()) async throws(Fault) -> [(String, Observed)] {
    var all = [("A check", await operation(.check, live, conduct))]
    for stream in subject.isSource ? streams : [] {
      all.append(("A pull of \(stream)", await pull(live, stream, conduct)))
    }
    for call in subject.isExecutor ? subject.fixtures.calls : [] {
      all.append(("A probe of \(call.action)", await act(.probe, live, call, conduct)))
    }
    return all
  }
}
