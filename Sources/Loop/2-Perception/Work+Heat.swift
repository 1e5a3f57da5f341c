import Domain

// How many deals of an account were engaged in the last days (the window), against the days before them (the base).
// Both are counters that move when a day enters or leaves; only accounts that moved are judged.
extension Work {
  func addEngagement(of account: String, on day: BusinessDay, today: BusinessDay) throws {
    try rows.add(1, to: .engagement, RowKey.of(day.description, account))
    try move(account, Self.place(day, today, thresholds).map { ($0, 1) })
  }

  private enum Place: String { case recent, base }

  /// Where an engagement of that day counts today; nil when it is past or still to come.
  private static func place(_ day: BusinessDay, _ today: BusinessDay, _ thresholds: Thresholds) -> Place? {
    let age = today.days(since: day)
    guard age >= 0, age < thresholds.heatWindowDays + thresholds.heatBaseDays else { return nil }
    return age < thresholds.heatWindowDays ? .recent : .base
  }

  private func move(_ account: String, _ steps: (Place, Int)?...) throws {
    let key = RowKey.of(account)
    var row = try rows.get(.heat, key)?.object ?? [:]
    for case (let place, let amount)? in steps {
      row[place.rawValue] = JSONValue(Int(row[place.rawValue]?.integer ?? 0) + amount)
    }
    rows.set(.heat, key, .object(row))
    warmed.insert(account)
  }

  /// One more day is over: engagements enter the window, go from it to the base, or leave that.
  func shiftHeat(to today: BusinessDay) throws {
    let window = thresholds.heatWindowDays
    let base = thresholds.heatBaseDays
    func each(_ day: BusinessDay, _ body: (String, Int) throws -> Void) throws {
      for (key, count) in try rows.scan(.engagement, prefix: RowKey.prefix(day.description)) {
        try body(RowKey.parts(key)[1], Int(count.integer ?? 0))
      }
    }
    try each(today) { try move($0, (.recent, $1)) }
    try each(today.advanced(byDays: -window)) { try move($0, (.recent, -$1), (.base, $1)) }
    try each(today.advanced(byDays: -window - base)) { try move($0, (.base, -$1)) }
    for (key, _) in try rows.scan(.heatDue, prefix: RowKey.prefix(today.description)) {
      rows.set(.heatDue, key, nil)
      warmed.insert(RowKey.parts(key)[1])
    }
  }

  /// After the windows were changed: counts again from the engagements.
  func recountHeat() throws {
    guard let today = clock.ticked else { return }
    for (key, row) in try rows.scan(.heat, prefix: "") {
      rows.set(.heat, key, row.with("recent", 0).with("base", 0))
    }
    let from = today.advanced(byDays: 1 - thresholds.heatWindowDays - thresholds.heatBaseDays)
    let until = today.advanced(byDays: 1).description
    for (key, count) in try rows.scan(.engagement, from: from.description, until: until) {
      let parts = RowKey.parts(key)
      guard let day = BusinessDay(parts[0]), let place = Self.place(day, today, thresholds) else { continue }
      try move(parts[1], (place, Int(count.integer ?? 0)))
    }
  }

  func judgeHeat(_ today: BusinessDay, isSilent: Bool) throws {
    guard let from = clock.historyFrom else { return }
    let needed = thresholds.heatWindowDays + thresholds.heatBaseDays
    guard today.days(since: from) >= needed else { return }
    if today.days(since: from) == needed || isSilent {
      warmed.formUnion(try rows.scan(.heat, prefix: "").map { RowKey.parts($0.0)[0] })
    }
    for account in warmed.sorted() {
      guard let row = try rows.get(.heat, RowKey.of(account)), let kind = judge(row) else { continue }
      if let last = row.day("said"), today.days(since: last) < thresholds.heatRestDays { continue }
      rows.set(.heat, RowKey.of(account), row.with("said", JSONValue(today)))
      rows.set(.heatDue, RowKey.of(today.advanced(byDays: thresholds.heatRestDays).description, account), true)
      if !isSilent { try say(kind, account, row) }
    }
  }

  private func judge(_ row: JSONValue) -> SignalKind? {
    let (recent, base) = (row.int("recent"), row.int("base"))
    let expected = base * thresholds.heatWindowDays  // × base days
    let seen = recent * thresholds.heatBaseDays * 1000
    if recent >= thresholds.heatUpMin, seen >= thresholds.heatUpMilli * expected { return .accountHeating }
    if base >= thresholds.heatDownMin, seen <= thresholds.heatDownMilli * expected { return .accountCooling }
    return nil
  }

  private func say(_ kind: SignalKind, _ account: String, _ row: JSONValue) throws {
    let id = account.hasPrefix("~") ? String(account.dropFirst()) : account
    let subject = Subject(type: EntityType.account.rawValue, id: id)
    let entity = try entity(subject)
    let evidence = entity.map { [Evidence(stream: $0.stream, key: id, commitment: $0.commitment)] } ?? []
    drafts.append(
      SignalDraft(
        kind, subject, account: id, evidence: evidence,
        facts: [
          "engaged_recently": JSONValue(row.int("recent")), "engaged_before": JSONValue(row.int("base")),
          "window_days": JSONValue(thresholds.heatWindowDays), "base_days": JSONValue(thresholds.heatBaseDays),
          "account_name": entity?.fields["name"] ?? .string(id),
        ]))
  }
}
