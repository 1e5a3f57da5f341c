package import Domain

/// Why an input about an action changed nothing. It is kept with its reason.
package enum ActionRefusal: OperatorError, Equatable {
  case unknown(action: String)
  case moveNotAllowed(action: Digest, from: String, to: String)
  case alreadyStarted(action: Digest)
  case undoNotPossible(action: Digest, reason: String)
  case personMissing(verb: String)

  package var code: String {
    switch self {
    case .unknown: "action.unknown"
    case .moveNotAllowed: "action.move_not_allowed"
    case .alreadyStarted: "action.already_started"
    case .undoNotPossible: "action.undo_not_possible"
    case .personMissing: "action.person_missing"
    }
  }
  package var message: String {
    switch self {
    case .unknown(let action): "There is no action \(action.prefix(12))."
    case .moveNotAllowed(let action, let from, let to):
      "The action \(action.hex.prefix(12)) is \(from) and cannot become \(to)."
    case .alreadyStarted(let action): "The action \(action.hex.prefix(12)) has started and is not withdrawn."
    case .undoNotPossible(let action, let reason):
      "The action \(action.hex.prefix(12)) cannot be taken back: \(reason)."
    case .personMissing(let verb): "The order \(verb) names no person."
    }
  }
  package var remedy: String {
    switch self {
    case .unknown, .moveNotAllowed: "See `sluice action list`."
    case .alreadyStarted: "Wait for its receipt, then take it back with its declared compensation."
    case .undoNotPossible: "See `sluice action show`; correct the record by hand when nothing takes it back."
    case .personMissing: "Give the order as a user."
    }
  }
}

/// Why a person's answer did not count. Nothing was executed for it.
package enum ApprovalRefusal: OperatorError, Equatable {
  case unknown(proposal: Digest)
  case notPending(state: String)
  case expired(expiresAtMs: Int64)
  case callChanged
  case ownRequest(user: String)
  case notAnApprover(user: String, approver: String?)
  case answeredBefore(user: String)

  package var code: String {
    switch self {
    case .unknown: "approval.unknown"
    case .notPending: "approval.not_pending"
    case .expired: "approval.expired"
    case .callChanged: "approval.call_changed"
    case .ownRequest: "approval.own_request"
    case .notAnApprover: "approval.not_an_approver"
    case .answeredBefore: "approval.answered_before"
    }
  }
  package var message: String {
    switch self {
    case .unknown(let proposal): "Nobody is asked about the proposal \(proposal.hex.prefix(12))."
    case .notPending(let state): "The approval is \(state); it is answered once."
    case .expired(let expiresAtMs): "The approval expired at \(expiresAtMs) ms since 1970."
    case .callChanged: "The answer is to another call than the one that is held."
    case .ownRequest(let user): "\(user) asked for the call and cannot answer it."
    case .notAnApprover(let user, let approver):
      "The user \(user) may not answer for \(approver ?? "a proposal without an approver")."
    case .answeredBefore(let user): "The user \(user) has approved it already; another one is needed."
    }
  }
  package var remedy: String {
    switch self {
    case .unknown, .notPending: "See `sluice approval list`."
    case .expired: "Silence was denial; the call is proposed again if it still stands."
    case .callChanged: "Look at the call as it is now with `sluice approval show`, and answer that."
    case .ownRequest, .answeredBefore: "Let another person answer."
    case .notAnApprover: "Let an approver answer; `approvers` in governance.yaml names them."
    }
  }
}
