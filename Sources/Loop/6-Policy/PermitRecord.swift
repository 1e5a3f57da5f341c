import CanonicalJSON
package import Domain

/// What became of an action's permits: the latest one, and how often the call was started.
package struct PermitRecord: Codable, Equatable, Sendable {
  /// The last accepted start, as journaled, and where it stands.
  package var start: EffectStart
  package var startedAt: Position
  /// Accepted starts.
  package var tries: Int
  /// Of these, those that had no credential that counts; nil for none. They do not count against the call.
  package var heldUp: Int?
  /// Nil while nobody has reported.
  package var outcome: Receipt.Outcome?
  /// Where the last accepted receipt or resolving order stands.
  package var reportedAt: Position?
  package var reason: String?
  /// When its outcome was first unknown, in milliseconds since 1970.
  package var unknownAtMs: Int64?
  /// Probes that could not tell.
  package var probes = 0
  /// Before this, neither another attempt nor an answer of "absent" counts.
  package var notBeforeMs: Int64 = 0
  /// No further attempt is allowed.
  package var isExhausted = false
  /// The target's version after it was done, when the executor told.
  package var version: String?
  private var counted: Int { tries - (heldUp ?? 0) }
  /// Nobody approved it: it counts against the budgets.
  package var isAutonomous: Bool { start.approvedBy == nil }

  /// action id (a proposal's, or that of an undo) → record.
  package static let space = Space("policy.permit")
  /// action id → the last attempt whose start was journaled, accepted or not.
  static let attempts = Space("policy.attempt")

  package static func of(_ action: Digest, in view: any StateView) throws -> PermitRecord? {
    try view.value(space, action.hex)?.decode()
  }
  func save(_ state: any StateTransaction) throws {
    try state.set(Self.space, start.action.hex, try JSONValue(encoding: self))
  }

  /// The record that a receipt is for: of the proposal's action, or of the one that takes it back.
  package static func of(_ receipt: Receipt, in view: any StateView) throws -> PermitRecord? {
    for action in [receipt.proposal, CallHash.undo(of: receipt.proposal)] {
      if let record = try of(action, in: view), record.start.permit == receipt.permit { return record }
    }
    return nil
  }

  /// The number that the next attempt has.
  package static func nextAttempt(of action: Digest, in view: any StateView) throws -> Int {
    Int(try view.value(attempts, action.hex)?.integer ?? 0) + 1
  }

  /// Whether this attempt may start now: one after the other, each after the one before is known not to have started.
  static func check(
    attempt: Int, of action: Digest, nowMs: Int64, governance: Governance, in view: any StateView
  ) throws -> PermitRecord? {
    let next = try nextAttempt(of: action, in: view)
    guard attempt >= next else { throw PermitRefusal.alreadySpent(attempt: attempt) }
    let record = try of(action, in: view)
    if let record {
      switch record.outcome {
      case nil, .unknown?: throw PermitRefusal.inFlight(attempt: record.start.attempt)
      case .done?, .rejected?: throw PermitRefusal.ended(outcome: record.outcome!.rawValue)
      case .notStarted?: break
      }
      let most = governance.attemptsMax
      guard record.counted < most else { throw PermitRefusal.attemptsExhausted(attemptsMax: most) }
      guard nowMs >= record.notBeforeMs else { throw PermitRefusal.tooEarly(notBeforeMs: record.notBeforeMs) }
    }
    guard attempt == next else { throw PermitRefusal.attemptOutOfOrder(given: attempt, expected: next) }
    return record
  }

  /// Takes a receipt for the latest start, journaled at `entry`.
  ///
  /// - Parameter settleMs: An "absent" counts only when asked for this long after the outcome became unknown.
  /// - Returns: nil, or why it does not count.
  mutating func take(_ receipt: Receipt, _ entry: Entry, settleMs: Int64, governance: Governance) -> ReceiptRefusal? {
    let wasUnknown = outcome == .unknown
    guard outcome == nil || wasUnknown else { return .again(permit: receipt.permit, outcome: outcome!.rawValue) }
    reportedAt = entry.position
    reason = receipt.reason
    // A wall clock that was put forward has let no time pass for the upstream.
    let now = min(receipt.steadyMs ?? entry.recordedAtMs, entry.recordedAtMs)
    switch receipt.outcome {
    case .done, .rejected:
      outcome = receipt.outcome
      version = receipt.version
    case .unknown:
      outcome = .unknown
      if unknownAtMs == nil { unknownAtMs = now }
      guard wasUnknown else { break }
      probes += 1
      // An executor that could not tell is asked ever more rarely: what it waits for may take its time.
      notBeforeMs = now + settleMs << min(probes - 1, 6)
    case .notStarted:
      let isHeldUp = receipt.code == Receipt.credentialRefused && !wasUnknown
      // For want of a credential nothing was sent, or all was answered: nothing may still arrive.
      let settled = isHeldUp ? now : (unknownAtMs ?? now) + settleMs
      notBeforeMs = settled
      // Invariant: what may still arrive upstream is not tried again. A slow probe says how it was when it was asked.
      if wasUnknown, min(receipt.askedAtMs ?? now, now) < settled { return nil }
      outcome = .notStarted
      unknownAtMs = nil
      probes = 0
      if isHeldUp { heldUp = (heldUp ?? 0) + 1 }
      isExhausted = counted >= governance.attemptsMax
    }
    return nil
  }
}

/// Why a receipt or the resolving of an action changed nothing.
package enum ReceiptRefusal: OperatorError, Equatable {
  case withoutStart(permit: Digest)
  case again(permit: Digest, outcome: String)
  case notUnknown(action: String)
  case resolutionInvalid(argument: String)

  package var code: String {
    switch self {
    case .withoutStart: "action.receipt_without_start"
    case .again: "action.receipt_again"
    case .notUnknown: "action.not_unknown"
    case .resolutionInvalid: "action.resolution_invalid"
    }
  }
  package var message: String {
    switch self {
    case .withoutStart(let permit): "A receipt names the permit \(permit.hex.prefix(12)), which started nothing."
    case .again(let permit, let outcome):
      "A second receipt names the permit \(permit.hex.prefix(12)), whose outcome is \(outcome)."
    case .notUnknown(let action): "The action \(action.prefix(12)) has no unknown outcome to resolve."
    case .resolutionInvalid(let argument): "\"\(argument.prefix(40))\" does not say what became of the action."
    }
  }
  package var remedy: String {
    switch self {
    case .withoutStart, .again: "The first record stands; look at the executor's log when this repeats."
    case .notUnknown: "See `sluice action list`."
    case .resolutionInvalid: "A named person resolves it as `done` or `failed`."
    }
  }
}
