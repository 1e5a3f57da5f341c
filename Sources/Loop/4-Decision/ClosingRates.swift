import CanonicalJSON
package import Domain

/// How deals ended, by product and age, counted from the signals applied so far and nothing later.
///
/// Ages are counted in bands of `bandDays`. What a closing signal does not say (product or age) is never guessed: such
/// closings are counted apart.
package struct ClosingRates {
  /// product → {"won": {band: n}, "lost": {band: n}, "open": {engaged day: n}}.
  package static let products = Space("decision.closing")
  /// opportunity → {"product", "engaged_on"}, while it is open and both are known.
  static let openDeals = Space("decision.open_deal")
  /// Under `unknown`: closings that could not be placed.
  static let gaps = Space("decision.closing_gap")
  package static let bandDays = 30
  /// Ages beyond are counted in the last band.
  static let bandMax = 999

  /// What is counted as the whole, of which the won ones are the share.
  package enum Kind: String, Sendable, CaseIterable {
    /// Deals of the product that closed at the deal's age band or later.
    case wonOfClosed = "won_of_closed"
    /// Deals of the product that reached that age band: those that closed in it or later, and those still open.
    case wonOfReached = "won_of_reached"
  }

  static func band(ageDays: Int) -> Int { min(max(0, ageDays) / bandDays, bandMax) }

  /// Counts one day's engagements and closings.
  /// - Parameter isOurs: Whether we closed that deal ourselves: that says nothing about how deals end.
  static func count(
    _ signals: [Signal], on day: BusinessDay, in state: any StateTransaction, isOurs: (String) throws -> Bool
  ) throws {
    for signal in signals where signal.subject.type == "opportunity" {
      switch signal.kind {
      case "deal.engaged": try engage(signal, state)
      case "deal.won", "deal.lost":
        try disengage(signal.subject.id, state)
        if try !isOurs(signal.subject.id) { try close(signal, state) }
      default: break
      }
    }
  }

  private static func engage(_ signal: Signal, _ state: any StateTransaction) throws {
    guard let product = signal.facts["product"]?.string, let day = signal.facts["engaged_on"]?.string,
      try state.value(openDeals, signal.subject.id) == nil
    else { return }
    try state.set(openDeals, signal.subject.id, ["product": .string(product), "engaged_on": .string(day)])
    try add(1, to: "open", day, product, state)
  }

  private static func disengage(_ deal: String, _ state: any StateTransaction) throws {
    guard let row = try state.value(openDeals, deal), let product = row["product"]?.string,
      let day = row["engaged_on"]?.string
    else { return }
    try state.remove(openDeals, deal)
    try add(-1, to: "open", day, product, state)
  }

  private static func close(_ signal: Signal, _ state: any StateTransaction) throws {
    guard let product = signal.facts["product"]?.string, let age = ageDays(signal) else {
      let count = try state.value(gaps, "unknown")?.integer ?? 0
      return try state.set(gaps, "unknown", .integer(count + 1))
    }
    try add(1, to: signal.kind == "deal.won" ? "won" : "lost", key(band(ageDays: age)), product, state)
  }

  private static func ageDays(_ signal: Signal) -> Int? {
    if let age = signal.facts["age_days"]?.integer { return Int(age) }
    return signal.facts["engaged_on"]?.string.flatMap { BusinessDay($0) }.map { signal.day.days(since: $0) }
  }

  private static func key(_ band: Int) -> String {
    let digits = String(band)
    return String(repeating: "0", count: max(0, 3 - digits.count)) + digits
  }

  private static func add(
    _ amount: Int64, to group: String, _ key: String, _ product: String, _ state: any StateTransaction
  ) throws {
    var row = try state.value(products, product)?.object ?? [:]
    var counts = row[group]?.object ?? [:]
    let count = (counts[key]?.integer ?? 0) + amount
    counts[key] = count > 0 ? .integer(count) : nil
    row[group] = .object(counts)
    try state.set(products, product, .object(row))
  }

  /// The rate for a deal of `product` that is `ageDays` old on `day`, however few deals it rests on.
  static func rate(
    _ kind: Kind, product: String, productName: String, ageDays: Int, on day: BusinessDay, in view: any StateView
  ) throws -> Confidence {
    let row = try view.value(products, product)
    let band = band(ageDays: ageDays)
    func sum(_ group: String) -> Int {
      (row?[group]?.object ?? [:]).reduce(0) { $0 + ($1.key >= key(band) ? Int($1.value.integer ?? 0) : 0) }
    }
    let won = sum("won")
    var trials = won + sum("lost")
    let age = "an age of \(band * bandDays) days or more"
    switch kind {
    case .wonOfClosed:
      return confidence("\(productName) deals closed at \(age) that were won", won, of: trials)
    case .wonOfReached:
      let until = day.advanced(byDays: -band * bandDays).description
      trials += (row?["open"]?.object ?? [:]).reduce(0) { $0 + ($1.key <= until ? Int($1.value.integer ?? 0) : 0) }
      return confidence("\(productName) deals that reached \(age) and were won", won, of: trials)
    }
  }

  private static func confidence(_ of: String, _ won: Int, of trials: Int) -> Confidence {
    let interval = WilsonInterval(successes: won, trials: trials)
    return Confidence(
      of: of, successes: won, trials: trials, ratePpm: interval.ratePpm, lowPpm: interval.lowPpm,
      highPpm: interval.highPpm)
  }

  /// Closings that could not be placed.
  static func unknownCount(in view: any StateView) throws -> Int {
    Int(try view.value(gaps, "unknown")?.integer ?? 0)
  }
}
