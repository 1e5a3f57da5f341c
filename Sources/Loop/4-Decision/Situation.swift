import Domain

/// Everything one step may look at: one signal, and what the world is believed to be at the end of its day.
struct Situation {
  let day: BusinessDay
  let signal: Signal
  var deal: DealFacts?
  var owner: RepFacts?
  /// The owner's manager, when that is somebody known: a rep by key or name, or one whom an operator named. What a source
  /// writes there is text, and chooses nobody.
  var manager: String?
  var target: RepFacts?
  var product: ProductFacts?
  /// The account that the proposal is about; for white space, the one that has not bought.
  var account: AccountFacts?
  /// For white space: the account of the group that has bought.
  var buyer: AccountFacts?
  var rate: Confidence?
  /// Whether enough deals stand behind the rate.
  var isRateKnown = false
  /// How well the playbook's estimates have foretold so far; nil for one without a rate.
  var score: RuleScore?
  /// Closings without product or age, which the rate leaves out.
  var unplacedClosings = 0

  /// How old the deal is on this day; nil before it is engaged.
  var ageDays: Int? { deal?.engagedOn.map { day.days(since: $0) } }

  /// What the proposal is about.
  let subject: Subject

  /// - Parameter item: What `items` gave: the deal or account that the signal is looked at for; nil for the signal's own.
  init(
    _ playbook: Playbook, _ signal: Signal, item: String?, on day: BusinessDay, world: any WorldReading,
    people: Set<String>, rates: RateLookup, view: any StateView
  ) throws {
    self.day = day
    self.signal = signal
    switch playbook.scope {
    case .deal, .ownersNewestDeal, .dealsWrittenSo:
      deal = try item.flatMap { try world.deal($0) }
      subject = item.map { Subject(type: "opportunity", id: $0) } ?? signal.subject
    case .groupAccountsWithoutProduct:
      deal = try world.deal(signal.subject.id)
      subject = item.map { Subject(type: "account", id: $0) } ?? signal.subject
    }
    owner = try (deal?.ownerID ?? signal.owner).flatMap { try world.rep($0) }
    manager = try owner.flatMap { try Self.known($0.manager, people, world) }
    account = try (deal?.accountID ?? signal.account).flatMap { try world.account($0) }
    product = try Self.product(playbook.scope, signal, deal).flatMap { try world.product($0) }
    switch playbook.scope {
    case .ownersNewestDeal: target = try Self.leastLoaded(beside: owner, world)
    case .groupAccountsWithoutProduct:
      buyer = account
      account = try item.flatMap { try world.account($0) }
    case .deal, .dealsWrittenSo: break
    }
    guard let rule = playbook.rate else { return }
    score = try RuleScore(of: playbook.name, in: view)
    try setRate(rule, rates, view)
  }

  private static func known(_ name: String, _ people: Set<String>, _ world: any WorldReading) throws -> String? {
    guard !name.isEmpty else { return nil }
    return people.contains(name) ? name : try world.rep(called: name)?.name
  }

  private mutating func setRate(
    _ rule: Playbook.RateRule, _ rates: RateLookup, _ view: any StateView
  ) throws {
    unplacedClosings = try ClosingRates(in: view).unknownCount
    guard let id = deal?.productID else { return }
    let name = Rendering.quoted(product?.name ?? id)
    let question = RateQuestion(
      product: id, productName: name, ageDays: ageDays ?? 0, day: day, kind: rule.kind, withinDays: rule.withinDays)
    let rate = try rates(question, view)
    isRateKnown = rate.trials >= rule.trialsMin
    self.rate = rate
  }

  /// For an alias, what the signal was resolved to; otherwise the deal's own product.
  private static func product(_ scope: Playbook.Scope, _ signal: Signal, _ deal: DealFacts?) -> String? {
    switch scope {
    case .dealsWrittenSo: signal.facts["resolved_to"]?.string
    case .deal, .ownersNewestDeal, .groupAccountsWithoutProduct: deal?.productID ?? signal.facts["product"]?.string
    }
  }

  private static func leastLoaded(beside owner: RepFacts?, _ world: any WorldReading) throws -> RepFacts? {
    guard let owner, !owner.manager.isEmpty else { return nil }
    return try world.reps(managedBy: owner.manager).filter { $0.id != owner.id }
      .min { ($0.openDealCount, $0.id) < ($1.openDealCount, $1.id) }
  }

  /// The name under which a product was written, when the signal is about that.
  var alias: String? {
    guard signal.kind == "product.unknown" else { return nil }
    return signal.facts["name"]?.string ?? signal.subject.id
  }

  /// What a signal is looked at for; `[nil]` for itself as a whole.
  static func items(
    _ playbook: Playbook, _ signal: Signal, world: any WorldReading
  ) throws -> [String?] {
    switch playbook.scope {
    case .deal: return [signal.subject.id]
    case .ownersNewestDeal:
      let newest = try world.openDeals(ownedBy: signal.subject.id).max {
        // By day; of one day the lowest id comes last.
        ($0.engagedOn?.number ?? .min, $1.id) < ($1.engagedOn?.number ?? .min, $0.id)
      }
      return [newest?.id]
    case .dealsWrittenSo:
      // A known alias is looked for on every day, not only on this one: see `DecisionDay.sweepAliases`.
      return signal.facts["resolved_to"]?.string == nil ? [nil] : []
    case .groupAccountsWithoutProduct:
      guard let product = signal.facts["product"]?.string, let buyer = signal.account else { return [] }
      return try world.group(of: buyer).filter { !$0.boughtProductIDs.contains(product) }.map(\.id)
    }
  }

  func fits(_ condition: Playbook.Condition) -> Bool {
    switch condition {
    case .rateKnown(let known): isRateKnown == known
    case .rate(let bounds): isRateKnown && bounds.holds(Int64(rate!.ratePpm))
    case .rateLow(let bounds): isRateKnown && bounds.holds(Int64(rate!.lowPpm))
    case .rateHigh(let bounds): isRateKnown && bounds.holds(Int64(rate!.highPpm))
    case .fact(let fact, let bounds): signal.facts[fact.rawValue]?.integer.map(bounds.holds) ?? false
    case .dealStage(let stages): deal.map { stages.contains($0.stage) } ?? false
    case .ownerKnown(let known): (owner != nil) == known
    case .accountKnown(let known): (account != nil) == known
    case .productKnown(let known): (product != nil) == known
    case .targetKnown(let known): (target != nil) == known
    }
  }

  /// What the same proposal would be told by, whichever day it is made on.
  func parts(_ playbook: Playbook) -> [String] {
    switch playbook.scope {
    case .deal, .dealsWrittenSo: [playbook.name, subject.type, subject.id, ""]
    case .ownersNewestDeal: [playbook.name, signal.subject.type, signal.subject.id, ""]
    case .groupAccountsWithoutProduct:
      [playbook.name, subject.type, subject.id, signal.facts["product"]?.string ?? ""]
    }
  }

  /// What ended the proposal, in one sentence; nil while it stands.
  func ended(by ending: Playbook.Ending, of proposal: Proposal) -> String? {
    switch ending {
    case .dealClosed:
      switch deal?.stage {
      case .won?: "The deal was won since."
      case .lost?: "The deal was lost since."
      case nil: "The deal is not there any more."
      case .prospecting?, .engaging?: nil
      }
    case .ownerChanged: deal?.ownerID == proposal.owner ? nil : "The deal has another owner since."
    case .accountKnown: account == nil ? nil : "The deal's account is known since."
    case .productFixed: deal?.productText == alias ? nil : "The product is written differently since."
    case .productBought:
      signal.facts["product"]?.string.map { account?.boughtProductIDs.contains($0) ?? true } == true
        ? "The account has bought the product since." : nil
    }
  }
}
