import CanonicalJSON
import Decision
import Domain
import Identity
import Perception
import Policy
import ToolPlane
import WholeLoop
import WorldModel

extension HostCommand {
  static let loopCommands: [HostCommand] = [
    HostCommand("signal.list", "List the newest signals", role: .auditor) { call in
      try await call.view { view in
        .array(
          try view.scan(RecentSignals.signals, from: "", until: nil, reversed: true, countMax: try call.limit()).map(
            \.1))
      }
    },
    HostCommand("account.show", "Show what is believed of an account, now or as of then", role: .auditor) { call in
      let name = try call.string("name")
      var day: BusinessDay?
      if let text = call.optional("as_of") {
        guard let parsed = BusinessDay(text) else {
          throw CommandError.refused(
            code: "command.bad_day", message: "\"\(text)\" is not a day as YYYY-MM-DD.",
            remedy: "Write it as 2017-04-30.")
        }
        day = parsed
      }
      let asOf = AsOf(day: day)
      return try await call.view { try JSONValue(encoding: try WorldQueries($0).account(named: name, asOf)) }
    },
    HostCommand("tool.list", "List the tools that decisions may ask for", role: .auditor) { call in
      try await call.view { view in
        let executors = try LoopAssembly.catalogue(view).tools.map { try JSONValue(encoding: $0) }
        return .array(try executors + ReadTool.descriptions().map { try JSONValue(encoding: $0) })
      }
    },
    HostCommand("decision.list", "List proposals, the newest last", role: .auditor) { call in
      let wanted = call.optional("state")
      return try await call.view { view in
        let records = try view.scan(DecisionStage.proposals).map { try $0.1.decode(ProposalRecord.self) }
        let found = records.filter { wanted == nil || $0.state.rawValue == wanted }
          .sorted { ($0.proposal.day, $0.proposal.id) < ($1.proposal.day, $1.proposal.id) }
        return .array(found.suffix(try call.limit()).map(decisionRow))
      }
    },
    HostCommand("decision.show", "Show one proposal whole", role: .auditor) { call in
      let id = try call.digest("id")
      return try await call.view { view in
        guard let record = try DecisionStage.record(id, in: view) else { throw HostError.unknown("the decision \(id)") }
        return try JSONValue(encoding: record)
      }
    },
    HostCommand("decision.score", "Compare what was foretold with what happened", role: .auditor) { call in
      let playbook = call.optional("playbook")
      return try await call.view { try JSONValue(encoding: try DecisionScore(in: $0, playbook: playbook)) }
    },
    HostCommand("decision.replay", "Recompute decisions from stored bytes and compare", role: .auditor) { call in
      let id = call.optional("id") == nil ? nil : try call.digest("id")
      return try await call.host.replay(try call.tenant(), decision: id)
    },
    HostCommand("doctor.deep", "Rebuild every projection from the journal and compare", role: .auditor) { call in
      try await call.host.inspect(try call.tenant())
    },
    HostCommand("record.versions", "List which versions of a stream's records have been delivered", role: .auditor) {
      call in
      let (instance, stream) = (try call.string("instance"), try call.string("stream"))
      let (after, limit) = (call.optional("after"), try call.limit())
      return try await call.view { view in
        let found = try PerceptionQueries(view).versions(
          instance: instance, stream: stream, after: after, countMax: limit)
        return .array(
          found.map { record in
            ["key": .string(record.key), "versions": .array(record.ordinals.map { .integer(Int64(clamping: $0)) })]
          })
      }
    },
    HostCommand("summary", "Count what the loop has found", role: .auditor) { call in
      try await call.host.summary(try call.tenant())
    },
  ]

  private static func decisionRow(_ record: ProposalRecord) -> JSONValue {
    let proposal = record.proposal
    return [
      "id": .string(proposal.id.hex), "day": .string(proposal.day.description), "playbook": .string(proposal.playbook),
      "kind": .string(proposal.kind.rawValue), "subject": subject(proposal.subject),
      "tool": proposal.call.map { .string($0.tool) } ?? .null, "account": proposal.account.map { .string($0) } ?? .null,
      "owner": proposal.owner.map { .string($0) } ?? .null, "state": .string(record.state.rawValue),
      "expected_value_cents": .integer(proposal.expectedValueCents), "stop_reason": .string(proposal.stopReason),
      "reason": record.reason.map { .string($0) } ?? .null,
    ]
  }

  static func subject(_ subject: Subject) -> JSONValue { ["type": .string(subject.type), "id": .string(subject.id)] }
}

extension HostCommand.Call {
  /// Asks the tenant's state.
  func view<Answer: Sendable>(_ body: @Sendable (any StateView) throws -> Answer) async throws -> Answer {
    try await host.tenant(try tenant()).view(body)
  }

  func digest(_ key: String) throws -> Digest {
    let text = try string(key)
    guard let digest = Digest(hex: text) else {
      throw CommandError.refused(
        code: "command.bad_id", message: "\"\(text.prefix(80))\" is not an id of 64 characters.",
        remedy: "Copy it whole from the list that shows it.")
    }
    return digest
  }

  /// Journals an order and returns when it is in effect.
  func order(_ verb: Order.Verb, target: String, argument: String?) async throws -> JSONValue {
    try await host.order(Order(verb: verb, target: target, argument: argument, by: user), for: try tenant())
    return ["target": .string(target), "verb": .string(verb.rawValue)]
  }
}
