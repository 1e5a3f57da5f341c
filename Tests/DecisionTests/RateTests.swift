import CanonicalJSON
import Cryptography
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

  private func engaged(_ count: Int, _ prefix: String = "E", since number: Int) -> [Signal] {
    (0..<count).map {
      signal(
        "deal.engaged", "opportunity", "\(prefix)\($0)", on: number,
        ["product": "gtx-pro", "engaged_on": .string(day(number).description)])
    }
  }

  @Test func `counts deals whose outcome is known; how many of that age are still open is said beside it`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    try run.closings(won: 24, of: 40)
    try run.day(1, engaged(30, since: 1))
    try run.day(60, engaged(10, "F", since: 60))
    // One of them closes: it is counted as closed, and no longer as open. The later ones have not come to this age.
    try run.day(130, [closing("E0", won: false, age: 129, on: 130)])
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.confidence?.successes == 24)
    #expect(proposal.confidence?.trials == 40 + 1)
    #expect(proposal.confidence?.stillOpen == 29)
    #expect(proposal.uncertain.contains("Of deals of this age 41 have closed; 29 still open are not counted."))
    #expect(proposal.kind == .ask)
  }

  @Test func `does not take a deal for lost that closes late`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    // Hundreds are open at this age, and of those that have closed two of three were won.
    try run.day(1, engaged(400, since: 1))
    try run.closings(won: 20, of: 30, age: 125, on: 126)
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.kind == .ask && proposal.confidence?.ratePpm == 666_667)
  }

  @Test func `compares within bands of as many days as the thresholds say`() throws {
    for (days, trials) in [(30, 40), (139, 40), (20, 40), (10, 0)] as [(Int64, Int)] {
      let run = try Run(playbooks: ["stalled-deal"])
      run.world.add("D1")
      let document: JSONValue = ["sluice": 1, "rates": ["band_days": .integer(days)]]
      try run.apply(
        .activation,
        Activation(
          kind: .thresholds, name: "t", hash: SHA256.digest(document.canonicalBytes), document: document, by: nil))
      try run.closings(won: 24, of: 40, age: days == 139 ? 139 : 125)
      let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
      #expect((proposal.confidence?.trials ?? 0) == trials, "\(days)")
    }
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

@Suite struct `A rate within a time` {
  private static let within = "{of: won_within, within_days: 60, trials_min: 30}"

  /// `count` deals engaged on day 1, of which the first `won` are won and the next `lost` are lost at `age`.
  private func run(_ count: Int, won: Int, lost: Int = 0, age: Int) throws -> Run {
    let run = try Run(playbooks: ["stalled-deal"], rate: Self.within)
    try run.day(
      1,
      (0..<count).map {
        signal(
          "deal.engaged", "opportunity", "E\($0)", on: 1,
          ["product": "gtx-pro", "engaged_on": .string(day(1).description)])
      })
    try run.day(1 + age, (0..<(won + lost)).map { closing("E\($0)", won: $0 < won, age: age, on: 1 + age) })
    return run
  }

  /// What is proposed about a deal that is 139 days old on that day.
  private func rate(_ run: Run, on number: Int, _ deal: String = "D1") throws -> Proposal {
    run.world.add(deal, engaged: day(number - 139))
    return try #require(try run.day(number, [stalled(deal, on: number)])?.proposals.first)
  }

  @Test func `counts open deals once the time has passed, and drafts when hardly any was won`() throws {
    // At 139 days, and 60 days later, all of them have been watched for long enough.
    let run = try run(100, won: 4, lost: 6, age: 145)
    let early = try rate(run, on: 199)
    #expect(early.kind == .abstain && early.confidence == nil, "a day too early nothing is known of any")
    let proposal = try rate(run, on: 200, "D2")
    let confidence = try #require(proposal.confidence)
    #expect((confidence.successes, confidence.trials, confidence.stillOpen) == (4, 100, 90))
    #expect(confidence.withinDays == 60 && confidence.baseRatePpm == 0, "within 60 days of engaging none was won")
    #expect(proposal.kind == .draft && proposal.call?.tool == "crm.close_lost")
    #expect(proposal.stopReason.contains("Of 100 deals that had come to this age 4.0 % were won within 60 days"))
    #expect(
      proposal.uncertain.contains("Of those 100 deals 90 are still open; what becomes of them later is not known."))
  }

  @Test func `asks where deals of that age are won late, as long as it is within the time`() throws {
    for (age, won) in [(199, 40), (200, 0)] {
      let run = try run(100, won: 40, age: age)
      let confidence = try #require(try rate(run, on: 210).confidence)
      #expect(confidence.successes == won, "won at \(age) days")
    }
    #expect(try rate(try run(100, won: 40, age: 150), on: 210).kind == .ask)
  }

  @Test func `leaves out what closed before the age, and what we closed within the time`() throws {
    #expect(try rate(try run(100, won: 20, lost: 30, age: 138), on: 210).confidence?.trials == 50)
    let run = try run(100, won: 2, age: 145)
    try run.day(
      42,
      ["F0", "F1"].map {
        signal(
          "deal.engaged", "opportunity", $0, on: 42, ["product": "gtx-pro", "engaged_on": .string(day(42).description)])
      })
    let draft = try rate(run, on: 201, "F0")
    try run.verdict(.hold, [draft])
    try run.execute(draft)
    run.world.deals["F0"]?.stage = .lost
    try run.day(202, [closing("F0", won: false, age: 160, on: 202)])
    #expect(try rate(run, on: 240).confidence?.trials == 100)
    #expect(try rate(run, on: 241, "D2").confidence?.trials == 101, "F1 counts, F0 does not")
  }

  @Test func `is scored when its time has run out, whether or not the deal has closed`() throws {
    let run = try run(100, won: 4, age: 145)
    for deal in ["D1", "D2"] { run.world.add(deal, engaged: day(61)) }
    try run.day(200, [stalled("D1", on: 200), stalled("D2", on: 200)])
    try run.day(260)
    #expect(try run.store.view { try DecisionScore(in: $0).stillOpen } == 2, "its last day has not passed")
    // Won after the time: what was foretold was right.
    try run.day(261)
    try run.day(262, [closing("D1", won: true, age: 201, on: 262)])
    let score = try run.store.view { try DecisionScore(in: $0) }
    #expect((score.scored, score.won, score.stillOpen) == (2, 0, 0))
    #expect(score.brierScorePpm == 1_600)
    #expect(try run.store.view { try RuleScore(of: "stalled-deal", in: $0) }.outcomes == 2)
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
    let run = try Run(playbooks: ["stalled-deal"])
    try run.closings(won: 24, of: 40)
    for number in 0..<3 { run.world.add("D\(number)") }
    try run.day(139, (0..<3).map { stalled("D\($0)", on: 139) })
    try run.day(140, [closing("D0", won: true, age: 140, on: 140), closing("D1", won: false, age: 140, on: 140)])
    let score = try run.store.view { try DecisionScore(in: $0, playbook: "stalled-deal") }
    #expect(score.scored == 2 && score.won == 1 && score.stillOpen == 1)
    #expect(score.brierScorePpm == (160_000 + 360_000) / 2)
    let json = try JSONValue(encoding: score)
    #expect(json["brier_score_ppm"] == 260_000)
    #expect(json["brier_score_of_base_rate_then_ppm"] == 260_000)
  }

  /// A rule that says 5 % of deals of which all are won, where three of five of all deals are.
  private func run(wrong count: Int) throws -> Run {
    let run = try Run(playbooks: ["stalled-deal"])
    try run.closings(won: 2, of: 40)
    try run.day(1, (0..<60).map { closing("Y\($0)", won: true, age: 10, on: 1) })
    for number in 0..<count { run.world.add("W\(number)") }
    let drafts = try #require(try run.day(139, (0..<count).map { stalled("W\($0)", on: 139) })).proposals
    #expect(drafts.count == count && drafts.allSatisfy { $0.kind == .draft && $0.confidence?.baseRatePpm == 620_000 })
    for number in 0..<count { run.world.deals["W\(number)"]?.stage = .won }
    try run.day(140, (0..<count).map { closing("W\($0)", won: true, age: 140, on: 140) })
    // Many more are lost, so that the rate itself stays low.
    try run.closings(won: 0, of: 400, on: 141)
    return run
  }

  @Test(arguments: [(29, Proposal.Kind.draft), (30, .ask)])
  func `stops a rule from closing deals while its estimates have been worse than none, and says so`(
    outcomes: Int, kind: Proposal.Kind
  ) throws {
    let run = try run(wrong: outcomes)
    run.world.add("D1")
    let proposal = try #require(try run.day(142, [stalled("D1", on: 142)])?.proposals.first)
    #expect(try #require(proposal.confidence).ratePpm < 100_000)
    #expect(proposal.kind == kind)
    guard kind == .ask else { return }
    #expect(proposal.call?.tool == "crm.create_task")
    #expect(
      proposal.stopReason
        == "The estimates of this rule have foretold 30 outcomes worse (Brier score 0.903) than the share of won deals "
        + "alone would have (0.144), so crm.close_lost is not prepared on their word. Only the owner knows how the deal "
        + "stands.")
  }

  @Test func `lets a rule go on whose estimates have been better than none`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    try run.closings(won: 2, of: 40)
    try run.day(1, (0..<60).map { closing("Y\($0)", won: true, age: 10, on: 1) })
    for number in 0..<30 { run.world.add("W\(number)") }
    try run.day(139, (0..<30).map { stalled("W\($0)", on: 139) })
    try run.day(140, (0..<30).map { closing("W\($0)", won: false, age: 140, on: 140) })
    run.world.add("D1")
    #expect(try run.day(142, [stalled("D1", on: 142)])?.proposals.first { $0.subject.id == "D1" }?.kind == .draft)
    #expect(try run.store.view { try RuleScore(of: "stalled-deal", in: $0) }.outcomes == 30)
  }
}
