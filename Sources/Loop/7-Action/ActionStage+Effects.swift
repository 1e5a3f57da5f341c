import Domain
import Policy

extension ActionStage {
  func begin(_ start: EffectStart, _ entry: Entry, _ state: any StateTransaction) throws {
    // Policy has judged the start before this stage; a refused one is in its list.
    guard let permit = try PermitRecord.of(start.action, in: state), permit.startedAt == entry.position else { return }
    guard var action = try ActionRecord.of(start.action, in: state) else {
      let refusal = ActionRefusal.unknown(action: start.action.hex)
      return try RefusedInput.record(refusal, entry, about: start.action.hex, in: Self.refused, state)
    }
    do throws(ActionRefusal) {
      try action.move(to: .started, atMs: entry.recordedAtMs, reason: nil)
    } catch {
      return try RefusedInput.record(error, entry, about: start.action.hex, in: Self.refused, state)
    }
    action.attempts = permit.tries
    action.permit = start.permit
    try action.save(state)
    guard start.undoes == nil, var approval = try Approval.of(start.proposal, in: state), approval.state == .approved
    else { return }
    approval.state = .spent
    try save(approval, state)
  }

  /// Takes over what policy made of a receipt or of a person's resolution.
  func report(_ id: Digest, _ entry: Entry, _ state: any StateTransaction) throws {
    guard let permit = try PermitRecord.of(id, in: state), permit.reportedAt == entry.position,
      var action = try ActionRecord.of(id, in: state)
    else { return }
    let probesMax = try Rules.governance(state).probesMax
    let isOrder = entry.kind == .order
    let target: ActionState =
      switch permit.outcome {
      case .done: .done
      case .rejected: isOrder ? .failed : .rejected
      case .notStarted: permit.isExhausted ? .failed : .queued
      case .unknown, nil: permit.probes >= probesMax ? .unresolved : .probing
      }
    do throws(ActionRefusal) {
      try action.move(to: target, atMs: entry.recordedAtMs, reason: permit.reason)
    } catch {
      return try RefusedInput.record(error, entry, about: id.hex, in: Self.refused, state)
    }
    action.notBeforeMs = permit.notBeforeMs
    try action.save(state)
    guard target == .done, let undone = action.undoes, var original = try ActionRecord.of(undone, in: state),
      original.state == .done
    else { return }
    let person = action.approvedBy?.rawValue ?? "nobody"
    try original.move(to: .undone, atMs: entry.recordedAtMs, reason: "Taken back by \(person).")
    try original.save(state)
  }
}
