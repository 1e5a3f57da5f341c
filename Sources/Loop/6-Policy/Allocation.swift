import Domain

/// Gives out what is scarce on a business day: the autonomous budgets and the places on approvers' lists, in the order
/// of expected value.
struct Allocation {
  let judge: Judge
  let tenant: TenantID
  let position: Position
  let state: any StateTransaction
  /// Places left on the lists of approvers seen so far; the empty name is for proposals without an approver.
  private var places: [String: Int] = [:]

  private var governance: Governance { judge.rules.document.governance }
  private var day: BusinessDay { judge.day }

  /// - Parameter taken: Places that are taken already, by approver.
  init(judge: Judge, entry: Entry, taken: [String: Int], state: any StateTransaction) {
    self.judge = judge
    tenant = TenantID(unchecked: entry.partition.name)
    position = entry.position
    self.state = state
    let most = judge.rules.document.governance.holdsPerApproverPerDay
    places = taken.mapValues { most - $0 }
  }

  /// Judges all and keeps what may still lead to an effect.
  /// - Returns: The verdict of each proposal by its id.
  mutating func verdicts(for proposals: [Proposal]) throws -> [Digest: Verdict] {
    var verdicts: [Digest: Verdict] = [:]
    for proposal in proposals.sorted(by: Standing.precedes) {
      let judgement = try judge.judge(proposal)
      let (outcome, extra) = try allot(proposal, judgement)
      var standing = Standing(
        proposal: proposal, tenant: tenant, outcome: outcome, reasons: judgement.reasons + extra,
        policySet: judge.rules.document.hash, day: day, costCents: judgement.costCents,
        judgedAt: position)
      // What stays below budget is not said again.
      if outcome == .belowBudget { standing.saidAt = try Standing.of(proposal.id, in: state)?.saidAt }
      verdicts[proposal.id] = standing.verdict
      switch outcome {
      case .allow, .hold, .belowBudget: try standing.save(state)
      case .deny, .noted: try state.remove(Standing.space, proposal.id.hex)
      }
    }
    return verdicts
  }

  private mutating func allot(
    _ proposal: Proposal, _ judgement: Judgement
  ) throws -> (Verdict.Outcome, [Verdict.Reason]) {
    switch judgement.outcome {
    case .allow:
      let scopes = Budget.scopes(of: proposal, costCents: judgement.costCents, governance.budgets)
      if let full = try Budget.exceeded(scopes, .reserved, on: day, in: state) {
        return (.belowBudget, [Verdict.Reason(rule: full.rule, sentence: full.sentence)])
      }
      try Budget.add(scopes, .reserved, on: day, state)
      return (.allow, [])
    case .hold:
      let most = governance.holdsPerApproverPerDay
      let left = places[proposal.approver ?? ""] ?? most
      guard left > 0 else {
        let sentence =
          "\(proposal.approver ?? "The list without an approver") has \(most) of the day's \(most) places taken."
        return (.belowBudget, [Verdict.Reason(rule: "holds.approver_day", sentence: sentence)])
      }
      places[proposal.approver ?? ""] = left - 1
      return (.hold, [])
    case .deny, .noted, .belowBudget: return (judgement.outcome, [])
    }
  }
}
