import CanonicalJSON
import Domain

extension PolicyStage {
  /// Takes the start of an effect into the books, or refuses it: what has changed since the permit was minted counts.
  func start(_ start: EffectStart, _ entry: Entry, _ state: any StateTransaction) throws {
    let record = try PermitRecord.of(start.action, in: state)
    let isNext = try PermitRecord.nextAttempt(of: start.action, in: state) == start.attempt
    do throws(PermitRefusal) {
      let expected = try expected(start, entry, state)
      guard expected == start else { throw .forged(permit: start.permit) }
    } catch {
      try RefusedInput.record(error, entry, about: start.action.hex, by: start.approvedBy, state)
      // The permit is spent, though nothing may be sent for it: the next attempt has another number.
      return isNext ? try state.set(PermitRecord.attempts, start.action.hex, .integer(Int64(start.attempt))) : ()
    }
    try state.set(PermitRecord.attempts, start.action.hex, .integer(Int64(start.attempt)))
    var accepted = PermitRecord(start: start, startedAt: entry.position, tries: (record?.tries ?? 0) + 1)
    accepted.notBeforeMs = record?.notBeforeMs ?? 0
    accepted.heldUp = record?.heldUp
    try accepted.save(state)
    guard accepted.isAutonomous, accepted.tries == 1, let day = try Budget.day(state),
      let standing = try Standing.of(start.proposal, in: state)
    else { return }
    let scopes = Budget.scopes(
      of: standing.proposal, costCents: standing.costCents, try Rules.governance(state).budgets)
    try Budget.add(scopes, .started, on: day, state)
  }

  /// The start that a permit for this call would have given at the entry's time.
  private func expected(
    _ start: EffectStart, _ entry: Entry, _ state: any StateTransaction
  ) throws(PermitRefusal) -> EffectStart {
    let tenant = TenantID(unchecked: entry.partition.name)
    if start.undoes != nil {
      guard let user = start.approvedBy else { throw .forged(permit: start.permit) }
      return try examineUndo(of: start.proposal, start.attempt, user, tenant, state, entry.recordedAtMs)
    }
    let standing: Standing?
    do { standing = try Standing.of(start.proposal, in: state) } catch { throw .unreadable(reason: "\(error)") }
    guard let standing else { throw .notStanding(action: start.proposal) }
    let permit = try mint(
      standing.proposal, attempt: start.attempt, approvedBy: start.approvedBy, tenant: tenant, in: state,
      nowMs: entry.recordedAtMs, targetVersion: nil)
    return try permit.spend(nowMs: entry.recordedAtMs)
  }

  func close(_ receipt: Receipt, _ entry: Entry, _ state: any StateTransaction) throws {
    let governance = try Rules.governance(state)
    guard var record = try PermitRecord.of(receipt, in: state) else {
      let refusal = ReceiptRefusal.withoutStart(permit: receipt.permit)
      return try RefusedInput.record(refusal, entry, about: receipt.proposal.hex, state)
    }
    let facts = try tools(record.start.call.tool, state)
    // A tool that is gone may still settle: as long as the longest that a manifest may say.
    if let refusal = record.take(receipt, entry, settleMs: facts?.settleMs ?? 3_600_000, governance: governance) {
      return try RefusedInput.record(refusal, entry, about: receipt.proposal.hex, state)
    }
    try save(record, state)
  }

  /// A person says what became of an unknown outcome.
  func resolve(_ order: Order, _ entry: Entry, _ state: any StateTransaction) throws {
    let record = try Digest(hex: order.target).flatMap { id throws in try PermitRecord.of(id, in: state) }
    guard var record, record.outcome == .unknown else {
      let refusal = ReceiptRefusal.notUnknown(action: order.target)
      return try RefusedInput.record(refusal, entry, about: order.target, by: order.by, state)
    }
    guard let by = order.by, let argument = order.argument, ["done", "failed"].contains(argument) else {
      let refusal = ReceiptRefusal.resolutionInvalid(argument: order.argument ?? "")
      return try RefusedInput.record(refusal, entry, about: order.target, by: order.by, state)
    }
    record.outcome = argument == "done" ? .done : .rejected
    record.reportedAt = entry.position
    record.reason = "\(by) resolved it as \(argument)."
    try save(record, state)
  }

  private func save(_ record: PermitRecord, _ state: any StateTransaction) throws {
    try record.save(state)
    if record.outcome == .done || record.outcome == .rejected || record.isExhausted {
      try state.remove(Standing.space, record.start.action.hex)
    }
  }
}
