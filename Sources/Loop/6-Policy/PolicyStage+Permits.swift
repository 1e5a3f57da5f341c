import Cryptography
package import Domain

extension PolicyStage {
  /// Permits one judged call to start now. Policy, mode, kill switches, budget and the target's version are judged again.
  ///
  /// - Parameters:
  ///   - proposal: Exactly as it was judged.
  ///   - attempt: 1, or one more than the last one.
  ///   - approvedBy: One of those who approved it; nil when policy allowed it without a person.
  ///   - nowMs: Wall time, milliseconds since 1970.
  ///   - targetVersion: The version that the target has now; nil when it is not known.
  /// - Throws: Why not. `isFinal` tells whether asking again can help.
  package func mint(
    _ proposal: Proposal, attempt: Int = 1, approvedBy: UserID?, tenant: TenantID, in view: any StateView,
    nowMs: Int64, targetVersion: String?
  ) throws(PermitRefusal) -> Permit {
    let callHash = try examine(proposal, attempt, approvedBy, tenant, view, nowMs)
    if let decidedOn = proposal.call?.targetVersion, let targetVersion, targetVersion != decidedOn {
      throw .targetChanged(decidedOn: decidedOn, now: targetVersion)
    }
    let start = EffectStart(
      permit: Permit.id(tenant: tenant, action: proposal.id, callHash: callHash, attempt: attempt),
      proposal: proposal.id, call: proposal.call!, subject: proposal.subject, account: proposal.account,
      owner: proposal.owner,
      idempotencyKey: try reading { () throws in
        try CallHash.idempotencyKey(tenant: tenant, action: proposal.id, call: proposal.call!)
      }, undoes: nil, approvedBy: approvedBy, attempt: attempt)
    return Permit(start, expiresAtMs: nowMs + (try reading { () throws in try Rules.governance(view).permitTTLMs }))
  }

  /// Permits the declared compensation of a done action, which a person ordered. Asks policy for `compensate`.
  ///
  /// - Parameters:
  ///   - action: The id of the action to take back.
  ///   - targetVersion: When another one than after the action, somebody has changed the target since: refused.
  package func mintUndo(
    of action: Digest, attempt: Int = 1, orderedBy user: UserID, tenant: TenantID, in view: any StateView,
    nowMs: Int64, targetVersion: String?
  ) throws(PermitRefusal) -> Permit {
    let start = try examineUndo(of: action, attempt, user, tenant, view, nowMs)
    if let after = start.call.targetVersion, let targetVersion, targetVersion != after {
      throw .targetChanged(decidedOn: after, now: targetVersion)
    }
    return Permit(start, expiresAtMs: nowMs + (try reading { () throws in try Rules.governance(view).permitTTLMs }))
  }

  /// All that must hold at the moment of the start but the target's version.
  /// - Returns: The hash that the permit is made of.
  func examine(
    _ proposal: Proposal, _ attempt: Int, _ approvedBy: UserID?, _ tenant: TenantID, _ view: any StateView,
    _ nowMs: Int64
  ) throws(PermitRefusal) -> Digest {
    try reading { () throws in
      let rules = try Rules.inForce(view)
      let record = try PermitRecord.check(
        attempt: attempt, of: proposal.id, nowMs: nowMs, governance: rules.document.governance, in: view)
      guard let standing = try Standing.of(proposal.id, in: view), let day = try Budget.day(view) else {
        throw PermitRefusal.notStanding(action: proposal.id)
      }
      guard standing.tenant == tenant else { throw PermitRefusal.otherTenant(tenant: tenant.rawValue) }
      guard standing.proposal == proposal else { throw PermitRefusal.callChanged(action: proposal.id) }
      // Invariant: what new policies say of it is in the journal before it starts under them.
      guard standing.saidAt != nil else { throw PermitRefusal.verdictOnItsWay(action: proposal.id) }
      if let suspension = try Suspension.of(view) { throw PermitRefusal.suspended(reason: suspension.reason) }
      if rules.mode == .observe { throw PermitRefusal.modeObserves }
      if rules.mode == .propose, approvedBy == nil { throw PermitRefusal.needsApproval }
      if let call = proposal.call,
        let kill = try KillSwitch.stopping(
          tool: call.tool, playbook: proposal.playbook, account: proposal.account, owner: proposal.owner, in: view)
      {
        throw PermitRefusal.killed(target: kill.target.description)
      }
      let judgement = try judge(on: day, by: rules, view).judge(proposal)
      if let approvedBy {
        guard [.allow, .hold].contains(judgement.outcome) else {
          throw PermitRefusal.denied(reasons: judgement.reasons.map(\.sentence))
        }
        return try approved(standing, by: approvedBy, tenant, isRetry: record != nil, view, nowMs)
      }
      guard standing.outcome == .allow else { throw PermitRefusal.notStanding(action: proposal.id) }
      guard judgement.outcome == .allow else {
        throw PermitRefusal.denied(reasons: judgement.reasons.map(\.sentence))
      }
      if record == nil {
        let scopes = Budget.scopes(
          of: proposal, costCents: standing.costCents, rules.document.governance.budgets)
        if let full = try Budget.exceeded(scopes, .started, on: day, in: view) {
          throw PermitRefusal.budgetSpent(rule: full.rule)
        }
      }
      return try CallHash.of(
        tenant: tenant, requester: Standing.requester, proposal: proposal, policySet: standing.policySet,
        expiresAtMs: nil, nonce: nil)
    }
  }

  /// The approval must be for exactly this call, under this policy set, not expired, and given by this user.
  private func approved(
    _ standing: Standing, by user: UserID, _ tenant: TenantID, isRetry: Bool, _ view: any StateView, _ nowMs: Int64
  ) throws -> Digest {
    guard standing.outcome == .hold else { throw PermitRefusal.notStanding(action: standing.proposal.id) }
    guard let approval = try standing.approval(in: view) else { throw PermitRefusal.approvalMissing }
    let state = approval.state(atMs: nowMs)
    // A retry of the same call needs no second approval; everything else finds a spent one spent.
    guard state == .approved || (state == .spent && isRetry && nowMs <= approval.expiresAtMs) else {
      throw PermitRefusal.approvalNotGiven(state: state == .spent && isRetry ? "expired" : state.rawValue)
    }
    guard approval.approvedBy.contains(user), user.rawValue != approval.requester else {
      throw PermitRefusal.approverNotNamed(user: user.rawValue)
    }
    let hash = try CallHash.of(
      tenant: tenant, requester: Standing.requester, proposal: standing.proposal, policySet: standing.policySet,
      expiresAtMs: approval.expiresAtMs, nonce: approval.nonce)
    guard hash == approval.callHash else { throw PermitRefusal.callChanged(action: standing.proposal.id) }
    return hash
  }

  func examineUndo(
    of action: Digest, _ attempt: Int, _ user: UserID, _ tenant: TenantID, _ view: any StateView, _ nowMs: Int64
  ) throws(PermitRefusal) -> EffectStart {
    try reading { () throws in
      let id = CallHash.undo(of: action)
      let rules = try Rules.inForce(view)
      _ = try PermitRecord.check(
        attempt: attempt, of: id, nowMs: nowMs, governance: rules.document.governance, in: view)
      guard let done = try PermitRecord.of(action, in: view), done.outcome == .done else {
        throw PermitRefusal.undoNotPossible(reason: "it is not done")
      }
      let original = done.start
      guard original.undoes == nil, let undo = original.call.undo else {
        throw PermitRefusal.undoNotPossible(reason: "no compensation was declared for it")
      }
      if let suspension = try Suspension.of(view) { throw PermitRefusal.suspended(reason: suspension.reason) }
      if rules.mode == .observe { throw PermitRefusal.modeObserves }
      if let kill = try KillSwitch.stopping(
        tool: undo.tool, playbook: nil, account: original.account, owner: original.owner, in: view)
      {
        throw PermitRefusal.killed(target: kill.target.description)
      }
      let day = try Budget.day(view) ?? BusinessDay(number: 0)
      let answer = try judge(on: day, by: rules, view).mayCompensate(original, by: user)
      guard answer.isAllowed else { throw PermitRefusal.denied(reasons: answer.sentences) }
      let call = ToolCall(
        tool: undo.tool, arguments: undo.arguments, targetVersion: done.version, current: .null, undo: nil)
      let key = try CallHash.idempotencyKey(tenant: tenant, action: id, call: call)
      let hash = StableID.of("undo_call", [tenant.rawValue, user.rawValue, original.permit.hex, key])
      return EffectStart(
        permit: Permit.id(tenant: tenant, action: id, callHash: hash, attempt: attempt), proposal: action, call: call,
        subject: original.subject, account: original.account, owner: original.owner, idempotencyKey: key,
        undoes: original.permit, approvedBy: user, attempt: attempt)
    }
  }

  /// Turns what a reading of the state throws into a refusal: no permit is minted on doubtful state.
  private func reading<Value>(_ body: () throws -> Value) throws(PermitRefusal) -> Value {
    do { return try body() } catch let refusal as PermitRefusal { throw refusal } catch {
      throw .unreadable(reason: "\(error)")
    }
  }
}
