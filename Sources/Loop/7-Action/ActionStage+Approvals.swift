import CanonicalJSON
import Cryptography
import Domain
import Policy

extension ActionStage {
  /// Asks a person, bound to exactly this call from now until it expires.
  func open(_ standing: Standing, _ entry: Entry, _ state: any StateTransaction) throws {
    // The journal's salt, which nobody could know before: the nonce cannot be foretold.
    let nonce = StableID.of("nonce", [Hex.encode(entry.salt), entry.id.hex, standing.proposal.id.hex])
    let approval = try Approval(
      of: standing, nonce: nonce, openedAtMs: entry.recordedAtMs, governance: try Rules.governance(state))
    try save(approval, state)
  }

  func save(_ approval: Approval, _ state: any StateTransaction) throws {
    try state.set(Approval.space, approval.proposal.hex, try JSONValue(encoding: approval))
  }

  func answer(_ choice: Choice, _ entry: Entry, _ state: any StateTransaction) throws {
    let known = try Approval.of(choice.proposal, in: state)
    if let refusal = try refusal(of: choice, known, entry, state) {
      try RefusedInput.record(
        refusal, entry, about: choice.proposal.hex, by: choice.by, in: Self.refused, state)
      guard case .expired = refusal, let known, let action = try ActionRecord.of(choice.proposal, in: state),
        action.state == .awaiting || action.state == .queued
      else { return }
      return try expire(known, action, entry, state)
    }
    guard var approval = known, var action = try ActionRecord.of(choice.proposal, in: state), action.state == .awaiting
    else {
      let refusal = ActionRefusal.unknown(action: choice.proposal.hex)
      return try RefusedInput.record(
        refusal, entry, about: choice.proposal.hex, by: choice.by, in: Self.refused, state)
    }
    approval.note = choice.note
    switch choice.answer {
    case .approve: approval.approvedBy.append(choice.by)
    case .reject: approval.rejectedBy = choice.by
    }
    guard choice.answer == .reject || approval.approvedBy.count >= approval.quorum else {
      return try save(approval, state)
    }
    approval.state = choice.answer == .reject ? .rejected : .approved
    approval.answeredOn = try PolicyStage.businessDay(state)
    try count(approval, state)
    try save(approval, state)
    switch choice.answer {
    case .approve:
      action.approvedBy = choice.by
      try action.move(to: .queued, atMs: entry.recordedAtMs, reason: "Approved by \(choice.by).")
    case .reject:
      let note = choice.note.map { ": \($0)" } ?? "."
      try action.move(to: .declined, atMs: entry.recordedAtMs, reason: "Rejected by \(choice.by)\(note)")
    }
    try action.save(state)
  }

  /// Silence is denial.
  func expire(
    _ approval: Approval, _ action: ActionRecord, _ entry: Entry, _ state: any StateTransaction
  ) throws {
    var (approval, action) = (approval, action)
    approval.state = .expired
    try save(approval, state)
    try action.move(to: .declined, atMs: entry.recordedAtMs, reason: "Nobody answered or started it in time.")
    try action.save(state)
  }

  /// Invariant: an answer counts once, in time, for exactly the call that was shown, by somebody who may.
  private func refusal(
    of choice: Choice, _ approval: Approval?, _ entry: Entry, _ view: any StateView
  ) throws -> ApprovalRefusal? {
    guard let approval, approval.tenant.rawValue == entry.partition.name else {
      return .unknown(proposal: choice.proposal)
    }
    switch approval.state(atMs: entry.recordedAtMs) {
    case .expired: return .expired(expiresAtMs: approval.expiresAtMs)
    case .approved, .rejected, .spent, .withdrawn: return .notPending(state: approval.state.rawValue)
    case .pending: break
    }
    // The policies or the proposal have been judged anew since, and that verdict is on its way.
    guard choice.callHash == approval.callHash,
      try Standing.of(choice.proposal, in: view)?.judgedAt == approval.judgedAt
    else { return .callChanged }
    guard choice.by.rawValue != approval.requester else { return .ownRequest(user: choice.by.rawValue) }
    guard try Rules.governance(view).mayAnswer(choice.by, for: approval.approver) else {
      return .notAnApprover(user: choice.by.rawValue, approver: approval.approver)
    }
    guard !approval.approvedBy.contains(choice.by) else { return .answeredBefore(user: choice.by.rawValue) }
    return nil
  }

  /// Counts an answer against the approver's places of the business day.
  private func count(_ approval: Approval, _ state: any StateTransaction) throws {
    guard let day = approval.answeredOn else { return }
    for (key, _) in try state.scan(Approval.answered) where !key.hasPrefix("\(day)/") {
      try state.remove(Approval.answered, key)
    }
    let key = "\(day)/\(approval.approver ?? "")"
    let before = try state.value(Approval.answered, key)?.integer ?? 0
    try state.set(Approval.answered, key, .integer(before + 1))
  }
}
