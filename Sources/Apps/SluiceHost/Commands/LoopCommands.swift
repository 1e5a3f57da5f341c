import CanonicalJSON
import Decision
import Domain
import Foundation
import Identity
import Perception
import Policy
import ToolPlane
import WholeLoop
import WorldModel

extension HostCommand {
  static let loopCommands: [HostCommand] = [
    HostCommand("signal.list", "List the newest signals", role: .auditor, takes: [.number("limit")]) { call in
      try await call.view { view in
        .array(
          try view.scan(RecentSignals.signals, from: "", until: nil, reversed: true, countMax: try call.limit()).map(
            \.1))
      }
    },
    HostCommand(
      "account.show", "Show what is believed of an account, or was believed of it then", role: .auditor,
      takes: [.text("name"), .text("as_of"), .text("known_at")]
    ) {
      call in
      let name = try call.string("name")
      let day = try call.moment("as_of")?.day
      var position: Position?
      if let known = try call.moment("known_at") {
        position = try await call.host.tenant(try call.tenant()).position(recordedUntilMs: known.endMs)
      }
      let asOf = AsOf(day: day, position: position)
      return try await call.view { try JSONValue(encoding: try WorldQueries($0).account(named: name, asOf)) }
    },
    HostCommand("tool.list", "List the tools that decisions may ask for", role: .auditor) { call in
      try await call.view { view in
        .array(try LoopAssembly.catalogue(view).tools.map { try JSONValue(encoding: $0) })
      }
    },
    HostCommand(
      "tool.call", "Answer one of the platform's own reads, which change nothing", role: .auditor,
      takes: [.text("name"), .anything("arguments")]
    ) { call in
      let name = try call.string("name")
      let arguments = call.arguments["arguments"] ?? [:]
      guard let read = ReadTool(rawValue: name) else {
        guard try await call.view({ view in try LoopAssembly.catalogue(view)[name] != nil }) else {
          throw ToolError.unknown(tool: name)
        }
        throw CommandError.refused(
          code: "tool.no_read", message: "\(name) changes something outside: only a decision asks for it, by policy.",
          remedy: "Name a read: `sluice tool list` shows them.")
      }
      try ToolCatalogue(ReadTool.descriptions()).check(tool: name, arguments: arguments)
      // Who read what stands in the host's log, beside what was done.
      call.host.log.info(
        "tool.read", "A read was answered.",
        [
          "tenant": try call.tenant().rawValue, "tool": name, "user": call.user.rawValue, "door": call.door.rawValue,
          "arguments": arguments.canonicalText,
        ])
      return try await call.view { try read.answer(arguments, world: WorldFacts($0), view: $0) }
    },
    HostCommand(
      "decision.list", "List proposals, the newest last", role: .auditor, takes: [.number("limit"), .text("state")]
    ) { call in
      let wanted = call.optional("state")
      return try await call.view { view in
        let records = try view.scan(DecisionStage.proposals).map { try $0.1.decode(ProposalRecord.self) }
        let found = records.filter { wanted == nil || $0.state.rawValue == wanted }
          .sorted { ($0.proposal.day, $0.proposal.id) < ($1.proposal.day, $1.proposal.id) }
        return .array(found.suffix(try call.limit()).map(decisionRow))
      }
    },
    HostCommand("decision.show", "Show one proposal whole", role: .auditor, takes: [.text("id")]) { call in
      let id = try call.digest("id")
      return try await call.view { view in
        guard let record = try DecisionStage.record(id, in: view) else {
          throw HostError.unknown("the decision \(id)", list: "decision list")
        }
        return try JSONValue(encoding: record)
      }
    },
    HostCommand(
      "decision.score", "Compare what was foretold with what happened", role: .auditor, takes: [.text("playbook")]
    ) { call in
      let playbook = call.optional("playbook")
      return try await call.view { try JSONValue(encoding: try DecisionScore(in: $0, playbook: playbook)) }
    },
    HostCommand(
      "decision.replay", "Recompute decisions from stored bytes and compare", role: .auditor, takes: [.text("id")]
    ) { call in
      let id = call.optional("id") == nil ? nil : try call.digest("id")
      return try await call.host.replay(try call.tenant(), decision: id)
    },
    HostCommand("doctor.limits", "What holds workers to their limits", role: .auditor) { call in
      await call.host.enforcement?.json ?? .null
    },
    HostCommand("doctor.deep", "Rebuild every projection from the journal and compare", role: .auditor) { call in
      try await call.host.inspect(try call.tenant())
    },
    HostCommand(
      "record.versions", "List which versions of a stream's records have been delivered", role: .auditor,
      takes: [.text("instance"), .text("stream"), .text("after"), .number("limit")]
    ) {
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

  /// A day, or a moment of one. What holds in the world is known by days; when it became known, to the millisecond.
  fileprivate func moment(_ key: String) throws -> (day: BusinessDay, endMs: Int64)? {
    guard let text = optional(key) else { return nil }
    if let day = BusinessDay(text) { return (day, Int64(day.number + 1) * 86_400_000 - 1) }
    guard text.utf8.count <= 40, let date = try? Date(text, strategy: .iso8601) else {
      throw CommandError.refused(
        code: "command.bad_day",
        message: "\"\(text.prefix(40))\" is neither a day as YYYY-MM-DD nor a moment as YYYY-MM-DDTHH:MM:SSZ.",
        remedy: "Write it as 2017-04-30 or 2017-04-30T15:30:00Z.")
    }
    let seconds = Int64(date.timeIntervalSince1970.rounded(.down))
    let day = BusinessDay(number: Int((Double(seconds) / 86_400).rounded(.down)))
    return (day, seconds * 1_000 + 999)
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
