/// What policy says of one proposal.
package struct Verdict: Codable, Equatable, Sendable {
  package enum Outcome: String, Codable, Sendable, CaseIterable {
    /// May be executed without a person.
    case allow
    /// Waits for a person.
    case hold
    case deny
    /// Would be held, but its approver's list for the day is full; judged again on the next day.
    case belowBudget = "below_budget"
    /// Nothing to execute: the proposal is advice or a wait.
    case noted
  }

  package let proposal: Digest
  package let outcome: Outcome
  /// The policies and checks that decided, each with its sentence.
  package let reasons: [Reason]
  /// The hash of the policy set that was asked.
  package let policySet: Digest

  package struct Reason: Codable, Equatable, Sendable {
    /// The policy's id, or the name of the check: `mode.observe`, `budget.account_day`, `kill.tool`.
    package let rule: String
    package let sentence: String
    package init(rule: String, sentence: String) {
      self.rule = rule
      self.sentence = sentence
    }
  }

  package init(proposal: Digest, outcome: Outcome, reasons: [Reason], policySet: Digest) {
    self.proposal = proposal
    self.outcome = outcome
    self.reasons = reasons
    self.policySet = policySet
  }
}

/// The body of a `.verdicts` entry.
package struct VerdictSet: Codable, Equatable, Sendable {
  package let day: BusinessDay
  package let verdicts: [Verdict]
  package init(day: BusinessDay, verdicts: [Verdict]) {
    self.day = day
    self.verdicts = verdicts
  }
}

/// How far a tenant lets the loop go.
package enum TenantMode: String, Codable, Sendable, CaseIterable {
  /// Signals and decisions are recorded; nothing is held or executed.
  case observe
  /// Everything that would be executed is held for a person.
  case propose
  case act
}
