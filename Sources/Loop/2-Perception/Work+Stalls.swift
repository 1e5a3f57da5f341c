import CanonicalJSON
import Domain

/// Open deals that are older than deals of their product were when they closed.
extension Work {
  /// Counts the age at which a deal closed, for later verdicts on open ones.
  func addCycle(_ product: String, _ days: Int) throws {
    let row = try rows.get(.cycle, RowKey.of(product)) ?? [:]
    rows.set(
      .cycle, RowKey.of(product),
      ["closed": JSONValue(row.int("closed") + 1), "longest_days": JSONValue(max(row.int("longest_days"), days))])
    try rows.add(1, to: .closedAge, RowKey.of(product, RowKey.number(UInt64(max(days, 0)))))
  }

  /// An open deal is stalled when it is older than the product's closed deals were at closing: than all of them, or than
  /// the share of them that `stall.percent` names.
  func judgeStalls(_ today: BusinessDay) throws {
    for (key, cycle) in try rows.scan(.cycle, prefix: "") where cycle.int("closed") >= thresholds.stallClosedMin {
      let product = RowKey.prefix(RowKey.parts(key)[0])
      let limit = try ageLimit(of: product, cycle)
      let until = product + today.advanced(byDays: -limit).description
      for (openKey, _) in try rows.scan(.open, from: product, until: until) {
        rows.set(.open, openKey, nil)
        try stall(RowKey.parts(openKey)[2], today, limit: limit, closed: cycle.int("closed"))
      }
    }
  }

  /// The percentile of the ages at closing, by nearest rank: the least age that so many percent did not exceed.
  private func ageLimit(of product: String, _ cycle: JSONValue) throws -> Int {
    guard thresholds.stallPercent < 100 else { return cycle.int("longest_days") }
    let rank = (cycle.int("closed") * thresholds.stallPercent + 99) / 100
    var reached = 0
    for (key, count) in try rows.scan(.closedAge, prefix: product) {
      reached += Int(count.integer ?? 0)
      if reached >= rank { return Int(RowKey.parts(key)[1]) ?? cycle.int("longest_days") }
    }
    return cycle.int("longest_days")
  }

  private func stall(_ id: String, _ today: BusinessDay, limit: Int, closed: Int) throws {
    let subject = Subject(type: EntityType.opportunity.rawValue, id: id)
    guard var entity = try entity(subject) else { return }
    entity.isStalled = true
    put(subject, entity)
    guard let deal = Deal(id: id, entity), let engaged = deal.engagedOn,
      try instance(entity.instance)?.baselineDay != today
    else { return }
    var facts: [String: JSONValue] = [
      "age_days": JSONValue(today.days(since: engaged)), "limit_days": JSONValue(limit),
      "closed_deals": JSONValue(closed),
    ]
    facts["list_cents"] = try listPrice(deal.product).map { .integer($0) }
    drafts.append(
      SignalDraft(
        .dealStalled, deal, evidence: [Evidence(stream: entity.stream, key: id, commitment: entity.commitment)],
        facts: facts))
  }
}
