import CanonicalJSON
package import Domain

/// What a rate is asked for: deals like one of this product that is so old on this day.
package struct RateQuestion: Sendable {
  package let product: String
  /// As people are shown it.
  package let productName: String
  package let ageDays: Int
  package let day: BusinessDay
  package var kind = ClosingRates.Kind.wonOfReached
  /// For `won_within`: how many days after that age.
  package var withinDays = 0
}

/// Answers from what has been applied so far.
package typealias RateLookup = @Sendable (RateQuestion, any StateView) throws -> Confidence

/// How deals ended, by product and age, counted from the signals applied so far and nothing later.
///
/// Only deals whose outcome is known count: of one that is still open nobody knows whether it will be won, and to take it
/// for lost would foretell that deals which close late are never won. Ages are looked at in bands of whole days
/// (`rates.band_days` of the thresholds). What a closing signal does not say (product or age) is never guessed: such
/// closings are counted apart.
package struct ClosingRates {
  /// product/`won`, `lost`/age in days → how many; product/`open`/engaged day → how many.
  package static let products = Space("decision.closing")
  /// `won`, `lost` → how many, of any product and age.
  static let totals = Space("decision.closing_total")
  /// opportunity → {"product", "engaged_on"}, while it is open and both are known.
  static let openDeals = Space("decision.open_deal")
  /// Under `unknown`: closings that could not be placed.
  static let gaps = Space("decision.closing_gap")
  /// `bands` → {"days"} by the thresholds in force.
  static let rules = Space("decision.rule")

  /// What is counted as the whole, of which the won ones are the share.
  package enum Kind: String, Sendable, CaseIterable {
    /// Deals of the product that had reached the deal's age band and have closed since.
    case wonOfReached = "won_of_reached"
    /// Deals of the product that reached the deal's age so long ago that it is known of each, also of one that is
    /// open still, whether it was won within the days that the rule names.
    case wonWithin = "won_within"
  }

  /// Days of a band where the thresholds say nothing.
  static let bandDaysByDefault = 30
  /// What the thresholds may say.
  static let bandDaysRange = 1...365
  /// Greater ages count as this one.
  static let ageMax = 36_500

  let view: any StateView
  let bandDays: Int

  init(in view: any StateView) throws {
    self.view = view
    bandDays = Int(try view.value(Self.rules, "bands")?["days"]?.integer ?? Int64(Self.bandDaysByDefault))
  }

  /// Takes over `rates.band_days` of a thresholds document.
  static func take(_ thresholds: JSONValue, in state: any StateTransaction) throws {
    let days = thresholds["rates"]?["band_days"]?.integer.map { Int($0) } ?? bandDaysByDefault
    guard bandDaysRange.contains(days) else { return }
    try state.set(rules, "bands", ["days": .integer(Int64(days))])
  }

  // MARK: - Rates

  package static let lookup: RateLookup = { question, view in try ClosingRates(in: view).rate(question) }

  /// The rate, however few deals it rests on.
  func rate(_ question: RateQuestion) throws -> Confidence {
    if question.kind == .wonWithin { return try Cohorts(in: view).rate(question) }
    let (product, day) = (question.product, question.day)
    let from = min(max(0, question.ageDays), Self.ageMax) / bandDays * bandDays
    let won = try count(product, "won", fromAge: from)
    let interval = WilsonInterval(successes: won, trials: won + (try count(product, "lost", fromAge: from)))
    return Confidence(
      of: "\(question.productName) deals that reached an age of \(from) days, have closed since and were won",
      successes: won,
      trials: interval.trials, ratePpm: interval.ratePpm, lowPpm: interval.lowPpm, highPpm: interval.highPpm,
      stillOpen: try open(product, engagedUntil: day.advanced(byDays: -from)), baseRatePpm: try baseRatePpm)
  }

  private func count(_ product: String, _ outcome: String, fromAge age: Int) throws -> Int {
    let prefix = RowKey.prefix(product, outcome)
    return try sum(from: prefix + RowKey.number(UInt64(age)), until: prefixEnd(prefix))
  }

  private func open(_ product: String, engagedUntil day: BusinessDay) throws -> Int {
    let prefix = RowKey.prefix(product, "open")
    return try sum(from: prefix, until: prefix + day.advanced(byDays: 1).description)
  }

  private func sum(from: String, until: String?) throws -> Int {
    try view.scan(Self.products, from: from, until: until, reversed: false, countMax: .max)
      .reduce(0) { $0 + Int($1.1.integer ?? 0) }
  }

  /// The share of all closed deals that were won: what one would say of any deal without knowing it. Nil before the first.
  private var baseRatePpm: Int? {
    get throws {
      let won = try view.value(Self.totals, "won")?.integer ?? 0
      let all = won + (try view.value(Self.totals, "lost")?.integer ?? 0)
      return all == 0 ? nil : WilsonInterval(successes: Int(won), trials: Int(all)).ratePpm
    }
  }

  /// Closings that could not be placed.
  var unknownCount: Int { get throws { Int(try view.value(Self.gaps, "unknown")?.integer ?? 0) } }
}

// MARK: - Counting
extension ClosingRates {
  /// Counts one day's engagements and closings.
  /// - Parameter isOurs: Whether we closed that deal ourselves: that says nothing about how deals end.
  static func count(_ signals: [Signal], in state: any StateTransaction, isOurs: (String) throws -> Bool) throws {
    for signal in signals where signal.subject.type == "opportunity" {
      switch signal.kind {
      case "deal.engaged": try engage(signal, state)
      case "deal.won", "deal.lost":
        let isByUs = try isOurs(signal.subject.id)
        if let start = try disengage(signal.subject.id, state) {
          let end: Cohorts.End = isByUs ? .ours : signal.kind == "deal.won" ? .won : .lost
          try Cohorts.end(end, product: start.product, engagedOn: start.day, on: signal.day, state)
        }
        if !isByUs { try close(signal, state) }
      default: break
      }
    }
  }

  private static func engage(_ signal: Signal, _ state: any StateTransaction) throws {
    guard let product = signal.facts["product"]?.string, let day = signal.facts["engaged_on"]?.string,
      try state.value(openDeals, signal.subject.id) == nil
    else { return }
    try state.set(openDeals, signal.subject.id, ["product": .string(product), "engaged_on": .string(day)])
    try add(1, products, RowKey.of(product, "open", day), state)
    if let engagedOn = BusinessDay(day) { try Cohorts.begin(product: product, engagedOn: engagedOn, state) }
  }

  /// - Returns: As what it was open; nil when that is not known.
  private static func disengage(
    _ deal: String, _ state: any StateTransaction
  ) throws -> (product: String, day: BusinessDay)? {
    guard let row = try state.value(openDeals, deal), let product = row["product"]?.string,
      let day = row["engaged_on"]?.string
    else { return nil }
    try state.remove(openDeals, deal)
    try add(-1, products, RowKey.of(product, "open", day), state)
    return BusinessDay(day).map { (product, $0) }
  }

  private static func close(_ signal: Signal, _ state: any StateTransaction) throws {
    let outcome = signal.kind == "deal.won" ? "won" : "lost"
    try add(1, totals, outcome, state)
    guard let product = signal.facts["product"]?.string, let age = ageDays(signal) else {
      return try add(1, gaps, "unknown", state)
    }
    let number = RowKey.number(UInt64(min(max(0, age), ageMax)))
    try add(1, products, RowKey.of(product, outcome, number), state)
  }

  private static func ageDays(_ signal: Signal) -> Int? {
    if let age = signal.facts["age_days"]?.integer { return Int(age) }
    return signal.facts["engaged_on"]?.string.flatMap { BusinessDay($0) }.map { signal.day.days(since: $0) }
  }

  private static func add(_ amount: Int64, _ space: Space, _ key: String, _ state: any StateTransaction) throws {
    let count = (try state.value(space, key)?.integer ?? 0) + amount
    if count > 0 { try state.set(space, key, .integer(count)) } else { try state.remove(space, key) }
  }
}
