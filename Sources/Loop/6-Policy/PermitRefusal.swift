package import Domain

/// Why no permit was minted, or a permit could not be spent. Nothing was sent.
package enum PermitRefusal: OperatorError, Equatable {
  case modeObserves
  case needsApproval
  case killed(target: String)
  case suspended(reason: String)
  case notStanding(action: Digest)
  case verdictOnItsWay(action: Digest)
  case callChanged(action: Digest)
  case otherTenant(tenant: String)
  case denied(reasons: [String])
  case approvalMissing
  case approvalNotGiven(state: String)
  case approverNotNamed(user: String)
  case budgetSpent(rule: String)
  case targetChanged(decidedOn: String, now: String)
  case alreadySpent(attempt: Int)
  case inFlight(attempt: Int)
  case targetBusy(action: Digest)
  case ended(outcome: String)
  case attemptOutOfOrder(given: Int, expected: Int)
  case attemptsExhausted(attemptsMax: Int)
  case tooEarly(notBeforeMs: Int64)
  case forged(permit: Digest)
  case expired(expiresAtMs: Int64)
  case undoNotPossible(reason: String)
  case unreadable(reason: String)

  /// Whether waiting cannot change it, so that the action must be taken off.
  package var isFinal: Bool {
    switch self {
    case .modeObserves, .needsApproval, .killed, .suspended, .budgetSpent, .inFlight, .targetBusy, .tooEarly,
      .attemptOutOfOrder,
      .alreadySpent,
      .expired, .unreadable, .verdictOnItsWay:
      false
    case .approvalNotGiven(let state): state != "pending"
    case .notStanding, .callChanged, .otherTenant, .denied, .approvalMissing, .approverNotNamed, .targetChanged, .ended,
      .attemptsExhausted, .forged, .undoNotPossible:
      true
    }
  }

  package var code: String {
    switch self {
    case .modeObserves: "permit.mode_observes"
    case .needsApproval: "permit.needs_approval"
    case .killed: "permit.killed"
    case .suspended: "permit.suspended"
    case .notStanding: "permit.not_standing"
    case .verdictOnItsWay: "permit.verdict_on_its_way"
    case .callChanged: "permit.call_changed"
    case .otherTenant: "permit.other_tenant"
    case .denied: "permit.denied"
    case .approvalMissing: "permit.approval_missing"
    case .approvalNotGiven: "permit.approval_not_given"
    case .approverNotNamed: "permit.approver_not_named"
    case .budgetSpent: "permit.budget_spent"
    case .targetChanged: "permit.target_changed"
    case .alreadySpent: "permit.already_spent"
    case .inFlight: "permit.in_flight"
    case .targetBusy: "permit.target_busy"
    case .ended: "permit.ended"
    case .attemptOutOfOrder: "permit.attempt_out_of_order"
    case .attemptsExhausted: "permit.attempts_exhausted"
    case .tooEarly: "permit.too_early"
    case .forged: "permit.forged"
    case .expired: "permit.expired"
    case .undoNotPossible: "permit.undo_not_possible"
    case .unreadable: "permit.unreadable"
    }
  }

  package var message: String {
    switch self {
    case .modeObserves: "The tenant only observes; nothing is executed."
    case .needsApproval: "The tenant only proposes; this call has no person's approval."
    case .killed(let target): "The kill switch for \(target) is on."
    case .suspended(let reason): "The tenant is suspended: \(reason)"
    case .notStanding(let action): "The proposal \(action.hex.prefix(12)) does not stand, or policy has not allowed it."
    case .verdictOnItsWay(let action):
      "The proposal \(action.hex.prefix(12)) has been judged anew, and the verdict is not in the journal yet."
    case .callChanged(let action): "The call is not the one that was judged for \(action.hex.prefix(12))."
    case .otherTenant(let tenant): "The proposal does not belong to the tenant \(tenant)."
    case .denied(let reasons): "Policy denies it now: \(reasons.joined(separator: " "))"
    case .approvalMissing: "Nobody has been asked about this call."
    case .approvalNotGiven(let state): "The approval is \(state)."
    case .approverNotNamed(let user): "The user \(user) did not approve this call."
    case .budgetSpent(let rule): "The budget \(rule) of the business day is spent."
    case .targetChanged(let decidedOn, let now):
      "The target has version \(now); the call was decided on version \(decidedOn)."
    case .alreadySpent(let attempt): "The permit of attempt \(attempt) has been spent."
    case .inFlight(let attempt): "Attempt \(attempt) has started and nobody knows yet what became of it."
    case .targetBusy(let action):
      "The action \(action.hex.prefix(12)) is changing the same target, and what became of it is not known yet."
    case .ended(let outcome): "The action has ended: \(outcome)."
    case .attemptOutOfOrder(let given, let expected): "Attempt \(given) was asked for; the next one is \(expected)."
    case .attemptsExhausted(let most): "The call was started \(most) times."
    case .tooEarly(let notBeforeMs): "The next attempt is allowed from \(notBeforeMs) ms since 1970."
    case .forged(let permit): "No permit \(permit.hex.prefix(12)) can be minted for this call."
    case .expired(let expiresAtMs): "The permit expired at \(expiresAtMs) ms since 1970."
    case .undoNotPossible(let reason): "It cannot be taken back: \(reason)."
    case .unreadable(let reason): "The state could not be read: \(reason)."
    }
  }

  package var remedy: String {
    switch self {
    case .modeObserves, .needsApproval: "Approve the call, or raise the ceiling with `sluice tenant mode`."
    case .killed: "Release it with `sluice unkill` once the cause is understood."
    case .suspended: "It starts once the tenant is resumed: `sluice tenant resume`."
    case .budgetSpent: "It is judged again on the next business day; budgets are in governance.yaml."
    case .inFlight, .targetBusy, .tooEarly, .attemptOutOfOrder, .verdictOnItsWay:
      "Nothing to do: the host asks again in time."
    case .expired: "The host mints a new one; look for a stalled executor when this repeats."
    case .approvalNotGiven, .approvalMissing, .approverNotNamed: "See `sluice approval show`."
    case .targetChanged: "The target is decided on again with its new version."
    case .attemptsExhausted, .ended, .undoNotPossible: "See `sluice action show` for what became of it."
    case .unreadable: "Run `sluice doctor --deep`."
    case .notStanding, .callChanged, .otherTenant, .denied, .alreadySpent, .forged:
      "Nothing was sent; `sluice decision show` tells what was judged."
    }
  }
}
