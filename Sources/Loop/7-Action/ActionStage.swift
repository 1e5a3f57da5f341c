// Action: verdicts, choices, starts and receipts come in; out go approvals to show, actions that may start or must be
// probed, and what became of each. It starts nothing itself, and reads no clock.

import CanonicalJSON
package import Domain
import Policy

/// Keeps every action from its verdict to its receipt. Applies each entry after the policy stage has: which start and
/// which receipt counts is the policy's to say.
package struct ActionStage: Stage {
  /// position → what this room refused of an entry.
  package static let refused = Space("action.refused")

  package init() {}

  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived] {
    switch entry.kind {
    case .proposals: try withdraw(try JSONValue(parsing: entry.body).decode(ProposalSet.self), entry, state)
    case .verdicts: try take(try JSONValue(parsing: entry.body).decode(VerdictSet.self), entry, state)
    case .choice: try answer(try JSONValue(parsing: entry.body).decode(Choice.self), entry, state)
    case .effectStarted: try begin(try JSONValue(parsing: entry.body).decode(EffectStart.self), entry, state)
    case .receipt:
      let receipt = try JSONValue(parsing: entry.body).decode(Receipt.self)
      if let permit = try PermitRecord.of(receipt, in: state) { try report(permit.start.action, entry, state) }
    case .order: try follow(try JSONValue(parsing: entry.body).decode(Order.self), entry, state)
    case .intake, .delivery, .activation, .tick, .signals, .epoch: break
    }
    return []
  }

  // MARK: verdicts

  private func take(_ set: VerdictSet, _ entry: Entry, _ state: any StateTransaction) throws {
    for (index, verdict) in set.verdicts.enumerated() {
      do { try take(verdict, entry, state) } catch let refusal as ActionRefusal {
        try RefusedInput.record(
          refusal, entry, about: verdict.proposal.hex, ordinal: index, in: Self.refused, state)
      }
    }
  }

  private func take(_ verdict: Verdict, _ entry: Entry, _ state: any StateTransaction) throws {
    let known = try ActionRecord.of(verdict.proposal, in: state)
    let reason = verdict.reasons.last?.sentence
    switch verdict.outcome {
    case .deny, .noted, .belowBudget:
      guard let known, !known.state.hasStarted, known.state.isOpen else { return }
      // A later judgement is on its way, or has been: this one is not the last word.
      if let standing = try Standing.of(verdict.proposal, in: state), standing.outcome != verdict.outcome { return }
      try end(known, .withdrawn, reason ?? "Policy no longer allows it.", entry, state)
    case .allow, .hold:
      guard let standing = try Standing.of(verdict.proposal, in: state), standing.outcome == verdict.outcome,
        standing.policySet == verdict.policySet, let call = standing.proposal.call
      else { return }
      if verdict.outcome == .hold, try standing.approval(in: state) != nil { return }
      if let known, known.state.hasStarted { throw ActionRefusal.alreadyStarted(action: known.id) }
      let target: ActionState = verdict.outcome == .allow ? .queued : .awaiting
      var action =
        known.flatMap { $0.call == call ? $0 : nil }
        ?? ActionRecord(standing.proposal, call, state: target, atMs: entry.recordedAtMs)
      try action.move(to: target, atMs: entry.recordedAtMs, reason: reason)
      action.approvedBy = nil
      try action.save(state)
      if target == .awaiting { try open(standing, entry, state) } else { try close(action.id, state) }
    }
  }

  // MARK: orders

  private func follow(_ order: Order, _ entry: Entry, _ state: any StateTransaction) throws {
    do {
      switch order.verb {
      case .withdraw:
        let action = try named(order.target, state)
        guard action.state == .awaiting || action.state == .queued else {
          throw ActionRefusal.alreadyStarted(action: action.id)
        }
        let reason = order.argument ?? "Taken off by \(order.by?.rawValue ?? "the host")."
        try end(action, .withdrawn, reason, entry, state)
      case .undo: try takeBack(order, entry, state)
      case .resolveUnknown: if let id = Digest(hex: order.target) { try report(id, entry, state) }
      case .kill, .unkill, .replayDeadLetter, .dropDeadLetter, .setCheckpoint, .trim, .suspendTenant, .resumeTenant,
        .eraseTenant, .setDiskQuota, .setInstanceQuota:
        break
      }
    } catch let refusal as ActionRefusal {
      try RefusedInput.record(refusal, entry, about: order.target, by: order.by, in: Self.refused, state)
    }
  }

  private func takeBack(_ order: Order, _ entry: Entry, _ state: any StateTransaction) throws {
    let done = try named(order.target, state)
    guard let by = order.by else { throw ActionRefusal.personMissing(verb: order.verb.rawValue) }
    guard done.state == .done else {
      throw ActionRefusal.undoNotPossible(action: done.id, reason: "it is \(done.state.rawValue)")
    }
    guard let undo = done.call.undo, done.undoes == nil else {
      throw ActionRefusal.undoNotPossible(action: done.id, reason: "no compensation was declared for it")
    }
    let id = CallHash.undo(of: done.id)
    if let known = try ActionRecord.of(id, in: state), known.state != .withdrawn {
      throw ActionRefusal.undoNotPossible(action: done.id, reason: "its compensation is \(known.state.rawValue)")
    }
    let day = try PolicyStage.businessDay(state) ?? done.day
    let action = ActionRecord(takingBack: done, undo, id: id, day: day, by: by, atMs: entry.recordedAtMs)
    try action.save(state)
  }

  private func named(_ text: String, _ view: any StateView) throws -> ActionRecord {
    guard let action = try Digest(hex: text).flatMap({ id throws in try ActionRecord.of(id, in: view) }) else {
      throw ActionRefusal.unknown(action: text)
    }
    return action
  }

  // MARK: ends before a start

  private func withdraw(_ set: ProposalSet, _ entry: Entry, _ state: any StateTransaction) throws {
    for (index, withdrawn) in set.withdrawn.enumerated() {
      guard let action = try ActionRecord.of(withdrawn.proposal, in: state), action.state.isOpen else { continue }
      if action.state == .awaiting || action.state == .queued {
        try end(action, .withdrawn, withdrawn.reason, entry, state)
      } else {
        let refusal = ActionRefusal.alreadyStarted(action: action.id)
        try RefusedInput.record(refusal, entry, about: action.id.hex, ordinal: index, in: Self.refused, state)
      }
    }
    for action in try ActionRecord.open(in: [.awaiting, .queued], state) {
      guard let approval = try Approval.of(action.id, in: state),
        approval.state == .pending || approval.state == .approved, approval.state(atMs: entry.recordedAtMs) == .expired
      else { continue }
      try expire(approval, action, entry, state)
    }
  }

  /// Ends an action for which nothing has been sent, and the approval with it.
  func end(
    _ action: ActionRecord, _ target: ActionState, _ reason: String, _ entry: Entry, _ state: any StateTransaction
  ) throws {
    var action = action
    try action.move(to: target, atMs: entry.recordedAtMs, reason: reason)
    try action.save(state)
    try close(action.id, state)
  }

  /// Nobody is asked any more: what an approval was asked under does not hold.
  private func close(_ action: Digest, _ state: any StateTransaction) throws {
    guard var approval = try Approval.of(action, in: state), approval.state == .pending || approval.state == .approved
    else { return }
    approval.state = .withdrawn
    try save(approval, state)
  }
}
