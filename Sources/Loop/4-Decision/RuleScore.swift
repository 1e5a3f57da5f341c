import CanonicalJSON
package import Domain

/// How well one playbook's estimates have foretold what happened so far, beside what the share of won deals at the time
/// would have said. Kept as sums, so that every decision can ask.
package struct RuleScore: Equatable, Sendable {
  /// playbook → {"outcomes", "squares_ppm", "base_squares_ppm"}.
  package static let space = Space("decision.rule_score")
  /// Fewer known outcomes than these say nothing of a rule.
  package static let outcomesMin = 30

  package private(set) var outcomes = 0
  /// Sums of squared distances in parts per million, each rounded.
  private var squaresPpm = 0
  private var baseSquaresPpm = 0

  package init(of playbook: String, in view: any StateView) throws {
    guard let row = try view.value(Self.space, playbook) else { return }
    outcomes = Int(row["outcomes"]?.integer ?? 0)
    squaresPpm = Int(row["squares_ppm"]?.integer ?? 0)
    baseSquaresPpm = Int(row["base_squares_ppm"]?.integer ?? 0)
  }

  /// Worse than knowing nothing of the deal: nothing may be changed on the word of such a rule.
  package var isWorseThanBase: Bool { outcomes >= Self.outcomesMin && squaresPpm > baseSquaresPpm }

  /// Mean squared distance between the stated rate and what happened, in parts per million.
  package var brierPpm: Int { outcomes == 0 ? 0 : squaresPpm / outcomes }
  package var baseBrierPpm: Int { outcomes == 0 ? 0 : baseSquaresPpm / outcomes }

  /// Counts an estimate whose deal has closed by itself; one without a base rate cannot be compared.
  static func count(
    _ confidence: Confidence, isWon: Bool, of playbook: String, in state: any StateTransaction
  ) throws {
    guard let base = confidence.baseRatePpm else { return }
    var score = try RuleScore(of: playbook, in: state)
    score.outcomes += 1
    score.squaresPpm += square(confidence.ratePpm, isWon)
    score.baseSquaresPpm += square(base, isWon)
    try state.set(
      space, playbook,
      [
        "outcomes": .integer(Int64(score.outcomes)), "squares_ppm": .integer(Int64(score.squaresPpm)),
        "base_squares_ppm": .integer(Int64(score.baseSquaresPpm)),
      ])
  }

  private static func square(_ statedPpm: Int, _ isWon: Bool) -> Int {
    let distance = statedPpm - (isWon ? 1_000_000 : 0)
    return (distance * distance + 500_000) / 1_000_000
  }
}
