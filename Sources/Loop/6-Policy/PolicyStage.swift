// Policy: proposals, rules and orders come in; out go verdicts with reasons, and permits. The only maker of a permit.
// It does no I/O and reads no clock: wall time comes from entries and arguments, business time from the sets' days.

import CanonicalJSON
package import Domain

/// Keeps what is in force, judges every proposal, and answers at execution time whether a call may start now.
package struct PolicyStage: Stage {
  let tools: ToolLookup
  let world: WorldLookup?

  /// - Parameters:
  ///   - tools: Finds what executors declare; by default what their activations said.
  ///   - world: Tells policies the stage and value of a deal; without it they see neither.
  package init(tools: @escaping ToolLookup = ToolFacts.activated, world: WorldLookup? = nil) {
    self.tools = tools
    self.world = world
  }

  /// Reads the document of an activation of policies, as activating it would.
  /// - Throws: The first fault with file, line and column; such a document must not be journaled.
  @discardableResult
  package static func check(_ document: JSONValue) throws -> PolicyDocument { try PolicyDocument(document) }

  /// The business day that budgets and lists count for; nil before the first proposals.
  package static func businessDay(_ view: any StateView) throws -> BusinessDay? { try Budget.day(view) }

  /// What waits for another day's budget or list, the greatest expected value first.
  package static func belowBudget(in view: any StateView) throws -> [Standing] {
    try Standing.all(view).filter { $0.outcome == .belowBudget }
      .sorted { Standing.precedes($0.proposal, $1.proposal) }
  }

  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived] {
    switch entry.kind {
    case .activation:
      return try activate(try JSONValue(parsing: entry.body).decode(Activation.self), entry, state)
    case .order: try follow(try JSONValue(parsing: entry.body).decode(Order.self), entry, state)
    case .proposals:
      return [try judge(try JSONValue(parsing: entry.body).decode(ProposalSet.self), entry, state)]
    case .effectStarted:
      try start(try JSONValue(parsing: entry.body).decode(EffectStart.self), entry, state)
    case .receipt: try close(try JSONValue(parsing: entry.body).decode(Receipt.self), entry, state)
    case .verdicts:
      for verdict in try JSONValue(parsing: entry.body).decode(VerdictSet.self).verdicts {
        try Standing.confirm(verdict, at: entry.position, state)
      }
    case .intake, .delivery, .choice, .tick, .signals, .epoch: break
    }
    return []
  }

  // MARK: activations and orders

  private func activate(_ activation: Activation, _ entry: Entry, _ state: any StateTransaction) throws -> [Derived] {
    switch activation.kind {
    case .instance: try ToolFacts.activate(activation, state)
    case .mode:
      guard let mode = activation.document["mode"]?.string.flatMap(TenantMode.init) else {
        let found = activation.document["mode"]?.string ?? activation.document.canonicalText
        try RefusedInput.record(
          RulesRefusal.modeUnknown(found: found), entry, about: activation.name, by: activation.by, state)
        return []
      }
      try state.set(Rules.space, "mode", .string(mode.rawValue))
    case .policies:
      do {
        let document = try Self.check(activation.document)
        guard document.hash == activation.hash else {
          throw RulesRefusal.hashMismatch(claimed: activation.hash, computed: document.hash)
        }
        guard try Rules.inForce(state).document.hash != document.hash else { return [] }
        try state.set(Rules.space, "document", activation.document)
        try SetsInForce.record(activation, at: entry.position, state)
      } catch let error as any OperatorError {
        let refusal = error as? RulesRefusal ?? .documentRefused(reason: error.message)
        try RefusedInput.record(refusal, entry, about: activation.name, by: activation.by, state)
        return []
      }
      return try judgeAgain(entry, state)
    case .thresholds, .playbooks, .routes: try SetsInForce.record(activation, at: entry.position, state)
    }
    return []
  }

  private func follow(_ order: Order, _ entry: Entry, _ state: any StateTransaction) throws {
    switch order.verb {
    case .kill, .unkill:
      guard let target = KillTarget(order.target) else {
        let refusal = RulesRefusal.killTargetInvalid(target: order.target)
        return try RefusedInput.record(refusal, entry, about: order.target, by: order.by, state)
      }
      guard order.verb == .kill else { return try state.remove(KillSwitch.space, target.description) }
      let kill = KillSwitch(
        target: target.description, by: order.by, note: order.argument, atMs: entry.recordedAtMs)
      try state.set(KillSwitch.space, target.description, try JSONValue(encoding: kill))
    case .withdraw:
      guard let id = Digest(hex: order.target) else { return }
      // The host takes off what it read of an earlier judgement; one that is on its way has its own say.
      if order.by == nil, let standing = try Standing.of(id, in: state), standing.saidAt == nil { return }
      try Standing.remove(id, state)
    case .resolveUnknown: try resolve(order, entry, state)
    case .suspendTenant, .resumeTenant: try Suspension.follow(order, entry, state)
    case .undo, .replayDeadLetter, .dropDeadLetter, .setCheckpoint, .trim, .eraseTenant, .setDiskQuota,
      .setInstanceQuota:
      break
    }
  }

  // MARK: proposals

  private func judge(_ set: ProposalSet, _ entry: Entry, _ state: any StateTransaction) throws -> Derived {
    let day = try Budget.advance(to: set.day, state)
    for withdrawn in set.withdrawn { try Standing.remove(withdrawn.proposal, state) }
    var earlier: [Digest: Verdict] = [:]
    var candidates: [Digest: Proposal] = [:]
    for proposal in set.proposals where earlier[proposal.id] == nil && candidates[proposal.id] == nil {
      if let verdict = try standingVerdict(of: proposal, state) {
        earlier[proposal.id] = verdict
      } else {
        candidates[proposal.id] = proposal
      }
    }
    let lists = try ApproverLists(on: day, atMs: entry.recordedAtMs, state)
    let waiting = lists.belowBudget.filter { $0.day < day && candidates[$0.proposal.id] == nil }
    var allocation = Allocation(
      judge: try judge(on: day, by: Rules.inForce(state), state), entry: entry, taken: lists.taken, state: state)
    let verdicts = try allocation.verdicts(for: Array(candidates.values) + waiting.map(\.proposal))
    let named = Set(set.proposals.map(\.id))
    // Of what waited, only what changed is said again.
    let changed = waiting.map(\.proposal).filter { verdicts[$0.id]!.outcome != .belowBudget && !named.contains($0.id) }
    let ordered =
      set.proposals.map { earlier[$0.id] ?? verdicts[$0.id]! }
      + changed.sorted(by: Standing.precedes).map { verdicts[$0.id]! }
    return Derived(kind: .verdicts, body: try JSONValue(encoding: VerdictSet(day: set.day, verdicts: ordered)))
  }

  /// New policies judge all that has not started; approvals under the old ones no longer bind.
  private func judgeAgain(_ entry: Entry, _ state: any StateTransaction) throws -> [Derived] {
    guard let day = try Budget.day(state) else { return [] }
    let lists = try ApproverLists(on: day, atMs: entry.recordedAtMs, state)
    let waiting = lists.belowBudget + lists.held + lists.allowed
    guard !waiting.isEmpty else { return [] }
    for standing in waiting { try Standing.remove(standing.proposal.id, state) }
    var allocation = Allocation(
      judge: try judge(on: day, by: Rules.inForce(state), state), entry: entry, taken: lists.answered, state: state)
    let verdicts = try allocation.verdicts(for: waiting.map(\.proposal))
    let ordered = waiting.map(\.proposal).sorted(by: Standing.precedes).map { verdicts[$0.id]! }
    return [Derived(kind: .verdicts, body: try JSONValue(encoding: VerdictSet(day: day, verdicts: ordered)))]
  }

  /// The verdict of a proposal that is in hand already; nil when it must be judged.
  private func standingVerdict(of proposal: Proposal, _ state: any StateTransaction) throws -> Verdict? {
    if try PermitRecord.of(proposal.id, in: state) != nil {
      let reason = Verdict.Reason(rule: "proposal.started", sentence: "Its call has been started before.")
      return Verdict(
        proposal: proposal.id, outcome: .deny, reasons: [reason], policySet: try Rules.inForce(state).document.hash)
    }
    guard let standing = try Standing.of(proposal.id, in: state) else { return nil }
    let isOpen = try standing.approval(in: state).map { $0.state == .pending || $0.state == .approved } ?? true
    if standing.proposal == proposal, standing.outcome == .allow || (standing.outcome == .hold && isOpen) {
      return standing.verdict
    }
    try Standing.remove(proposal.id, state)
    return nil
  }

  func judge(on day: BusinessDay, by rules: Rules, _ view: any StateView) throws -> Judge {
    Judge(rules: rules, day: day, view: view, tools: tools, world: try world?(view))
  }
}

/// What stands and has not started, and the places that are taken on the approvers' lists of one business day.
private struct ApproverLists {
  var allowed: [Standing] = []
  var held: [Standing] = []
  var belowBudget: [Standing] = []
  /// Answered on this day, by approver.
  var answered: [String: Int] = [:]
  /// Answered on this day or waiting for an answer, by approver.
  var taken: [String: Int] = [:]

  /// Drops what nobody can approve any more.
  init(on day: BusinessDay, atMs now: Int64, _ state: any StateTransaction) throws {
    for (key, count) in try state.scan(Approval.answered, prefix: "\(day)/") {
      answered[String(key.dropFirst("\(day)/".count))] = Int(count.integer ?? 0)
    }
    taken = answered
    for standing in try Standing.all(state) {
      let hasStarted = try PermitRecord.of(standing.proposal.id, in: state) != nil
      switch standing.outcome {
      case .belowBudget: belowBudget.append(standing)
      case .allow: if !hasStarted { allowed.append(standing) }
      case .hold:
        switch try standing.approval(in: state)?.state(atMs: now) {
        case nil, .pending?:
          taken[standing.proposal.approver ?? "", default: 0] += 1
          held.append(standing)
        case .approved?: if !hasStarted { held.append(standing) }
        case .rejected?, .expired?, .withdrawn?: try Standing.remove(standing.proposal.id, state)
        case .spent?: break
        }
      case .deny, .noted: break
      }
    }
  }
}
