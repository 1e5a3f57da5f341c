import CanonicalJSON
import Domain

/// Deals by the day on which they were engaged, and at which age each ended: what `won_within` is counted from.
///
/// A rate for an age and a horizon counts the deals that reached the age at least a horizon before the day of the
/// question. Of each of them it is known whether it was won within that time, whether or not it has closed since, so that
/// nobody has to guess how open deals end. A younger deal does not count, even when it was won at once: those that take
/// their time would be missing beside it.
struct Cohorts {
  /// product/engaged day, and engaged day alone for all products → {"engaged", "won", "lost", "ours"}: how many began,
  /// and by age in days how many ended so.
  static let space = Space("decision.cohort")
  private static let allProducts = "*"

  enum End: String { case won, lost, ours }

  private let view: any StateView

  init(in view: any StateView) { self.view = view }

  // MARK: - Counting

  static func begin(product: String, engagedOn day: BusinessDay, _ state: any StateTransaction) throws {
    try change(product, day, state) { row in row["engaged"] = .integer((row["engaged"]?.integer ?? 0) + 1) }
  }

  static func end(
    _ end: End, product: String, engagedOn day: BusinessDay, on closed: BusinessDay, _ state: any StateTransaction
  ) throws {
    let age = String(max(0, closed.days(since: day)))
    try change(product, day, state) { row in
      var ages = row[end.rawValue]?.object ?? [:]
      ages[age] = .integer((ages[age]?.integer ?? 0) + 1)
      row[end.rawValue] = .object(ages)
    }
  }

  private static func change(
    _ product: String, _ day: BusinessDay, _ state: any StateTransaction, _ body: (inout [String: JSONValue]) -> Void
  ) throws {
    for name in [product, allProducts] {
      let key = RowKey.of(name, day.description)
      var row = try state.value(space, key)?.object ?? [:]
      body(&row)
      try state.set(space, key, .object(row))
    }
  }

  // MARK: - Rates

  func rate(_ question: RateQuestion) throws -> Confidence {
    // From the deal's own age, not from where its band begins: what was won before this age says nothing of it.
    let from = max(0, question.ageDays)
    let found = try count(question.product, fromAge: from, question)
    let all = try count(Self.allProducts, fromAge: 0, question)
    let interval = WilsonInterval(successes: found.won, trials: found.trials)
    return Confidence(
      of: "\(question.productName) deals that reached an age of \(from) days and were won within "
        + "\(question.withinDays) days of it",
      successes: found.won, trials: found.trials, ratePpm: interval.ratePpm, lowPpm: interval.lowPpm,
      highPpm: interval.highPpm, stillOpen: found.open,
      baseRatePpm: all.trials == 0 ? nil : WilsonInterval(successes: all.won, trials: all.trials).ratePpm,
      withinDays: question.withinDays)
  }

  private func count(
    _ product: String, fromAge age: Int, _ question: RateQuestion
  ) throws -> (won: Int, trials: Int, open: Int) {
    var (won, trials, open) = (0, 0, 0)
    let end = age + question.withinDays
    let last = question.day.advanced(byDays: -end)
    let rows = try view.scan(
      Self.space, from: RowKey.prefix(product), until: RowKey.prefix(product) + last.advanced(byDays: 1).description,
      reversed: false, countMax: .max)
    for (_, row) in rows {
      var reached = Int(row["engaged"]?.integer ?? 0)
      var stillOpen = reached
      for (kind, ages) in row.object ?? [:] {
        for (text, number) in ages.object ?? [:] {
          guard let closedAt = Int(text), let count = number.integer.map({ Int($0) }) else { continue }
          stillOpen -= count
          // What we closed ourselves within the time says nothing of how it would have ended.
          if closedAt < age || (kind == End.ours.rawValue && closedAt <= end) { reached -= count }
          if kind == End.won.rawValue, (age...end).contains(closedAt) { won += count }
        }
      }
      trials += reached
      open += stillOpen
    }
    return (won, trials, open)
  }
}
