package import Domain
package import Policy

/// An action that may be started now, as far as the state tells; minting its permit judges it again.
package struct ReadyAction: Equatable, Sendable {
  package let action: ActionRecord
  /// As it was judged; nil for an undo.
  package let proposal: Proposal?
  package let attempt: Int

  /// - Parameter targetVersion: The target's version now; nil when it is not known.
  package func permit(
    from policy: PolicyStage, tenant: TenantID, in view: any StateView, nowMs: Int64, targetVersion: String?
  ) throws(PermitRefusal) -> Permit {
    if let undone = action.undoes, let user = action.approvedBy {
      return try policy.mintUndo(
        of: undone, attempt: attempt, orderedBy: user, tenant: tenant, in: view, nowMs: nowMs,
        targetVersion: targetVersion)
    }
    guard let proposal else { throw .notStanding(action: action.id) }
    return try policy.mint(
      proposal, attempt: attempt, approvedBy: action.approvedBy, tenant: tenant, in: view, nowMs: nowMs,
      targetVersion: targetVersion)
  }
}

/// A queued action that must wait, and why.
package struct WaitingAction: Equatable, Sendable {
  package let action: ActionRecord
  /// Its code tells the cause: `permit.killed`, `permit.too_early`, …
  package let cause: PermitRefusal
}

extension ActionStage {
  /// What may be started at `nowMs`: people's undo orders first, then the greatest expected value.
  /// - Parameter steadyMs: The time by a clock that does not jump forward, for what must wait until an upstream has
  ///   settled; nil for `nowMs`.
  package static func ready(in view: any StateView, nowMs: Int64, steadyMs: Int64? = nil) throws -> [ReadyAction] {
    let busy = try busyTargets(view)
    return try queued(view).filter { try cause(of: $0, busy, view, nowMs, steadyMs) == nil }.map { action in
      ReadyAction(
        action: action, proposal: try Standing.of(action.id, in: view)?.proposal,
        attempt: try PermitRecord.nextAttempt(of: action.id, in: view))
    }
  }

  /// Queued actions that cannot start at `nowMs`, each with its cause; one whose cause is final is to be withdrawn.
  package static func waiting(in view: any StateView, nowMs: Int64) throws -> [WaitingAction] {
    let busy = try busyTargets(view)
    return try queued(view).compactMap { action in
      try cause(of: action, busy, view, nowMs).map { WaitingAction(action: action, cause: $0) }
    }
  }

  /// Actions whose outcome nobody knows and whose executor is to be asked now, by id.
  package static func toProbe(in view: any StateView, nowMs: Int64) throws -> [(
    action: ActionRecord, start: EffectStart
  )] {
    try ActionRecord.open(in: [.probing], view).compactMap { action in
      guard nowMs >= action.notBeforeMs, let permit = try PermitRecord.of(action.id, in: view) else { return nil }
      return (action, permit.start)
    }
  }

  /// When, after `nowMs`, the next attempt or probe becomes due by itself; nil when none does.
  package static func nextTime(in view: any StateView, nowMs: Int64) throws -> Int64? {
    try ActionRecord.open(in: [.queued, .probing], view).map(\.notBeforeMs).filter { $0 > nowMs }.min()
  }

  /// Starts without a receipt. After a restart each of them gets a receipt `unknown`: nobody saw how it ended.
  package static func inFlight(in view: any StateView) throws -> [EffectStart] {
    try ActionRecord.open(in: [.started], view).compactMap { try PermitRecord.of($0.id, in: view)?.start }
  }

  /// Whether the call of a start journaled at `position` may be sent: it was accepted, there, and nothing has been
  /// reported for it. False for a start whose permit was spent before.
  package static func mayExecute(_ start: EffectStart, at position: Position, in view: any StateView) throws -> Bool {
    guard let permit = try PermitRecord.of(start.action, in: view),
      let action = try ActionRecord.of(start.action, in: view)
    else { return false }
    return permit.start == start && permit.startedAt == position && permit.outcome == nil && action.state == .started
      && action.permit == start.permit
  }

  /// Approvals that wait for an answer at `nowMs`, the greatest expected value first, each with what it binds.
  package static func pending(in view: any StateView, nowMs: Int64) throws -> [(approval: Approval, proposal: Proposal)]
  {
    let found = try ActionRecord.open(in: [.awaiting], view).compactMap { action -> (Approval, Proposal)? in
      guard let standing = try Standing.of(action.id, in: view), let approval = try standing.approval(in: view),
        approval.state(atMs: nowMs) == .pending
      else { return nil }
      return (approval, standing.proposal)
    }
    return found.sorted { Standing.precedes($0.1, $1.1) }.map { (approval: $0.0, proposal: $0.1) }
  }

  private static func queued(_ view: any StateView) throws -> [ActionRecord] {
    try ActionRecord.open(in: [.queued], view).sorted { left, right in
      if (left.undoes != nil) != (right.undoes != nil) { return left.undoes != nil }
      return left.expectedValueCents == right.expectedValueCents
        ? left.id < right.id : left.expectedValueCents > right.expectedValueCents
    }
  }

  /// What calls that are under way may be changing. The version that they leave behind is not known before the receipt.
  private static func busyTargets(_ view: any StateView) throws -> [Subject: Digest] {
    var busy: [Subject: Digest] = [:]
    for action in try ActionRecord.open(in: [.started, .probing, .unresolved], view) {
      let changes = action.undoes != nil || action.call.targetVersion != nil
      if changes, busy[action.subject] == nil { busy[action.subject] = action.id }
    }
    return busy
  }

  /// What a permit would be refused for, without judging the proposal again.
  private static func cause(
    of action: ActionRecord, _ busy: [Subject: Digest], _ view: any StateView, _ nowMs: Int64, _ steadyMs: Int64? = nil
  ) throws -> PermitRefusal? {
    if action.call.targetVersion != nil, let other = busy[action.subject] { return .targetBusy(action: other) }
    guard steadyMs ?? nowMs >= action.notBeforeMs else { return .tooEarly(notBeforeMs: action.notBeforeMs) }
    if let suspension = try Suspension.of(view) { return .suspended(reason: suspension.reason) }
    switch try Rules.mode(view) {
    case .observe: return .modeObserves
    case .propose: if action.approvedBy == nil { return .needsApproval }
    case .act: break
    }
    if let target = try KillSwitch.stops(
      tool: action.call.tool, playbook: action.playbook, account: action.account, owner: action.owner, in: view)
    {
      return .killed(target: target.description)
    }
    guard action.undoes == nil, action.approvedBy != nil else { return nil }
    let state = try Approval.of(action.id, in: view)?.state(atMs: nowMs)
    return state == .expired ? .approvalNotGiven(state: "expired") : nil
  }
}
