package import Domain

/// What Perception found in a pipeline, counted: the same fields, with the same meaning, as the independent check of a
/// folder of CRM exports computes.
package struct PipelineSummary: Codable, Equatable, Sendable {
  package var opportunities = 0
  package var accounts = 0
  package var products = 0
  package var reps = 0
  /// Opportunities by stage, as people write it.
  package var stages: [String: Int] = [:]
  package var opportunityVersions = 0
  package var businessDays = 0
  package var firstDay: BusinessDay?
  package var lastDay: BusinessDay?
  /// Product names that are in no catalogue, letter for letter, and how many opportunities bear them.
  package var productAliases: [String: Int] = [:]
  package var recordsResolvedByAlias = 0
  package var signals: [String: Int] = [:]
  package var firstSignal: [String: BusinessDay] = [:]
  package var stalledThenClosed: [String: Int] = [:]
  package var money = Money()

  /// In whole dollars, halves to even.
  package struct Money: Codable, Equatable, Sendable {
    package var openAtList: Int64 = 0
    package var openOlderThanAnyClosedAtList: Int64 = 0
    package var openOlderThanAnyClosed = 0
    package var longestCycleDays = 0
    package var wonTotal: Int64 = 0
    package var wonUnderAlias: Int64 = 0

    enum CodingKeys: String, CodingKey {
      case openAtList = "open_at_list"
      case openOlderThanAnyClosedAtList = "open_older_than_any_closed_at_list"
      case openOlderThanAnyClosed = "open_older_than_any_closed"
      case longestCycleDays = "longest_cycle_days"
      case wonTotal = "won_total"
      case wonUnderAlias = "won_under_alias"
    }
  }

  enum CodingKeys: String, CodingKey {
    case opportunities, accounts, products, reps, stages
    case opportunityVersions = "opportunity_versions"
    case businessDays = "business_days"
    case firstDay = "first_day"
    case lastDay = "last_day"
    case productAliases = "product_aliases"
    case recordsResolvedByAlias = "records_resolved_by_alias"
    case signals
    case firstSignal = "first_signal"
    case stalledThenClosed = "stalled_then_closed"
    case money
  }
}

extension PipelineSummary {
  /// Counts over a tenant's state, as of its last tick. Reads every entity: for reports, not for the loop.
  package init(_ view: any StateView) throws {
    let clock = BusinessClock(try view.value(.clock, "clock") ?? [:])
    (businessDays, firstDay, lastDay) = (clock.ticks, clock.first, clock.ticked)
    opportunityVersions = try view.scan(.count, prefix: "versions/\(EntityType.opportunity.rawValue)/")
      .reduce(0) { $0 + Int($1.1.integer ?? 0) }
    for (key, row) in try view.scan(.tally) {
      if key.hasPrefix("stalled_then/") {
        stalledThenClosed[String(key.dropFirst("stalled_then/".count))] = Int(row.integer ?? 0)
      } else {
        signals[key] = row.int("count")
        firstSignal[key] = row.day("first")
      }
    }
    money.longestCycleDays = try view.scan(.cycle).map { $0.1.int("longest_days") }.max() ?? 0
    try countEntities(view)
  }

  private mutating func countEntities(_ view: any StateView) throws {
    func living(_ type: EntityType) throws -> [(id: String, entity: Entity)] {
      try view.scan(.entity, prefix: RowKey.prefix(type.rawValue)).compactMap { key, row in
        Entity(row).flatMap { $0.isDeleted ? nil : (RowKey.parts(key)[1], $0) }
      }
    }
    accounts = try living(.account).count
    reps = try living(.rep).count
    let prices = Dictionary(
      uniqueKeysWithValues: try living(.product).map { ($0.id, $0.entity.fields["list_price"]?.integer ?? 0) })
    products = prices.count
    var sums = Sums()
    for (id, entity) in try living(.opportunity) {
      guard let deal = Deal(id: id, entity) else { continue }
      opportunities += 1
      stages[deal.stage.rawValue.prefix(1).uppercased() + deal.stage.rawValue.dropFirst(), default: 0] += 1
      let isAlias = countAlias(deal)
      sums.add(deal, list: deal.product?.id.flatMap { prices[$0] } ?? 0, isAlias: isAlias)
      if let last = lastDay, deal.isInProgress, let engaged = deal.engagedOn,
        last.days(since: engaged) > money.longestCycleDays
      {
        money.openOlderThanAnyClosed += 1
        sums.old += deal.product?.id.flatMap { prices[$0] } ?? 0
      }
    }
    money.openAtList = dollars(sums.open)
    money.openOlderThanAnyClosedAtList = dollars(sums.old)
    money.wonTotal = dollars(sums.won)
    money.wonUnderAlias = dollars(sums.alias)
  }

  private mutating func countAlias(_ deal: Deal) -> Bool {
    guard let product = deal.product, product.reason != .name, product.reason != .key else { return false }
    productAliases[product.text, default: 0] += 1
    if product.id != nil { recordsResolvedByAlias += 1 }
    return product.id != nil
  }

  /// In cents.
  private struct Sums {
    var open: Int64 = 0
    var old: Int64 = 0
    var won: Int64 = 0
    var alias: Int64 = 0

    mutating func add(_ deal: Deal, list: Int64, isAlias: Bool) {
      if deal.isInProgress { open += list }
      guard deal.stage == .won else { return }
      won += deal.value ?? 0
      if isAlias { alias += deal.value ?? 0 }
    }
  }
}

/// Whole dollars; halves go to the even one.
private func dollars(_ cents: Int64) -> Int64 {
  let (whole, rest) = cents.quotientAndRemainder(dividingBy: 100)
  if abs(rest) > 50 || (abs(rest) == 50 && !whole.isMultiple(of: 2)) { return whole + rest.signum() }
  return whole
}
