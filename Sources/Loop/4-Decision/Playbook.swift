package import Domain

/// What to do about one kind of signal, as reviewed text. It suggests; policy decides; it can reach only catalogue tools.
package struct Playbook: Sendable, Equatable {
  /// What one signal is looked at as.
  package enum Scope: String, Sendable, CaseIterable {
    /// The deal that the signal is about.
    case deal
    /// Of a rep's open deals the one engaged last (ties: the lowest id): least is lost when it changes hands. Its
    /// target is the rep of the same manager with the fewest open deals (ties: the lowest id).
    case ownersNewestDeal = "owners_newest_deal"
    /// Every deal whose product is written as the signal's product name, now and later, some on each day.
    case dealsWrittenSo = "deals_written_so"
    /// Every account of the buyer's group that never bought the product that was just won.
    case groupAccountsWithoutProduct = "group_accounts_without_product"
  }

  package enum Condition: Equatable, Sendable {
    /// Whether enough deals stand behind the rate.
    case rateKnown(Bool)
    case rate(Bounds)
    case rateLow(Bounds)
    case rateHigh(Bounds)
    case fact(Placeholder.Fact, Bounds)
    case dealStage([DealFacts.Stage])
    case ownerKnown(Bool)
    case accountKnown(Bool)
    case productKnown(Bool)
    case targetKnown(Bool)
  }
  package struct Bounds: Equatable, Sendable {
    package let min: Int?
    package let max: Int?
    func holds(_ value: Int64) -> Bool { (min.map { value >= $0 } ?? true) && (max.map { value <= $0 } ?? true) }
  }

  /// How the expected value is reckoned, in cents.
  package enum Value: Equatable, Sendable {
    case fixed(cents: Int)
    /// List price times the rate: what asking may still bring.
    case listPriceTimesRate
    /// List price times one minus the rate: what the forecast holds too much.
    case listPriceTimesMiss
    /// A share of the list price, as the playbook's author set it.
    case listPriceShare(ppm: Int)
    /// List price less the deal's value: what was given away.
    case valueGap
  }

  package enum EvidenceSource: String, Sendable, CaseIterable { case signal, deal, owner, target, product, account }
  package enum Approver: String, Sendable, CaseIterable {
    case ownersManager = "owners_manager"
    case nobody
  }

  /// What ends a proposal that nobody has carried out yet.
  package enum Ending: String, Sendable, CaseIterable, Codable {
    case dealClosed = "deal_closed"
    case ownerChanged = "owner_changed"
    case accountKnown = "account_known"
    case productFixed = "product_fixed"
    case productBought = "product_bought"
  }

  package struct RateRule: Equatable, Sendable {
    package let kind: ClosingRates.Kind
    /// Fewer than these say nothing; never below 30.
    package let trialsMin: Int
    /// For `won_within`; otherwise 0.
    package let withinDays: Int
  }

  package struct Call: Equatable, Sendable {
    package let tool: String
    package let arguments: Template
    package let current: Template
    package let undo: Undo?
    package struct Undo: Equatable, Sendable {
      package let tool: String
      package let arguments: Template
    }
  }

  package struct Step: Equatable, Sendable {
    package let conditions: [Condition]
    package let kind: Proposal.Kind
    package let call: Call?
    package let value: Value
    package let uncertain: [Prose]
    package let stop: Prose
  }

  package let name: String
  package let summary: String
  /// The kind of signal that starts it.
  package let trigger: String
  package let scope: Scope
  /// Days for which the same thing is not proposed again.
  package let cooldownDays: Int
  /// Days after which a proposal that found no room in anybody's budget is given up.
  package let expiresDays: Int
  package let rate: RateRule?
  package let approver: Approver
  package let endings: [Ending]
  package let evidence: [EvidenceSource]
  /// At most so many new proposals on one day; nil for no bound but the stage's own.
  package let perDayMax: Int?
  /// No new ones while so many of them are not carried out.
  package let unfinishedMax: Int
  /// The first that fits is taken.
  package let steps: [Step]
}
