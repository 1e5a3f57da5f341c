import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost
import Synchronization

// H: many strange things by chance, and the same thing twice.
extension Check {
  static let chance: [Check] = [
    Check("fuzz-config", .hardened, "ABI-3.1", "No configuration makes it crash or hang.") { stand in
      var chance = stand.chances()
      var samples = SchemaSamples(chance: stand.chances())
      for _ in 0..<25 {
        var setup = Stand.Setup()
        setup.config = mutated(samples.value(stand.subject.configSchema) ?? stand.subject.config, &chance)
        do {
          let live = try await stand.worker(setup)
          try await stand.operation(.check, live).alive("A check with \(setup.config!.canonicalText.prefix(200))")
          await stand.end(live)
        } catch WorkerFailure.configureRefused { continue } catch let failure as WorkerFailure {
          throw Fault(
            "Configured with \(setup.config!.canonicalText.prefix(200)): \(failure.message)", kind: Stand.kind(failure))
        }
      }
      return .fine
    },
    Check(
      "fuzz-http", .hardened, "ABI-4.4", "No answer of an upstream makes it crash or hang.", unless: Subject.asksNobody
    ) { stand in
      let chance = Mutex(stand.chances())
      stand.upstream.behaves { [upstream = stand.upstream] request, _ in
        var answer = upstream.wellBehaved(request)
        chance.withLock { chance in
          switch Int.random(in: 0..<8, using: &chance) {
          case 0: answer.status = [200, 204, 301, 400, 404, 409, 418, 429, 500, 502].randomElement(using: &chance)!
          case 1: answer.body = chance.bytes(Int.random(in: 0...2_000, using: &chance))
          case 2: answer.manner = .cut(after: Int.random(in: 0...max(1, answer.body.count), using: &chance))
          case 3:
            answer.headers.append(("x-\(Int.random(in: 0...9, using: &chance))", String(repeating: "v", count: 4_000)))
          case 4...6:
            if let json = try? JSONValue(parsing: answer.body) { answer.body = mutated(json, &chance).canonicalBytes }
          default: break
          }
        }
        return answer
      }
      var conduct = Conduct()
      conduct.deadlineMs = 2_000
      for round in 0..<25 {
        let live = try await stand.ready()
        for (what, observed) in try await stand.asking(live, conduct) { try observed.alive("Round \(round): \(what)") }
        await stand.end(live)
      }
      return .fine
    },
    Check("fuzz-state", .hardened, "ABI-7.9", "No checkpoint makes it crash or hang.", unless: Subject.isNoSource) {
      stand in
      var chance = stand.chances()
      for (stream, whole) in try await stand.pullAll() {
        guard let point = whole.checkpoints.last else { continue }
        for _ in 0..<20 {
          var state = point.state
          switch Int.random(in: 0..<4, using: &chance) {
          case 0: state = chance.bytes(Int.random(in: 0...300, using: &chance))
          case 1: state = Array(state.dropLast(Int.random(in: 0...max(0, state.count - 1), using: &chance)))
          case 2:
            if !state.isEmpty {
              state[Int.random(in: 0..<state.count, using: &chance)] ^= UInt8(
                1 << Int.random(in: 0..<8, using: &chance))
            }
          default: if let json = try? JSONValue(parsing: state) { state = mutated(json, &chance).canonicalBytes }
          }
          let live = try await stand.ready()
          let from = Observed.Checkpoint(stream: stream, state: state, version: point.version, watermarkMs: nil)
          try await stand.pull(live, stream, from: from).alive(
            "\(stream) from \(String(decoding: state.prefix(60), as: UTF8.self).debugDescription)")
          await stand.end(live)
        }
      }
      return .fine
    },
    Check("fuzz-lifecycle", .hardened, "ABI-3.3", "No order of operations and cancellations makes it crash or hang.") {
      stand in
      var chance = stand.chances()
      let live = try await stand.ready()
      for round in 0..<40 {
        var conduct = Conduct()
        if Bool.random(using: &chance) { conduct.cancelAt = Int.random(in: 1...12, using: &chance) }
        conduct.credit =
          Bool.random(using: &chance)
          ? .plenty : .little(records: 1, bytes: stand.subject.manifest.limits.recordBytesMax)
        let observed: Observed
        switch Int.random(in: 0..<4, using: &chance) {
        case 0: observed = await stand.operation(.check, live, conduct)
        case 1 where stand.subject.isSource: observed = await stand.operation(.discover, live, conduct)
        case 2 where !stand.subject.fixtures.calls.isEmpty && stand.subject.isExecutor:
          let call = stand.subject.fixtures.calls.randomElement(using: &chance)!
          observed = await stand.act(
            [.execute, .probe, .dryRun].randomElement(using: &chance)!, live, call, key: "key-\(round)", conduct)
        default:
          guard let stream = stand.streams.randomElement(using: &chance), stand.subject.isSource else { continue }
          observed = await stand.pull(live, stream, conduct)
        }
        try observed.alive("Operation \(round)")
      }
      return .fine
    },
    Check(
      "deterministic-replay", .standard, "ABI-7.8",
      "With the same clock, chance and upstream it does the same, call for call, whatever time the machine has."
    ) { stand in
      // Another stand of the same seed: the plugin's clock and chance begin again.
      let one = try await stand.replayed()
      let other = try await stand.replayed(realTimeBackMs: anotherTimeMs)
      guard one != other else { return .fine }
      guard try await stand.replayed() == one else {
        throw Fault("Two runs with one seed differ: \(Stand.difference(one, other)).")
      }
      throw Fault(
        "It reads the machine's clock, whose time `clock_now` alone may tell it: where that was another, \(Stand.difference(one, other))."
      )
    },
  ]
}

/// 431 days, 7:11:13.457: whatever of a date or time a plugin looks at, it is another so long before.
private let anotherTimeMs = 37_264_273_457

extension Stand {
  /// Everything that the fixtures allow, by another stand of the same seed.
  fileprivate func replayed(realTimeBackMs: Int = 0) async throws -> [Observed.Event] {
    let twin = try twin()
    var setup = Setup()
    setup.realTimeBackMs = realTimeBackMs
    let events = try await twin.everything(setup)
    await twin.close()
    return events
  }
}

/// The value with something changed, somewhere.
private func mutated(_ value: JSONValue, _ chance: inout SplitMix64) -> JSONValue {
  let strange: [JSONValue] = [
    .null, true, .integer(-1), .integer(9_007_199_254_740_991), .string(""), .string("\u{0}\u{FFFD}🙂"), [], [:],
    .string(String(repeating: "x", count: 3_000)), .integer(0), .double(1e300),
  ]
  switch value {
  case .object(var members) where !members.isEmpty && Int.random(in: 0..<4, using: &chance) > 0:
    let key = members.keys.sorted().randomElement(using: &chance)!
    switch Int.random(in: 0..<5, using: &chance) {
    case 0: members[key] = nil
    case 1: members["\(key)_"] = members[key]
    default: members[key] = mutated(members[key]!, &chance)
    }
    return .object(members)
  case .array(var items) where !items.isEmpty && Int.random(in: 0..<4, using: &chance) > 0:
    let index = Int.random(in: 0..<items.count, using: &chance)
    switch Int.random(in: 0..<5, using: &chance) {
    case 0: items.remove(at: index)
    case 1: items.append(items[index])
    default: items[index] = mutated(items[index], &chance)
    }
    return .array(items)
  default: return strange.randomElement(using: &chance)!
  }
}
