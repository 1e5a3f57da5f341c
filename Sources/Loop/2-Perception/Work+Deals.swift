import Domain

/// A deal that was closed, until it is counted.
struct Closing {
  let deal: Deal
  let on: BusinessDay
  let evidence: Evidence
  let isBaseline: Bool
}

extension Work {
  func changeDeal(_ id: String, from before: Entity?, to after: Entity, _ how: Circumstance) throws {
    let old = Deal(id: id, before)
    let new = Deal(id: id, after)
    try carry(old, new)
    guard let new else { return }
    try noteEngagement(old, new, how)
    if new.stage.isClosed, old?.stage != new.stage { try noteClosing(new, how) }
    if new.account == nil, old == nil || old?.account != nil, how.isNews("account") {
      say(.missingAccount, new, how)
    }
    try noteProduct(old, new, how)
    if let old { compare(old, new, how) }
  }

  /// Keeps the open deals and each owner's load in step with the deal.
  private func carry(_ old: Deal?, _ new: Deal?) throws {
    if old?.openKey != new?.openKey {
      if let key = old?.openKey { rows.set(.open, key, nil) }
      if let key = new?.openKey { rows.set(.open, key, true) }
    }
    let from = old.flatMap { $0.isInProgress ? $0 : nil }
    let to = new.flatMap { $0.isInProgress ? $0 : nil }
    if from?.ownerKey != to?.ownerKey {
      if let from { try addLoad(-1, from) }
      if let to { try addLoad(1, to) }
    }
  }

  private func noteEngagement(_ old: Deal?, _ new: Deal, _ how: Circumstance) throws {
    guard let engaged = new.engagedOn, old?.engagedOn == nil else { return }
    if how.isNews("engaged_on") { say(.dealEngaged, new, how) }
    if how.isBaseline { clock.historyFrom = min(clock.historyFrom ?? engaged, engaged) }
    if let account = new.accountKey { try addEngagement(of: account, on: engaged, today: how.today) }
  }

  private func noteClosing(_ deal: Deal, _ how: Circumstance) throws {
    if how.isNews("stage") {
      let age = deal.engagedOn.map { (deal.closedOn ?? how.day).days(since: $0) }
      let facts: [String: JSONValue] = age.map { ["age_days": JSONValue($0)] } ?? [:]
      say(deal.stage == .won ? .dealWon : .dealLost, deal, how, facts)
      try noteBelowList(deal, how)
    }
    // What we closed ourselves says nothing of the market: it lengthens no cycle and breaks no streak.
    guard how.own?.fields.contains("stage") != true else { return }
    if deal.isStalled { try rows.add(1, to: .tally, "stalled_then/\(deal.stage.rawValue)") }
    closings.append(
      Closing(deal: deal, on: deal.closedOn ?? how.day, evidence: how.evidence, isBaseline: how.isBaseline))
  }

  private func noteBelowList(_ deal: Deal, _ how: Circumstance) throws {
    guard deal.stage == .won, let list = try listPrice(deal.product) else { return }
    let value = deal.value ?? 0
    guard value * 1000 < Int64(thresholds.belowListMilli) * list else { return }
    say(
      .dealBelowList, deal, how,
      [
        "list_cents": .integer(list), "value_cents": .integer(value),
        "share_milli": JSONValue(thresholds.belowListMilli),
      ])
  }

  /// In cents; nil while nobody knows the product.
  func listPrice(_ product: Reference?) throws -> Int64? {
    guard let id = product?.id else { return nil }
    return try entity(Subject(type: EntityType.product.rawValue, id: id))?.fields["list_price"]?.integer
  }

  private func noteProduct(_ old: Deal?, _ new: Deal, _ how: Circumstance) throws {
    guard let product = new.product, product.reason != .name, product.reason != .key,
      product.text != old?.product?.text,
      try rows.get(.unknownProduct, RowKey.of(product.text)) == nil
    else { return }
    rows.set(.unknownProduct, RowKey.of(product.text), JSONValue(how.today))
    guard how.isNews("product") else { return }
    var facts: [String: JSONValue] = ["name": .string(product.text), "by": .string(product.reason.rawValue)]
    facts["resolved_to"] = product.id.map { .string($0) }
    if !product.candidates.isEmpty { facts["candidates"] = .array(product.candidates.map { .string($0) }) }
    drafts.append(
      SignalDraft(
        .productUnknown, Subject(type: EntityType.product.rawValue, id: product.text), evidence: [how.evidence],
        facts: facts))
  }

  /// What matters of an open deal beside its stage.
  private func compare(_ old: Deal, _ new: Deal, _ how: Circumstance) {
    guard old.isOpen else { return }
    if old.owner?.subjectID != new.owner?.subjectID, old.owner?.text != new.owner?.text, how.isNews("owner") {
      var facts: [String: JSONValue] = [:]
      facts["from"] = old.owner.map { .string($0.subjectID) }
      facts["to"] = new.owner.map { .string($0.subjectID) }
      say(.dealOwnerChanged, new, how, facts)
    }
    guard new.isOpen else { return }
    if let from = old.value, let to = new.value, to < from, how.isNews("value"),
      (from - to) * 1000 >= Int64(thresholds.valueDropMilli) * from
    {
      say(.dealValueDropped, new, how, ["from_cents": .integer(from), "to_cents": .integer(to)])
    }
    if let from = old.expectedCloseOn, let to = new.expectedCloseOn, how.isNews("expected_close_on"),
      to.days(since: from) >= thresholds.closeSlipDaysMin
    {
      say(
        .dealCloseSlipped, new, how,
        ["from": JSONValue(from), "to": JSONValue(to), "days": JSONValue(to.days(since: from))])
    }
  }

  private func say(_ kind: SignalKind, _ deal: Deal, _ how: Circumstance, _ facts: [String: JSONValue] = [:]) {
    guard !how.isBaseline else { return }
    drafts.append(SignalDraft(kind, deal, evidence: [how.evidence], facts: facts))
  }

  /// Counts closings in order of day and deal: cycles, then each owner's streak.
  func settleClosings() throws {
    for closing in closings.sorted(by: { ($0.on, $0.deal.id) < ($1.on, $1.deal.id) }) {
      if let engaged = closing.deal.engagedOn { try addCycle(closing.deal.productKey, closing.on.days(since: engaged)) }
      try addToStreak(closing)
    }
    closings = []
  }

  private func addToStreak(_ closing: Closing) throws {
    let deal = closing.deal
    let key = RowKey.of(deal.ownerKey)
    guard deal.stage == .lost else { return rows.set(.streak, key, nil) }
    let row = try rows.get(.streak, key) ?? [:]
    let losses = row.int("losses") + 1
    let kept = (row["evidence"]?.array ?? []).suffix(thresholds.streakLosses - 1) + [closing.evidence.json]
    rows.set(.streak, key, ["losses": JSONValue(losses), "evidence": .array(Array(kept))])
    guard losses == thresholds.streakLosses, !closing.isBaseline, let owner = deal.owner else { return }
    drafts.append(
      SignalDraft(
        .losingStreak, Subject(type: EntityType.rep.rawValue, id: owner.subjectID), owner: owner.subjectID,
        evidence: kept.compactMap(Evidence.init),
        facts: ["losses": JSONValue(losses), "owner_name": .string(owner.text), "last_deal": .string(deal.id)]))
  }
}
