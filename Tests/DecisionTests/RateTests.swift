import CanonicalJSON
import Decision
import Domain
import MemoryStorage
import TestKit
import Testing

@Suite struct `Measured confidence` {
  // Expected values: the closed formula in double precision, z = 1.959963985.
  @Test(arguments: [
    (8, 10, 490_162, 943_318), (0, 10, 0, 277_533), (10, 10, 722_467, 1_000_000), (50, 100, 403_832, 596_168),
    (1, 30, 5_909, 166_704), (0, 0, 0, 1_000_000), (63_000, 100_000, 627_003, 632_987),
  ])
  func `the interval is Wilson's`(successes: Int, trials: Int, low: Int, high: Int) {
    let interval = WilsonInterval(successes: successes, trials: trials)
    #expect(abs(interval.lowPpm - low) <= 1, "low \(interval.lowPpm)")
    #expect(abs(interval.highPpm - high) <= 1, "high \(interval.highPpm)")
    #expect(interval.ratePpm == (trials == 0 ? 0 : successes * 1_000_000 / trials))
  }

  @Test func `a rate of deals that reached an age counts the open ones too`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    try run.closings(won: 3, of: 10)
    let engaged = (0..<40).map { number in
      signal(
        "deal.engaged", "opportunity", "E\(number)", on: 1,
        ["product": "gtx-pro", "engaged_on": .string(day(number < 30 ? 1 : 60).description)])
    }
    try run.day(60, engaged)
    // One of them closes: it is counted as closed, and no longer as open.
    try run.day(130, [closing("E0", won: false, age: 129, on: 130)])
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.confidence?.successes == 3)
    #expect(proposal.confidence?.trials == 10 + 1 + 29)
    #expect(proposal.kind == .draft)
  }

  @Test func `a deal that we closed ourselves says nothing of how deals end`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    run.world.add("D2")
    try run.closings(won: 4, of: 40)
    let draft = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    try run.verdict(.hold, [draft])
    try run.execute(draft)
    run.world.deals["D1"]?.stage = .lost
    try run.day(140, [closing("D1", won: false, age: 139, on: 140)])
    let next = try #require(try run.day(141, [stalled("D2", on: 141)])?.proposals.first)
    #expect(next.confidence?.trials == 40)
    let score = try run.store.view { try DecisionScore(in: $0) }
    #expect(score.closedByUs == 1 && score.scored == 0 && score.stillOpen == 1)
  }
}

@Suite struct `The score of stated confidence` {
  @Test func `is the mean squared distance, beside that of the base rate`() throws {
    // (0.8−1)² + (0.8−0)² + (0.3−0)² + (0.25−1)² = 0.04 + 0.64 + 0.09 + 0.5625 = 1.3325; a quarter of it is 0.333125.
    let score = DecisionScore([(800_000, true), (800_000, false), (300_000, false), (250_000, true)])
    #expect(score.scored == 4 && score.won == 2)
    #expect(score.baseRatePpm == 500_000)
    #expect(score.brierScorePpm == 333_125)
    #expect(score.brierScoreOfBaseRatePpm == 250_000)
    #expect(score.calibration.map(\.fromPpm) == [200_000, 300_000, 800_000])
    #expect(score.calibration.map(\.proposals) == [1, 1, 2])
    #expect(score.calibration.map(\.wonPpm) == [1_000_000, 0, 500_000])
    #expect(score.calibration.map(\.statedPpm) == [250_000, 300_000, 800_000])
  }

  @Test func `a certain forecast falls into the last bin, and nothing scored gives no number`() throws {
    #expect(DecisionScore([(1_000_000, true)]).calibration.map(\.fromPpm) == [900_000])
    let empty = DecisionScore([])
    #expect(empty.brierScorePpm == nil && empty.baseRatePpm == nil && empty.calibration.isEmpty)
  }

  @Test func `counts each proposal whose deal has closed since`() throws {
    let run = try Run(playbooks: ["missing-account"])
    try run.closings(won: 24, of: 40)
    for number in 0..<3 { run.world.add("D\(number)", account: nil) }
    try run.day(1, (0..<3).map { signal("opportunity.missing_account", "opportunity", "D\($0)", on: 1) })
    try run.day(2, [closing("D0", won: true, age: 2, on: 2), closing("D1", won: false, age: 2, on: 2)])
    let score = try run.store.view { try DecisionScore(in: $0, playbook: "missing-account") }
    #expect(score.scored == 2 && score.won == 1 && score.stillOpen == 1)
    #expect(score.brierScorePpm == (160_000 + 360_000) / 2)
    let json = try JSONValue(encoding: score)
    #expect(json["brier_score_ppm"] == 260_000)
  }
}
