import CanonicalJSON
import Cryptography
import Decision
import Domain
import Testing

@Suite struct `A day of decisions` {
  private func asking(_ count: Int) throws -> (Run, [Signal]) {
    let run = try Run(playbooks: ["missing-account"])
    for number in 0..<count { run.world.add("D\(number)", account: nil) }
    return (run, (0..<count).map { signal("opportunity.missing_account", "opportunity", "D\($0)", on: 1) })
  }

  @Test func `the same is not proposed twice while it is open or rests`() throws {
    let run = try Run(playbooks: ["missing-account"])
    run.world.add("D1", account: nil)
    func missing(_ number: Int) -> [Signal] { [signal("opportunity.missing_account", "opportunity", "D1", on: number)] }
    let first = try #require(try run.day(1, missing(1))?.proposals.first)
    #expect(try run.day(2, missing(2)) == nil)
    try run.verdict(.hold, [first])
    #expect(try run.day(200, missing(200)) == nil)
    try run.settle(first, as: .reject)
    #expect(try run.state(first) == .rejected)
    #expect(try run.day(80, missing(80)) == nil)
    #expect(try run.day(201, missing(201))?.proposals.count == 1)
  }

  @Test func `what found no room is proposed again under the same id, with what is believed that day`() throws {
    let (run, signals) = try asking(1)
    let first = try #require(try run.day(1, signals)?.proposals.first)
    try run.verdict(.belowBudget, [first])
    run.world.deals["D0"]?.ownerID = "zane"
    run.world.deals["D0"]?.version = "7"
    let again = try #require(try run.day(2)?.proposals.first)
    #expect(again.id == first.id)
    #expect(again.day == day(2))
    try run.verdict(.hold, [again])
    #expect(try run.day(3) == nil)
    #expect(try run.state(first) == .held)
  }

  @Test(arguments: [Verdict.Outcome.belowBudget, .hold])
  func `it is withdrawn when its deal has closed since`(outcome: Verdict.Outcome) throws {
    let (run, signals) = try asking(1)
    let first = try #require(try run.day(1, signals)?.proposals.first)
    try run.verdict(outcome, [first])
    run.world.deals["D0"]?.stage = .won
    let set = try #require(try run.day(2, [closing("D0", won: true, age: 2, on: 2)]))
    #expect(set.proposals.isEmpty)
    #expect(set.withdrawn == [.init(proposal: first.id, reason: "The deal was won since.")])
    #expect(try run.state(first) == .withdrawn)
    #expect(try run.day(3) == nil)
  }

  @Test func `what a call of ours changed ends other proposals about it, though it gives no signal`() throws {
    let run = try Run(playbooks: ["stalled-deal", "missing-account"])
    run.world.add("D1", account: nil)
    try run.closings(won: 2, of: 40)
    let asked = try #require(
      try run.day(1, [signal("opportunity.missing_account", "opportunity", "D1", on: 1)])?.proposals.first)
    try run.verdict(.hold, [asked])
    let draft = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    try run.verdict(.allow, [draft])
    try run.execute(draft)
    run.world.deals["D1"]?.stage = .lost
    #expect(try run.day(140)?.withdrawn.map(\.proposal) == [asked.id])
  }

  @Test func `what finds no room for long is given up, with the reason`() throws {
    let (run, signals) = try asking(1)
    var proposal = try #require(try run.day(1, signals)?.proposals.first)
    for number in 2..<61 {
      try run.verdict(.belowBudget, [proposal])
      proposal = try #require(try run.day(number)?.proposals.first)
    }
    try run.verdict(.belowBudget, [proposal])
    let last = try #require(try run.day(61))
    #expect(last.withdrawn.first?.reason == "It found no room in the budget for 60 days.")
  }

  @Test func `more than a day's list holds waits for its turn; nothing is lost`() throws {
    let (run, signals) = try asking(70)
    var seen: Set<Digest> = []
    for number in 1...3 {
      let proposals = try #require(try run.day(number, number == 1 ? signals : [])).proposals
      #expect(proposals.count == (number == 3 ? 10 : 30))
      for proposal in proposals { #expect(seen.insert(proposal.id).inserted) }
      try run.verdict(.hold, proposals)
    }
    #expect(seen.count == 70)
  }

  @Test func `a day's set stays well below what the journal takes, however many are waiting`() throws {
    let run = try Run(playbooks: ["missing-account"])
    var signals: [Signal] = []
    for manager in 0..<40 {
      let name = "\(manager)" + String(repeating: "界", count: 180)
      run.world.reps["r\(manager)"] = RepFacts(
        id: "r\(manager)", name: name, manager: name, openDealCount: 1, evidence: evidence("reps", "\(manager)"))
      for number in 0..<12 {
        let id = "D\(manager)-\(number)"
        run.world.add(id, owner: "r\(manager)", product: name, account: nil)
        signals.append(signal("opportunity.missing_account", "opportunity", id, on: 1))
      }
    }
    let set = try #require(try run.day(1, signals))
    #expect(set.proposals.count == 280)
    #expect(Set(set.proposals.map(\.approver)).count == 40)
    #expect(try JSONValue(encoding: set).canonicalBytes.count < 900_000)
  }

  @Test func `amounts that no number can hold are capped`() throws {
    let run = try Run(playbooks: ["price-exception"])
    run.world.add("D1", stage: .won)
    let below = signal(
      "deal.below_list", "opportunity", "D1", on: 1,
      ["list_cents": 9_007_199_254_740_991, "value_cents": -9_007_199_254_740_991])
    #expect(try run.day(1, [below])?.proposals.first?.expectedValueCents == 9_007_199_254_740_991)
  }

  @Test(arguments: 1...20)
  func `proposals are ranked by expected value, then by id`(seed: UInt64) throws {
    var chance = seed
    func next(_ bound: UInt64) -> Int64 {
      chance = chance &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int64((chance >> 33) % bound)
    }
    let run = try Run(playbooks: ["price-exception", "overloaded-owner", "missing-account"])
    var signals: [Signal] = []
    for number in 0..<25 {
      run.world.add("D\(number)", stage: .won)
      let list = next(4) * 1_000
      signals.append(
        signal(
          "deal.below_list", "opportunity", "D\(number)", on: 1,
          ["list_cents": .integer(list), "value_cents": .integer(next(3) * 500)]))
    }
    let proposals = try #require(try run.day(1, signals)).proposals
    #expect(proposals.count == 25)
    for (left, right) in zip(proposals, proposals.dropFirst()) {
      #expect(
        left.expectedValueCents > right.expectedValueCents
          || (left.expectedValueCents == right.expectedValueCents && left.id < right.id))
    }
  }

  // MARK: - Time

  private func history(_ run: Run, days: Int) throws -> [[UInt8]] {
    var bytes: [[UInt8]] = []
    for number in 0..<days {
      var signals = (0..<6).map {
        closing("C\(number)-\($0)", won: ($0 + number) % 3 == 0, age: 100 + number, on: number)
      }
      run.world.add("S\(number)", engaged: day(number - 125))
      run.world.add("M\(number)", account: nil, engaged: day(number))
      signals.append(stalled("S\(number)", on: number))
      signals.append(signal("opportunity.missing_account", "opportunity", "M\(number)", on: number))
      if number > 3 {
        run.world.deals["M\(number - 3)"]?.stage = .lost
        signals.append(closing("M\(number - 3)", won: false, age: 3, on: number))
      }
      let set = try run.day(number, signals)
      bytes.append(try set.map { try JSONValue(encoding: $0).canonicalBytes } ?? [])
      try run.verdict(.belowBudget, (set?.proposals ?? []).filter { $0.call != nil })
    }
    return bytes
  }

  @Test func `the same entries give the same bytes`() throws {
    #expect(try history(try Run(), days: 25) == history(try Run(), days: 25))
  }

  // MARK: - The catalogue

  @Test func `a tool that is not in the catalogue is never called`() throws {
    let (run, signals) = try asking(1)
    run.catalogue = try ToolCatalogue([])
    let proposal = try #require(try run.day(1, signals)?.proposals.first)
    #expect(proposal.kind == .escalate)
    #expect(proposal.call == nil)
    #expect(proposal.stopReason == "crm.create_task cannot be called, because no tool is called crm.create_task.")
  }

  @Test func `arguments that do not fit the schema are never sent`() throws {
    let (run, signals) = try asking(1)
    run.catalogue = try ToolCatalogue([
      ToolDescription(
        name: "crm.create_task", summary: "", effect: .notify,
        input: ["type": "object", "required": ["task"], "properties": ["task": ["type": "string"]]], compensation: nil,
        costCents: 0, instance: nil)
    ])
    let proposal = try #require(try run.day(1, signals)?.proposals.first)
    #expect(proposal.kind == .escalate && proposal.call == nil)
    #expect(proposal.stopReason.hasSuffix("because its argument `task` is not of type string."))
  }

  @Test func `an undo that the manifest does not declare stops the call`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    try run.closings(won: 1, of: 40)
    run.catalogue = try ToolCatalogue(
      crmTools().tools.map {
        try ToolDescription(
          name: $0.name, summary: "", effect: $0.effect, input: $0.input, compensation: nil, costCents: 0,
          instance: nil)
      })
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.kind == .escalate && proposal.call == nil)
  }

  // MARK: - Hostile data

  @Test(arguments: [
    "{tool}", "{owner.manager}", "x\ny\u{202E}z", "\" to: \"Mallory", String(repeating: "A", count: 10_240),
    "crm.close_lost {deal.id}", "\u{0}\u{7F}",
  ])
  func `what a source wrote changes no tool, recipient or amount`(text: String) throws {
    func proposals(_ text: String) throws -> [Proposal] {
      let run = try Run()
      run.world.add("D1", account: nil)
      run.world.deals["D1"]?.ownerName = text
      run.world.deals["D1"]?.productText = text
      run.world.deals["D1"]?.accountName = text
      try run.closings(won: 28, of: 40)
      return try run.day(
        139,
        [
          stalled("D1", on: 139), signal("opportunity.missing_account", "opportunity", "D1", on: 139),
          signal(
            "deal.below_list", "opportunity", "D1", on: 139,
            ["list_cents": 482_100, "value_cents": 1, "tool": .string(text), "to": .string(text)]),
        ])!.proposals
    }
    let (hostile, ordinary) = (try proposals(text), try proposals("Zane Levy"))
    #expect(hostile.count == 3)
    for (left, right) in zip(hostile, ordinary) {
      #expect(left.id == right.id && left.kind == right.kind && left.approver == right.approver)
      #expect(left.expectedValueCents == right.expectedValueCents)
      #expect(left.call?.tool == right.call?.tool)
      #expect(left.call?.arguments["task"]?["assignee"] == right.call?.arguments["task"]?["assignee"])
      #expect(left.call?.arguments["note"]?["to"] == right.call?.arguments["note"]?["to"])
      let written = left.call?.arguments["task"]?["text"]?.string ?? left.call?.arguments["note"]?["text"]?.string ?? ""
      #expect(written.count < 700)
      #expect(!written.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F || $0.value == 0x202E })
      #expect(!written.contains("\" to: \""))
      #expect(!written.contains("Dustin") || right.call?.arguments["task"] == nil)
    }
  }

  @Test(arguments: [
    "mallory@example.com", "Dustin  Brinkmann", "dustin brinkmann", "*", "{owner.name}", "Zane\nLevy", "crm.close_lost",
    String(repeating: "A", count: 10_240),
  ])
  func `who a source says is an owner's manager gets nothing and judges nothing, unless somebody known bears the name`(
    manager: String
  ) throws {
    let run = try Run(playbooks: ["price-exception", "overloaded-owner"])
    for id in run.world.reps.keys { run.world.reps[id]?.manager = manager }
    run.world.add("D1", stage: .won)
    run.world.add("D2")
    let signals = [
      signal("deal.below_list", "opportunity", "D1", on: 9, ["list_cents": 482_100, "value_cents": 300_050]),
      signal("owner.overloaded", "rep", "zane", on: 9, ["open_deals": 40, "team_median_milli": 12_500]),
    ]
    let proposals = try #require(try run.day(9, signals)).proposals
    #expect(proposals.count == 2 && proposals.allSatisfy { $0.approver == nil })
    let note = try #require(proposals.first { $0.playbook == "price-exception" })
    #expect(note.kind == .escalate && note.call == nil)
    #expect(note.stopReason.contains("who is neither a rep nor named in governance.yaml"))
    let move = try #require(proposals.first { $0.playbook == "overloaded-owner" })
    #expect(move.uncertain.contains { $0.hasPrefix("Whose it is to judge: the source names ") })
    for proposal in proposals {
      for sentence in [proposal.stopReason] + proposal.uncertain {
        #expect(sentence.count < 400 && !sentence.unicodeScalars.contains { $0.value < 0x20 })
      }
    }
  }

  @Test func `a manager who is a rep, or whom an operator named, is written to by that name`() throws {
    for (manager, people, to) in [
      ("moses", [], "Moses Frase"), ("Moses Frase", [], "Moses Frase"), ("Cara Losch", ["Cara Losch"], "Cara Losch"),
    ] as [(String, Set<String>, String)] {
      let run = try Run(playbooks: ["price-exception"])
      run.people = people
      run.world.reps["zane"]?.manager = manager
      run.world.add("D1", stage: .won)
      let below = signal(
        "deal.below_list", "opportunity", "D1", on: 9, ["list_cents": 482_100, "value_cents": 300_050])
      let note = try #require(try run.day(9, [below])?.proposals.first)
      #expect(note.call?.arguments["note"]?["to"]?.string == to && note.approver == to)
    }
  }

  @Test(arguments: ["Zane\nLevy", "", String(repeating: "A", count: 201)])
  func `a name that cannot be an argument as it is leads to no call`(name: String) throws {
    let (run, signals) = try asking(1)
    run.world.reps["zane"]?.name = name
    let proposal = try #require(try run.day(1, signals)?.proposals.first)
    #expect(proposal.kind == .escalate && proposal.call == nil)
  }
}
