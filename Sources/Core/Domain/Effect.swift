/// The body of an `.effectStarted` entry: a permit was spent on exactly this call. Unique by permit.
package struct EffectStart: Codable, Equatable, Sendable {
  package let permit: Digest
  package let proposal: Digest
  package let call: ToolCall
  package let subject: Subject
  package let account: String?
  package let owner: String?
  /// Given to the upstream, the same for every try.
  package let idempotencyKey: String
  /// Set when this effect takes another one back.
  package let undoes: Digest?
  /// The person who approved it; nil when policy allowed it without one.
  package let approvedBy: UserID?
  package let attempt: Int

  package init(
    permit: Digest, proposal: Digest, call: ToolCall, subject: Subject, account: String?, owner: String?,
    idempotencyKey: String, undoes: Digest?, approvedBy: UserID?, attempt: Int
  ) {
    self.permit = permit
    self.proposal = proposal
    self.call = call
    self.subject = subject
    self.account = account
    self.owner = owner
    self.idempotencyKey = idempotencyKey
    self.undoes = undoes
    self.approvedBy = approvedBy
    self.attempt = attempt
  }
}

/// The body of a `.receipt` entry.
package struct Receipt: Codable, Equatable, Sendable {
  package enum Outcome: String, Codable, Sendable, CaseIterable {
    case done
    /// The upstream refused; nothing changed.
    case rejected
    /// Nobody can tell whether it took effect: a person decides.
    case unknown
    /// Nothing was sent, or nothing of it was applied, and a later try with the same key is allowed.
    case notStarted = "not_started"
  }

  package let permit: Digest
  package let proposal: Digest
  package let outcome: Outcome
  /// What the executor reported, e.g. {"id":…,"version":3}.
  package let result: JSONValue
  /// SHA-256 of each request that left, in order, as the egress saw it.
  package let requests: [Digest]
  /// One sentence when the outcome is not `done`.
  package let reason: String?
  /// The executor's own code for it, e.g. `crm.version_mismatch`; nil when it gave none.
  package let code: String?
  /// When the executor was asked, in milliseconds since 1970, for what a probe said: an answer is as old as its question.
  package let askedAtMs: Int64?
  /// When it was reported, by a clock that does not jump forward: what an upstream takes to settle is counted by it. Nil
  /// where nobody had one; then its entry's time counts.
  package let steadyMs: Int64?

  package init(
    permit: Digest, proposal: Digest, outcome: Outcome, result: JSONValue, requests: [Digest], reason: String?,
    code: String? = nil, askedAtMs: Int64? = nil, steadyMs: Int64? = nil
  ) {
    self.permit = permit
    self.proposal = proposal
    self.outcome = outcome
    self.result = result
    self.requests = requests
    self.reason = reason
    self.code = code
    self.askedAtMs = askedAtMs
    self.steadyMs = steadyMs
  }

  /// The same, reported at this time.
  package func reported(steadyMs: Int64) -> Receipt {
    Receipt(
      permit: permit, proposal: proposal, outcome: outcome, result: result, requests: requests, reason: reason,
      code: code, askedAtMs: askedAtMs, steadyMs: steadyMs)
  }

  /// What an executor's code ends in when the target has another version than the call names (RFC 9110, 412).
  package static let versionMismatch = ".version_mismatch"

  /// The host's code where nothing was sent, or nothing applied, since the credential could not be used: no try of the
  /// call.
  package static let credentialRefused = "executor.credential_refused"

  /// Refused only because somebody has changed the target since it was decided on: worth deciding again.
  package var isOutdated: Bool { outcome == .rejected && code?.hasSuffix(Self.versionMismatch) == true }

  /// The version that the write gave its target; nil when the executor did not tell.
  package var version: String? {
    outcome == .done ? result["version"].flatMap { $0.string ?? $0.integer.map(String.init) } : nil
  }
}
