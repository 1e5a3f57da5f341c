import CanonicalJSON
package import Domain

/// How well the stated confidences foretold what happened: proposals whose deal has closed since.
///
/// All shares are in parts per million. The Brier score is the mean squared distance between the stated rate and what
/// happened (1 for won, 0 for lost): 0 is perfect, and always stating the base rate gives `brier_score_of_base_rate`. That
/// one is known only afterwards; `brier_score_of_base_rate_then` states what was known when each was stated.
package struct DecisionScore: Codable, Equatable, Sendable {
  package struct Bin: Codable, Equatable, Sendable {
    /// The bin holds stated rates from here up to, but without, the next; the last one with 1 000 000.
    package let fromPpm: Int
    package let toPpm: Int
    package let proposals: Int
    /// The mean of what was stated.
    package let statedPpm: Int
    /// What happened.
    package let wonPpm: Int

    enum CodingKeys: String, CodingKey {
      case proposals
      case fromPpm = "from_ppm"
      case toPpm = "to_ppm"
      case statedPpm = "stated_ppm"
      case wonPpm = "won_ppm"
    }
  }

  /// Proposals with a confidence whose deal has closed by itself.
  package let scored: Int
  package let won: Int
  /// Proposals with a confidence whose deal has not closed.
  package let stillOpen: Int
  /// Left out, because a call of ours closed the deal.
  package let closedByUs: Int
  /// Proposals without a confidence: there was none, or too few deals stood behind it.
  package let withoutConfidence: Int
  /// Nil while nothing can be scored.
  package let baseRatePpm: Int?
  package let brierScorePpm: Int?
  package let brierScoreOfBaseRatePpm: Int?
  /// The same of what the share of won deals was when each was stated; nil where one of them does not tell.
  package let brierScoreOfBaseRateThenPpm: Int?
  package let calibration: [Bin]

  enum CodingKeys: String, CodingKey {
    case scored, won, calibration
    case stillOpen = "still_open"
    case closedByUs = "closed_by_us"
    case withoutConfidence = "without_confidence"
    case baseRatePpm = "base_rate_ppm"
    case brierScorePpm = "brier_score_ppm"
    case brierScoreOfBaseRatePpm = "brier_score_of_base_rate_ppm"
    case brierScoreOfBaseRateThenPpm = "brier_score_of_base_rate_then_ppm"
  }
}

extension DecisionScore {
  private static let million: Int128 = 1_000_000

  /// - Parameter playbook: Only this one's proposals; nil for all.
  package init(in view: any StateView, playbook: String? = nil) throws {
    var forecasts: [(statedPpm: Int, isWon: Bool)] = []
    var bases: [(statedPpm: Int, isWon: Bool)] = []
    var (open, ours, without) = (0, 0, 0)
    for (_, row) in try view.scan(DecisionStage.proposals) {
      let record = try row.decode(ProposalRecord.self)
      if let playbook, record.proposal.playbook != playbook { continue }
      guard let confidence = record.proposal.confidence else {
        without += 1
        continue
      }
      switch record.outcome {
      case nil: open += 1
      case let outcome? where outcome.isOurs: ours += 1
      case let outcome?:
        forecasts.append((confidence.ratePpm, outcome.isWon))
        if let base = confidence.baseRatePpm { bases.append((base, outcome.isWon)) }
      }
    }
    self.init(
      forecasts, bases: bases.count == forecasts.count ? bases : [], stillOpen: open, closedByUs: ours,
      withoutConfidence: without)
  }

  package init(
    _ forecasts: [(statedPpm: Int, isWon: Bool)], bases: [(statedPpm: Int, isWon: Bool)] = [], stillOpen: Int = 0,
    closedByUs: Int = 0, withoutConfidence: Int = 0
  ) {
    scored = forecasts.count
    won = forecasts.count { $0.isWon }
    self.stillOpen = stillOpen
    self.closedByUs = closedByUs
    self.withoutConfidence = withoutConfidence
    let (n, k) = (Int128(forecasts.count), Int128(won))
    baseRatePpm = n == 0 ? nil : Self.rounded(k * Self.million, n)
    brierScorePpm = Self.brierPpm(forecasts)
    brierScoreOfBaseRateThenPpm = Self.brierPpm(bases)
    brierScoreOfBaseRatePpm = n == 0 ? nil : Self.rounded(k * (n - k) * Self.million, n * n)
    calibration = Self.bins(forecasts)
  }

  private static func brierPpm(_ forecasts: [(statedPpm: Int, isWon: Bool)]) -> Int? {
    let squares = forecasts.reduce(Int128(0)) { sum, forecast in
      let distance = Int128(forecast.statedPpm) - (forecast.isWon ? million : 0)
      return sum + distance * distance
    }
    return forecasts.isEmpty ? nil : rounded(squares, Int128(forecasts.count) * million)
  }

  private static func bins(_ forecasts: [(statedPpm: Int, isWon: Bool)]) -> [Bin] {
    (0..<10).compactMap { bin in
      let inside = forecasts.filter { min($0.statedPpm / 100_000, 9) == bin }
      guard !inside.isEmpty else { return nil }
      let n = Int128(inside.count)
      return Bin(
        fromPpm: bin * 100_000, toPpm: (bin + 1) * 100_000, proposals: inside.count,
        statedPpm: rounded(inside.reduce(0) { $0 + Int128($1.statedPpm) }, n),
        wonPpm: rounded(Int128(inside.count { $0.isWon }) * million, n))
    }
  }

  private static func rounded(_ numerator: Int128, _ denominator: Int128) -> Int {
    Int((2 * numerator + denominator) / (2 * denominator))
  }
}
