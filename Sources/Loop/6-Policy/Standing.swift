import CanonicalJSON
package import Domain

/// A judged proposal that may still lead to an effect: allowed, held, or waiting for another day.
package struct Standing: Codable, Equatable, Sendable {
  package let proposal: Proposal
  package let tenant: TenantID
  package let outcome: Verdict.Outcome
  package let reasons: [Verdict.Reason]
  package let policySet: Digest
  /// The business day whose budget or list it takes from.
  package var day: BusinessDay
  package let costCents: Int64
  /// The entry that led to this judgement.
  package let judgedAt: Position
  /// Where its verdict stands in the journal; nil while that is on its way, and nothing may start on it.
  package var saidAt: Position?

  /// Who asks on behalf of the loop; no user has this name's rights.
  package static let requester = "loop"

  /// proposal id → standing.
  package static let space = Space("policy.standing")

  package static func of(_ proposal: Digest, in view: any StateView) throws -> Standing? {
    try view.value(space, proposal.hex)?.decode()
  }
  /// A verdict is a fact from `position` on.
  static func confirm(_ verdict: Verdict, at position: Position, _ state: any StateTransaction) throws {
    guard var standing = try of(verdict.proposal, in: state), standing.saidAt == nil,
      standing.outcome == verdict.outcome, standing.policySet == verdict.policySet
    else { return }
    standing.saidAt = position
    try standing.save(state)
  }
  static func all(_ view: any StateView) throws -> [Standing] { try view.scan(space).map { try $0.1.decode() } }

  func save(_ state: any StateTransaction) throws {
    try state.set(Self.space, proposal.id.hex, try JSONValue(encoding: self))
  }

  /// Takes it off and gives back what it had reserved. What has started stays until its receipt.
  static func remove(_ proposal: Digest, _ state: any StateTransaction) throws {
    guard let standing = try of(proposal, in: state) else { return }
    let record = try PermitRecord.of(proposal, in: state)
    if let record, record.outcome == nil || record.outcome == .unknown { return }
    if standing.outcome == .allow, record == nil { try Budget.release(standing, state) }
    try state.remove(space, proposal.hex)
  }

  /// The approval of this judgement; nil while its verdict is on its way. One of an earlier judgement does not count.
  package func approval(in view: any StateView) throws -> Approval? {
    try Approval.of(proposal.id, in: view).flatMap { $0.judgedAt == judgedAt ? $0 : nil }
  }

  var verdict: Verdict {
    Verdict(proposal: proposal.id, outcome: outcome, reasons: reasons, policySet: policySet)
  }

  /// The greater expected value first, then the lesser id.
  package static func precedes(_ left: Proposal, _ right: Proposal) -> Bool {
    left.expectedValueCents == right.expectedValueCents
      ? left.id < right.id : left.expectedValueCents > right.expectedValueCents
  }
}
