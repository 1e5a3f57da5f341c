import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost
import Synchronization

// G: what an executor does, and what it says of what it does not know. Outcomes are the ABI's: 1 done, 2 rejected,
// 3 retry after, 4 unknown; of a probe 1 done, 2 absent, 3 cannot tell.
extension Check {
  static let executor: [Check] = [
    Check("execute-ok", .basic, "ABI-4.3", "A permitted call is done, once, with a result.", unless: Subject.hasNoCalls)
    { stand in
      for call in stand.subject.fixtures.calls {
        let live = try await stand.ready()
        let before = stand.upstream.effects
        let observed = try await stand.act(.execute, live, call, key: "key-\(call.action)").alive(call.action)
        guard observed.outcome == 1 else {
          throw Fault("\(call.action) ended with \(observed.ending)\(observed.words).")
        }
        guard stand.upstream.effects == before + 1 else {
          throw Fault("\(call.action) said that it is done; \(stand.upstream.effects - before) writes had an effect.")
        }
        guard let result = try? observed.result.get().json, (try? JSONValue(parsing: result)) != nil else {
          throw Fault("\(call.action) gave no JSON as its result.")
        }
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "every-action-tried", .basic, "MAN-3", "The fixtures call every action of the manifest.",
      unless: Subject.isNoExecutor
    ) { stand in
      let called = Set(stand.subject.fixtures.calls.map(\.action))
      let idle = stand.subject.manifest.actions.map(\.name).filter { !called.contains($0) }
      guard idle.isEmpty else { throw Fault("No fixture calls \(listed(idle)).") }
      return .fine
    },
    Check(
      "rejected-is-typed", .standard, "ABI-4.3", "What the upstream refuses is REJECTED, with words.",
      unless: Subject.hasNoCalls
    ) { stand in
      for status in [400, 404, 409, 422] {
        stand.upstream.behaves { _, declared in
          declared?.effect == .write ? UpstreamAnswer(status: status, body: Array(#"{"error":"no"}"#.utf8)) : nil
        }
        let live = try await stand.ready()
        for call in stand.subject.fixtures.calls {
          let observed = try await stand.act(.execute, live, call, key: "key-\(status)").alive(call.action)
          guard observed.outcome == 2 else {
            throw Fault(
              "\(call.action), answered with \(status), ended with \(observed.ending)\(observed.words), not REJECTED.")
          }
          guard try !observed.result.get().message.isEmpty else {
            throw Fault("\(call.action), answered with \(status), does not say why.")
          }
        }
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "write-bad-auth", .standard, "ABI-4.3", "A credential that is refused is never taken for done.",
      unless: Subject.hasNoCalls
    ) { stand in
      stand.upstream.behaves { _, _ in UpstreamAnswer(status: 401, body: Array("{}".utf8)) }
      let live = try await stand.ready()
      for call in stand.subject.fixtures.calls {
        let observed = try await stand.act(.execute, live, call).alive(call.action)
        guard observed.outcome == 2 || observed.status == .auth else {
          throw Fault("\(call.action), answered with 401, ended with \(observed.ending)\(observed.words).")
        }
      }
      return .fine
    },
    Check(
      "idempotent-replay", .basic, "ABI-7.4", "One key twice is one effect, and is done both times.",
      unless: Subject.hasNoCalls
    ) { stand in
      let live = try await stand.ready()
      for call in stand.subject.fixtures.calls {
        let before = stand.upstream.effects
        for round in 1...2 {
          let observed = try await stand.act(.execute, live, call, key: "one-\(call.action)").alive(call.action)
          guard observed.outcome == 1 else {
            throw Fault("\(call.action), time \(round): \(observed.ending)\(observed.words).")
          }
        }
        guard stand.upstream.effects == before + 1 else {
          throw Fault("\(call.action): one key had \(stand.upstream.effects - before) effects.")
        }
      }
      return .fine
    },
    Check(
      "one-write", .basic, "ABI-7.4", "One execution sends its write once; it never repeats one by itself.",
      unless: Subject.hasNoCalls
    ) { stand in
      stand.upstream.behaves { _, declared in
        declared?.effect == .write ? UpstreamAnswer(status: 500, body: Array("{}".utf8)) : nil
      }
      let live = try await stand.ready()
      for call in stand.subject.fixtures.calls {
        stand.upstream.server.forget()
        let observed = try await stand.act(.execute, live, call, key: "key-\(call.action)").alive(call.action)
        let writes = stand.upstream.server.seen.filter { stand.upstream.declared($0)?.0.effect == .write }
        guard writes.count <= 1, observed.refusals.isEmpty else {
          throw Fault(
            "\(call.action) tried its write \(writes.count + observed.refusals.count) times under one permit.")
        }
      }
      return .fine
    },
    Check(
      "unknown-outcome-probe", .standard, "ABI-4.3", "A write without an answer is UNKNOWN, and a probe finds out.",
      unless: Subject.hasNoCalls
    ) { stand in
      for arrives in [true, false] {
        for call in stand.subject.fixtures.calls {
          let live = try await stand.ready()
          let key = "key-\(call.action)-\(arrives)"
          stand.upstream.behaves { [upstream = stand.upstream] request, declared in
            guard declared?.effect == .write else { return nil }
            if arrives { _ = upstream.wellBehaved(request) }
            return UpstreamAnswer(manner: .none)
          }
          let observed = try await stand.act(.execute, live, call, key: key).alive(call.action)
          guard observed.outcome == 4 else {
            throw Fault(
              "\(call.action): a write without an answer ended with \(observed.ending)\(observed.words), not UNKNOWN.")
          }
          stand.upstream.behaves(nil)
          stand.upstream.puts(first: arrives ? call.done : call.absent)
          let probed = try await stand.act(.probe, live, call, key: key).alive("A probe of \(call.action)")
          let right = arrives ? 1 : 2
          // Where the fixtures say how the upstream tells, "cannot tell" is not good enough.
          guard probed.outcome == right || (call.done.isEmpty && probed.outcome == 3) else {
            throw Fault(
              "A probe of \(call.action), which \(arrives ? "took effect" : "never arrived"), ended with \(probed.ending)\(probed.words)."
            )
          }
          await stand.end(live)
        }
      }
      let mute = stand.subject.fixtures.calls.filter(\.done.isEmpty).map(\.action)
      return mute.isEmpty ? .fine : .warning("The fixtures do not say how a probe is answered of \(listed(mute)).")
    },
    Check("probe-reads-only", .basic, "ABI-7.5", "A probe changes nothing.", unless: Subject.hasNoCalls) { stand in
      try await stand.writesNothing(.probe)
    },
    Check(
      "dry-run-no-effect", .basic, "ABI-7.5", "A dry run changes nothing, and says what would be.",
      unless: Subject.hasNoCalls
    ) { stand in
      try await stand.writesNothing(.dryRun)
    },
    Check(
      "strange-arguments", .standard, "ABI-7.4",
      "What the schema allows it sends as it is, or refuses; nothing breaks.", unless: Subject.hasNoCalls
    ) { stand in
      let live = try await stand.ready()
      var samples = SchemaSamples(chance: stand.chances())
      var untried: [String] = []
      for action in stand.subject.manifest.actions {
        let known = stand.subject.fixtures.calls.first { $0.action == action.name }?.input
        for round in 0..<25 {
          guard let input = samples.value(action.input, like: known) else {
            untried.append(action.name)
            break
          }
          let call = Fixtures.Call(action: action.name, input: input)
          let observed = try await stand.act(.execute, live, call, key: "key-\(action.name)-\(round)").alive(
            "\(action.name) with \(input.canonicalText.prefix(200))")
          guard (1...4).contains(observed.outcome) || observed.status.map(OperationResult.Status.typed.contains) == true
          else {
            throw Fault("\(action.name) with \(input.canonicalText.prefix(200)) ended with \(observed.ending).")
          }
          let broken = observed.refusals.filter { $0 == "egress.outside_permit" }
          guard broken.isEmpty else {
            throw Fault(
              "\(action.name) with \(input.canonicalText.prefix(200)) tried to send something else than it was given.")
          }
        }
      }
      return untried.isEmpty ? .fine : .warning("No arguments could be made up for \(listed(untried)).")
    },
    Check(
      "unknown-argument-shape", .hardened, "ABI-4.4", "Arguments of another shape are refused with a class.",
      unless: Subject.hasNoCalls
    ) { stand in
      let live = try await stand.ready()
      for call in stand.subject.fixtures.calls {
        for input in [[:], [1, 2], .null, .string("x"), ["deal": [:]]] as [JSONValue] {
          let observed = try await stand.act(.execute, live, Fixtures.Call(action: call.action, input: input)).alive(
            "\(call.action) with \(input.canonicalText)")
          guard observed.outcome == 2 || observed.status.map((OperationResult.Status.typed).contains) == true else {
            throw Fault("\(call.action) with \(input.canonicalText) ended with \(observed.ending).")
          }
        }
      }
      return .fine
    },
  ]
}

extension Subject {
  static let hasNoCalls: @Sendable (Subject) -> String? = { subject in
    isNoExecutor(subject) ?? (subject.fixtures.calls.isEmpty ? "The fixtures have no actions." : nil)
  }
}

extension Stand {
  func writesNothing(_ kind: OperationStart.Kind) async throws(Fault) -> Finding {
    let live = try await ready()
    for call in subject.fixtures.calls {
      upstream.server.forget()
      let observed = try await act(kind, live, call).alive("\(call.action)")
      let writes = upstream.server.seen.filter { upstream.declared($0)?.0.effect == .write }
      guard writes.isEmpty, observed.refusals.isEmpty else { throw Fault("\(call.action): it tried to write.") }
      guard kind != .dryRun || [1, 2].contains(observed.outcome) || observed.status == .unsupported else {
        throw Fault("A dry run of \(call.action) ended with \(observed.ending)\(observed.words).")
      }
      if kind == .dryRun, observed.outcome == 1 {
        guard let result = try? observed.result.get().json, (try? JSONValue(parsing: result)) != nil else {
          throw Fault("A dry run of \(call.action) gave no JSON: nobody sees what would be.")
        }
      }
    }
    return .fine
  }
}
