import CanonicalJSON
package import Domain

/// One held call on its way to a named person: bound to exactly what is shown, once, until it expires.
///
/// Kept by the action stage under the proposal's id; defined here because a permit is minted from it and because an
/// approver's list is counted by it.
package struct Approval: Codable, Equatable, Sendable {
  package enum State: String, Codable, Sendable, CaseIterable {
    case pending, approved, rejected
    /// Nobody answered in time: silence is denial.
    case expired
    /// Its effect has been started.
    case spent
    /// The proposal no longer stands.
    case withdrawn
  }

  package let proposal: Digest
  /// What a choice must name.
  package let callHash: Digest
  package let tenant: TenantID
  /// Who asks, and therefore may not answer.
  package let requester: String
  package let policySet: Digest
  /// The entry that led to the judgement it follows from.
  package let judgedAt: Position
  package let nonce: Digest
  /// Milliseconds since 1970, as journaled.
  package let openedAtMs: Int64
  package let expiresAtMs: Int64
  /// Whose list it is on, as the source names that person.
  package let approver: String?
  package let quorum: Int
  package var state: State
  /// Who has approved, in order; complete when as many as `quorum`.
  package var approvedBy: [UserID] = []
  package var rejectedBy: UserID?
  package var note: String?
  /// The business day on which it was answered.
  package var answeredOn: BusinessDay?

  package init(
    of standing: Standing, nonce: Digest, openedAtMs: Int64, governance: Governance
  ) throws {
    let proposal = standing.proposal
    expiresAtMs = openedAtMs + governance.approvalTTLMs
    callHash = try CallHash.of(
      tenant: standing.tenant, requester: Standing.requester, proposal: proposal, policySet: standing.policySet,
      expiresAtMs: expiresAtMs, nonce: nonce)
    self.proposal = proposal.id
    tenant = standing.tenant
    requester = Standing.requester
    policySet = standing.policySet
    judgedAt = standing.judgedAt
    self.nonce = nonce
    self.openedAtMs = openedAtMs
    approver = proposal.approver
    quorum = governance.quorum
    state = .pending
  }

  /// The state at a time: what nobody answered or started by `expiresAtMs` has expired.
  package func state(atMs now: Int64) -> State {
    (state == .pending || state == .approved) && now > expiresAtMs ? .expired : state
  }

  /// proposal id → approval.
  package static let space = Space("action.approval")

  /// `day/approver` → how many were answered, for the latest day with an answer.
  package static let answered = Space("action.answered")

  package static func of(_ proposal: Digest, in view: any StateView) throws -> Approval? {
    try view.value(space, proposal.hex)?.decode()
  }
}
