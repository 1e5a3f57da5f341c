import Action
import CanonicalJSON
import Cryptography
import Decision
import Domain
import Identity
import Policy
import WorldModel

extension HostCommand {
  static let approvalCommands: [HostCommand] = [
    HostCommand("approval.list", "List calls that wait for a person, the greatest value first", role: .auditor) {
      call in
      try await call.view { view in
        .array(
          try ActionStage.pending(in: view, nowMs: SystemSources.wallClockMs()).map { row($0.approval, $0.proposal) })
      }
    },
    HostCommand(
      "approval.show", "Show one held call with everything to judge it by", role: .auditor, takes: [.text("id")]
    ) { call in
      let id = try call.digest("id")
      return try await call.view { try detail(id, $0) }
    },
    HostCommand(
      "approval.approve", "Approve exactly the call that was shown", role: .approver,
      takes: [.text("id"), .text("call_hash"), .text("note")]
    ) { call in
      try await answer(.approve, call)
    },
    HostCommand(
      "approval.reject", "Reject a held call", role: .approver, takes: [.text("id"), .text("call_hash"), .text("note")]
    ) { call in
      try await answer(.reject, call)
    },
    HostCommand(
      "action.list", "List actions, the newest last", role: .auditor, takes: [.number("limit"), .text("state")]
    ) { call in
      let wanted = call.optional("state")
      return try await call.view { view in
        let all = try view.scan(ActionRecord.space).map { try $0.1.decode(ActionRecord.self) }
          .filter { wanted == nil || $0.state.rawValue == wanted }.sorted { ($0.sinceMs, $0.id) < ($1.sinceMs, $1.id) }
        return .array(all.suffix(try call.limit()).map(actionRow))
      }
    },
    HostCommand("action.show", "Show one action", role: .auditor, takes: [.text("id")]) { call in
      let id = try call.digest("id")
      return try await call.view { view in
        guard let action = try ActionRecord.of(id, in: view) else {
          throw HostError.unknown("the action \(id)", list: "action list")
        }
        return try JSONValue(encoding: action)
      }
    },
    HostCommand("effect.list", "List every effect that was started, with its idempotency key", role: .auditor) { call in
      try await call.view { view in
        .array(
          try view.scan(PermitRecord.space).map { key, row in
            [
              "key": row["start"]?["idempotencyKey"] ?? .null, "tool": row["start"]?["call"]?["tool"] ?? .null,
              "subject": row["start"]?["subject"] ?? .null, "outcome": row["outcome"] ?? .null, "action": .string(key),
            ]
          })
      }
    },
    HostCommand(
      "action.undo", "Take a done action back by its declared compensation", role: .approver, takes: [.text("id")]
    ) { call in
      try await call.order(.undo, target: try call.digest("id").hex, argument: nil)
    },
    HostCommand(
      "action.resolve", "Say what became of an action nobody can tell of", role: .approver,
      takes: [.text("id"), .text("outcome")]
    ) { call in
      try await call.order(.resolveUnknown, target: try call.digest("id").hex, argument: try call.string("outcome"))
    },
  ]

  private static func row(_ approval: Approval, _ proposal: Proposal) -> JSONValue {
    [
      "id": .string(proposal.id.hex), "day": .string(proposal.day.description), "playbook": .string(proposal.playbook),
      "kind": .string(proposal.kind.rawValue), "tool": .string(proposal.call?.tool ?? ""),
      "subject": subject(proposal.subject), "account": proposal.account.map { .string($0) } ?? .null,
      "owner": proposal.owner.map { .string($0) } ?? .null, "approver": proposal.approver.map { .string($0) } ?? .null,
      "expected_value_cents": .integer(proposal.expectedValueCents), "expires_at_ms": .integer(approval.expiresAtMs),
      "call_hash": .string(approval.callHash.hex),
    ]
  }

  private static func detail(_ id: Digest, _ view: any StateView) throws -> JSONValue {
    guard let approval = try Approval.of(id, in: view), let record = try DecisionStage.record(id, in: view),
      case .object(var members) = row(approval, record.proposal)
    else { throw HostError.unknown("the approval \(id)", list: "approval list") }
    let proposal = record.proposal
    let standing = try Standing.of(id, in: view)
    let action = try ActionRecord.of(id, in: view)
    let now = approval.state(atMs: SystemSources.wallClockMs()).rawValue
    members["state"] = .string(action.map { $0.state == .awaiting ? now : $0.state.rawValue } ?? now)
    members["evidence"] = .array(try proposal.evidence.map { try piece($0, view) })
    members["signals"] = .array(
      record.signal.map { signal in
        [
          [
            "kind": .string(signal.kind), "day": .string(signal.day.description), "facts": .object(signal.facts),
          ]
        ]
      } ?? [])
    members["change"] = .array(changes(proposal.call))
    members["arguments"] = proposal.call?.arguments ?? .null
    members["current"] = proposal.call?.current ?? .null
    members["undo"] = try proposal.call?.undo.map { try JSONValue(encoding: $0) } ?? .null
    members["cost_cents"] = .integer(standing?.costCents ?? 0)
    members["confidence"] = try proposal.confidence.map { try confidence($0) } ?? .null
    members["uncertain"] = .array(proposal.uncertain.map { .string($0) })
    members["stop_reason"] = .string(proposal.stopReason)
    members["reasons"] = try JSONValue(encoding: standing?.reasons ?? [])
    members["answered_by"] = .array(
      (approval.approvedBy + [approval.rejectedBy].compactMap(\.self)).map { .string($0.rawValue) })
    members["note"] = approval.note.map { .string($0) } ?? .null
    members["result"] = action?.reason.map { .string($0) } ?? .null
    return .object(members)
  }

  /// A record's version as it was stored, with what it says.
  private static func piece(_ evidence: EvidenceID, _ view: any StateView) throws -> JSONValue {
    let record = try WorldQueries(view).version(madeBy: evidence)
    return [
      "stream": .string(evidence.stream.rawValue), "key": .string(evidence.key),
      "commitment": .string(evidence.commitment.hex), "version": record.map { .string($0.sourceVersion) } ?? .null,
      "day": record.map { .string($0.validFrom.description) } ?? .null,
      "fields": record.map { .object(told($0.fields)) } ?? .null,
    ]
  }

  /// Fields as a person reads them: a reference by its text and whom it was taken for, money by its unit.
  private static func told(_ fields: [String: JSONValue]) -> [String: JSONValue] {
    var told: [String: JSONValue] = [:]
    for (name, value) in fields {
      if let reference = Reference(value) {
        let known = reference.id.map { "is \($0)" } ?? "is not known"
        told[name] = .string(
          reference.id == reference.text ? reference.text : "\(reference.text) (\(known): \(reference.reason.rawValue))"
        )
      } else {
        told[["value", "list_price"].contains(name) ? name + "_cents" : name] = value
      }
    }
    return told
  }

  /// What the call sets, beside what stands there now.
  private static func changes(_ call: ToolCall?) -> [JSONValue] {
    guard let call else { return [] }
    let new = call.arguments["set"]?.object ?? [:]
    return new.keys.sorted().map { field in
      ["field": .string(field), "from": call.current[field] ?? .null, "to": new[field] ?? .null]
    }
  }

  private static func confidence(_ value: Confidence) throws -> JSONValue {
    [
      "of": .string(value.of), "successes": .integer(Int64(value.successes)), "trials": .integer(Int64(value.trials)),
      "rate_ppm": .integer(Int64(value.ratePpm)), "low_ppm": .integer(Int64(value.lowPpm)),
      "high_ppm": .integer(Int64(value.highPpm)), "still_open": value.stillOpen.map { .integer(Int64($0)) } ?? .null,
      "within_days": value.withinDays.map { .integer(Int64($0)) } ?? .null,
      "base_rate_ppm": value.baseRatePpm.map { .integer(Int64($0)) } ?? .null,
    ]
  }

  private static func actionRow(_ action: ActionRecord) -> JSONValue {
    [
      "id": .string(action.id.hex), "day": .string(action.day.description), "tool": .string(action.call.tool),
      "subject": subject(action.subject), "state": .string(action.state.rawValue),
      "attempts": .integer(Int64(action.attempts)),
      "approved_by": action.approvedBy.map { .string($0.rawValue) } ?? .null,
      "reason": action.reason.map { .string($0) } ?? .null, "expected_value_cents": .integer(action.expectedValueCents),
    ]
  }

  private static func answer(_ answer: Choice.Answer, _ call: Call) async throws -> JSONValue {
    let tenant = try call.tenant()
    let id = try call.digest("id")
    let note = call.optional("note")
    guard note?.count ?? 0 <= Choice.noteLengthMax else {
      throw CommandError.refused(
        code: "approval.note_too_long", message: "A note has at most \(Choice.noteLengthMax) characters.",
        remedy: "Shorten it; nothing was answered.")
    }
    let choice = Choice(
      proposal: id, callHash: try call.digest("call_hash"), answer: answer, by: call.user, note: note,
      through: call.door)
    let entry = StableID.of("choice", [tenant.rawValue, id.hex, Hex.encode(SystemSources.random(16))])
    let runtime = try await call.host.tenant(tenant)
    let position = try await runtime.append(.choice, choice, id: entry)
    try await runtime.applied(to: position)
    return try runtime.view { view in
      try refuse(position, view)
      return try detail(id, view)
    }
  }
}

extension HostCommand {
  /// What was journaled and changed nothing is in the lists of refusals, under its position.
  fileprivate static func refuse(_ position: Position, _ view: any StateView) throws {
    for space in [ActionStage.refused, RefusedInput.space] {
      guard let refusal = try view.scan(space, prefix: RowKey.number(position.number)).first?.1 else { continue }
      throw CommandError.refused(
        code: refusal["code"]?.string ?? "command.refused",
        message: refusal["message"]?.string ?? "It was not taken.", remedy: refusal["remedy"]?.string ?? "")
    }
  }
}

extension RunningHost {
  func order(_ order: Order, for tenant: TenantID) async throws {
    let runtime = try self.tenant(tenant)
    let id = StableID.of("order", [order.verb.rawValue, order.target, Hex.encode(SystemSources.random(16))])
    let position = try await runtime.append(.order, order, id: id)
    try await runtime.applied(to: position)
    try runtime.view { try HostCommand.refuse(position, $0) }
  }
}
