/// What the decision stage suggests, as data. It proposes; it never executes.
package struct Proposal: Codable, Equatable, Sendable {
  /// What sort of step this is.
  package enum Kind: String, Codable, Sendable, CaseIterable { case act, draft, ask, wait, escalate, abstain }

  package let id: Digest
  package let day: BusinessDay
  package let kind: Kind
  package let playbook: String
  package let subject: Subject
  package let account: String?
  package let owner: String?
  /// Who judges it when policy holds it: the owner's manager.
  package let approver: String?
  /// The one call this leads to; nil for `wait`, `abstain` and an `escalate` without a tool.
  package let call: ToolCall?
  package let signals: [Digest]
  package let evidence: [EvidenceID]
  package let confidence: Confidence?
  /// What is expected to be gained, in cents; orders the proposals.
  package let expectedValueCents: Int64
  /// What is not known, in sentences for the approver.
  package let uncertain: [String]
  /// Why deciding ended here, in one sentence.
  package let stopReason: String

  package init(
    id: Digest, day: BusinessDay, kind: Kind, playbook: String, subject: Subject, account: String?, owner: String?,
    approver: String?, call: ToolCall?, signals: [Digest], evidence: [EvidenceID], confidence: Confidence?,
    expectedValueCents: Int64, uncertain: [String], stopReason: String
  ) {
    self.id = id
    self.day = day
    self.kind = kind
    self.playbook = playbook
    self.subject = subject
    self.account = account
    self.owner = owner
    self.approver = approver
    self.call = call
    self.signals = signals
    self.evidence = evidence
    self.confidence = confidence
    self.expectedValueCents = expectedValueCents
    self.uncertain = uncertain
    self.stopReason = stopReason
  }
}

/// A tool with its exact arguments: what an approval binds to and a permit allows.
package struct ToolCall: Codable, Equatable, Sendable {
  /// E.g. `crm.close_lost`, as in the tool catalogue.
  package let tool: String
  package let arguments: JSONValue
  /// The version of the target that the call was decided on; another one stops it.
  package let targetVersion: String?
  /// What the changed fields hold now, for the approver to compare.
  package let current: JSONValue
  /// The call that takes it back; nil when it cannot be taken back.
  package let undo: Undo?

  package struct Undo: Codable, Equatable, Sendable {
    package let tool: String
    package let arguments: JSONValue
    package init(tool: String, arguments: JSONValue) {
      self.tool = tool
      self.arguments = arguments
    }
  }

  package init(tool: String, arguments: JSONValue, targetVersion: String?, current: JSONValue, undo: Undo?) {
    self.tool = tool
    self.arguments = arguments
    self.targetVersion = targetVersion
    self.current = current
    self.undo = undo
  }
}

/// A measured rate with its interval; never a model's opinion. Parts per million, so that no float is persisted.
package struct Confidence: Codable, Equatable, Sendable {
  /// What was counted, e.g. "GTX Pro deals that reached an age of 120 days, have closed since and were won".
  package let of: String
  package let successes: Int
  package let trials: Int
  package let ratePpm: Int
  /// 95 % Wilson score interval.
  package let lowPpm: Int
  package let highPpm: Int
  /// The like that are open still. Without a time their outcome is not known and they are not counted; with one they are
  /// among those that were not won within it.
  package let stillOpen: Int?
  /// The share of all closed deals, of any kind and age, that were won by then; nil before the first.
  package let baseRatePpm: Int?
  /// A success is one within so many days; nil when the time does not matter.
  package let withinDays: Int?
  package init(
    of: String, successes: Int, trials: Int, ratePpm: Int, lowPpm: Int, highPpm: Int, stillOpen: Int? = nil,
    baseRatePpm: Int? = nil, withinDays: Int? = nil
  ) {
    self.of = of
    self.successes = successes
    self.trials = trials
    self.ratePpm = ratePpm
    self.lowPpm = lowPpm
    self.highPpm = highPpm
    self.stillOpen = stillOpen
    self.baseRatePpm = baseRatePpm
    self.withinDays = withinDays
  }
}

/// The body of a `.proposals` entry.
package struct ProposalSet: Codable, Equatable, Sendable {
  package let day: BusinessDay
  package let proposals: [Proposal]
  /// Earlier proposals that no longer stand, with the reason.
  package let withdrawn: [Withdrawal]

  package struct Withdrawal: Codable, Equatable, Sendable {
    package let proposal: Digest
    package let reason: String
    package init(proposal: Digest, reason: String) {
      self.proposal = proposal
      self.reason = reason
    }
  }

  package init(day: BusinessDay, proposals: [Proposal], withdrawn: [Withdrawal]) {
    self.day = day
    self.proposals = proposals
    self.withdrawn = withdrawn
  }
}
