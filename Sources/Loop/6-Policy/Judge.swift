import Domain

/// What the rules say of one proposal, before budgets and lists are counted.
struct Judgement: Equatable {
  let outcome: Verdict.Outcome
  let reasons: [Verdict.Reason]
  var costCents: Int64 = 0
}

/// Judges proposals by the rules in force. Pure: a view, the rules and a day in; a judgement out.
struct Judge {
  let rules: Rules
  let day: BusinessDay
  let view: any StateView
  let tools: ToolLookup
  let world: (any WorldReading)?

  func judge(_ proposal: Proposal) throws -> Judgement {
    guard let call = proposal.call else { return ended(.noted, "proposal.no_call", "There is nothing to execute.") }
    guard rules.mode != .observe else {
      return ended(.noted, "mode.observe", "The tenant only observes: nothing is held or executed.")
    }
    let kill = try KillSwitch.stopping(
      tool: call.tool, playbook: proposal.playbook, account: proposal.account, owner: proposal.owner, in: view)
    if let kill { return ended(.deny, kill.target.rule, kill.switch.sentence) }
    guard let facts = try tools(call.tool, view) else {
      return ended(.deny, "tool.unknown", "No enabled executor declares the tool \(call.tool).")
    }
    guard let resource = try PolicyResource(proposal.subject, proposal.account, proposal.owner, world) else {
      return ended(.deny, "subject.unknown", "Policies know no subject of the type \(proposal.subject.type).")
    }
    let undo = isReversible(call, facts)
    let context = context(of: proposal, call, facts, hasUndo: undo)
    let alone = ask("execute_autonomously", resource, context)
    if !alone.errors.isEmpty { return Judgement(outcome: .deny, reasons: errors(alone)) }
    if alone.isAllowed { return allowed(alone, facts, isReversible: undo) }
    let asked = ask("request_approval", resource, context)
    if !asked.errors.isEmpty { return Judgement(outcome: .deny, reasons: errors(asked)) }
    guard asked.isAllowed else {
      let reasons = self.reasons(asked)
      return reasons.isEmpty
        ? ended(.deny, "policy.no_permit", "No policy permits this, not even with a person's approval.")
        : Judgement(outcome: .deny, reasons: reasons)
    }
    return Judgement(outcome: .hold, reasons: reasons(alone) + reasons(asked), costCents: facts.costCents)
  }

  /// Whether `user` may have a done call taken back.
  func mayCompensate(_ done: EffectStart, by user: UserID) throws -> (isAllowed: Bool, sentences: [String]) {
    guard let undo = done.call.undo, let facts = try tools(undo.tool, view),
      let resource = try PolicyResource(done.subject, done.account, done.owner, world)
    else { return (false, ["No enabled executor declares the call that takes it back."]) }
    var context: [Cedar.Text: Cedar.Value] = [
      "tool": text(undo.tool), "effect_class": text(facts.effect.rawValue), "cost_cents": .long(facts.costCents),
      "business_day": text(day.description), "mode": text(rules.mode.rawValue),
    ]
    context["account"] = done.account.map(text)
    context["owner"] = done.owner.map(text)
    let decision = rules.document.policies.decide(
      Cedar.Request(
        principal: Cedar.EntityUID(type: "User", id: user.rawValue),
        action: Cedar.EntityUID(type: "Action", id: "compensate"), resource: resource.uid, context: context),
      resource.entities)
    return (decision.isAllowed && decision.errors.isEmpty, (errors(decision) + reasons(decision)).map(\.sentence))
  }

  /// The proposal's undo must be the compensation that the manifest declares.
  private func isReversible(_ call: ToolCall, _ facts: ToolFacts) -> Bool {
    call.undo != nil && call.undo?.tool == facts.compensation
  }

  /// Policies permit it without a person; the ceiling and the missing way back may still ask for one.
  private func allowed(_ decision: Cedar.Decision, _ facts: ToolFacts, isReversible: Bool) -> Judgement {
    var reasons = reasons(decision)
    var outcome = Verdict.Outcome.allow
    if facts.effect == .write, !isReversible {
      outcome = .hold
      reasons.append(
        Verdict.Reason(rule: "compensation.undeclared", sentence: "It changes a record and nothing takes it back."))
    }
    if rules.mode == .propose {
      outcome = .hold
      reasons.append(Verdict.Reason(rule: "mode.propose", sentence: "The tenant only proposes: a person decides."))
    }
    return Judgement(outcome: outcome, reasons: reasons, costCents: facts.costCents)
  }

  private func ask(
    _ action: String, _ resource: PolicyResource, _ context: [Cedar.Text: Cedar.Value]
  ) -> Cedar.Decision {
    let request = Cedar.Request(
      principal: Cedar.EntityUID(type: "Agent", id: Standing.requester),
      action: Cedar.EntityUID(type: "Action", id: action), resource: resource.uid, context: context)
    return rules.document.policies.decide(request, resource.entities)
  }

  private func context(
    of proposal: Proposal, _ call: ToolCall, _ facts: ToolFacts, hasUndo: Bool
  ) -> [Cedar.Text: Cedar.Value] {
    var context: [Cedar.Text: Cedar.Value] = [
      "tool": text(call.tool), "effect_class": text(facts.effect.rawValue), "kind": text(proposal.kind.rawValue),
      "playbook": text(proposal.playbook), "expected_value_cents": .long(proposal.expectedValueCents),
      "cost_cents": .long(facts.costCents), "has_undo": .bool(hasUndo), "business_day": text(day.description),
      "mode": text(rules.mode.rawValue),
    ]
    context["confidence_low_ppm"] = proposal.confidence.map { .long(Int64($0.lowPpm)) }
    context["account"] = proposal.account.map(text)
    context["owner"] = proposal.owner.map(text)
    return context
  }

  private func text(_ string: String) -> Cedar.Value { .string(Cedar.Text(string)) }

  private func ended(_ outcome: Verdict.Outcome, _ rule: String, _ sentence: String) -> Judgement {
    Judgement(outcome: outcome, reasons: [Verdict.Reason(rule: rule, sentence: sentence)])
  }

  private func reasons(_ decision: Cedar.Decision) -> [Verdict.Reason] {
    decision.reasons.map { id in
      let sentence = rules.document.policies[id]?.annotations["sentence"] ?? "The policy \(id) applies."
      return Verdict.Reason(rule: id, sentence: sentence)
    }
  }

  private func errors(_ decision: Cedar.Decision) -> [Verdict.Reason] {
    decision.errors.map {
      Verdict.Reason(rule: $0.policy, sentence: "The policy \($0.policy) could not be evaluated: \($0.message).")
    }
  }
}

/// The subject of a proposal as policies see it.
struct PolicyResource {
  let uid: Cedar.EntityUID
  let entities: Cedar.Entities

  private static let types = ["opportunity": "Opportunity", "account": "Account", "product": "Product", "rep": "Rep"]

  /// - Returns: nil when policies have no such type.
  init?(_ subject: Subject, _ account: String?, _ owner: String?, _ world: (any WorldReading)?) throws {
    guard let type = Self.types[subject.type] else { return nil }
    uid = Cedar.EntityUID(type: type, id: subject.id)
    var attributes: [Cedar.Text: Cedar.Value] = [:]
    var parents: Set<Cedar.EntityUID> = []
    if let account {
      let parent = Cedar.EntityUID(type: "Account", id: account)
      attributes["account"] = .entity(parent)
      if parent != uid { parents.insert(parent) }
    }
    if let owner { attributes["owner"] = .entity(Cedar.EntityUID(type: "Rep", id: owner)) }
    if subject.type == "opportunity", let deal = try world?.deal(subject.id) {
      attributes["stage"] = .string(Cedar.Text(deal.stage.rawValue))
      attributes["value_cents"] = deal.valueCents.map(Cedar.Value.long)
    }
    entities = try Cedar.Entities([Cedar.Entity(uid: uid, attributes: attributes, parents: parents)])
  }
}
