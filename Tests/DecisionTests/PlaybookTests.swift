import CanonicalJSON
import Decision
import Domain
import Testing

@Suite struct `The reviewed playbooks` {
  @Test(arguments: Shipped.names)
  func `each file is read`(name: String) throws {
    #expect(try Shipped.playbook(name).name == name)
  }

  @Test func `a stalled deal of which many were won leads to a question to its owner`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    try run.closings(won: 28, of: 40)
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.kind == .ask)
    #expect(proposal.call?.tool == "crm.create_task")
    #expect(proposal.call?.arguments["task"]?["assignee"] == "Zane Levy")
    #expect(proposal.call?.arguments["task"]?["about"] == ["stream": "opportunities", "id": "D1"])
    #expect(proposal.confidence?.successes == 28)
    #expect(proposal.confidence?.ratePpm == 700_000)
    #expect(proposal.expectedValueCents == 337_470)
    #expect(proposal.approver == "Dustin Brinkmann")
    #expect(proposal.owner == "zane")
    #expect(proposal.account == "bluth")
    #expect(proposal.evidence.count == 4)
    #expect(!proposal.uncertain.isEmpty && !proposal.stopReason.isEmpty)
  }

  @Test func `a stalled deal of which hardly any were won leads to a draft that closes it and can be taken back`()
    throws
  {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    try run.closings(won: 4, of: 40)
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    let call = try #require(proposal.call)
    #expect(proposal.kind == .draft)
    #expect(call.tool == "crm.close_lost")
    #expect(
      call.arguments == [
        "opportunity": "D1", "expect_version": 2,
        "set": ["stage": "Lost", "close_date": "5/20/2017", "close_value": 0],
      ])
    #expect(call.targetVersion == "2")
    #expect(call.current == ["stage": "Engaging", "close_date": nil, "close_value": nil])
    #expect(call.undo == .init(tool: "crm.reopen", arguments: ["opportunity": "D1", "set": ["stage": "Engaging"]]))
    #expect(proposal.expectedValueCents == 433_890)
  }

  @Test(arguments: [(29, Proposal.Kind.abstain), (30, .ask)])
  func `fewer than 30 closed deals of that age say nothing`(total: Int, kind: Proposal.Kind) throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    try run.closings(won: total, of: total)
    // Younger ones and those of other products do not count.
    try run.day(1, (0..<50).map { closing("Y\($0)", won: false, age: 119, on: 1) })
    try run.day(2, (0..<50).map { closing("O\($0)", won: false, age: 130, on: 2, product: "mg") })
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.kind == kind)
    #expect((proposal.call == nil) == (kind == .abstain))
    #expect((proposal.confidence == nil) == (kind == .abstain))
  }

  @Test func `a rate that a playbook declares counts: without enough deals behind it nothing is called`() throws {
    var document = try Shipped.document(try Shipped.text("stalled-deal"), name: "stalled-deal").value.object!
    document["steps"] = .array(Array(document["steps"]!.array!.dropFirst(2)))
    document["rate"] = ["of": "won_of_reached", "trials_min": 30]
    let run = try Run(playbooks: [])
    try run.activate("stalled-deal", .object(document))
    run.world.add("D1")
    try run.closings(won: 29, of: 29)
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.kind == .abstain && proposal.call == nil && proposal.confidence == nil)
    #expect(proposal.stopReason == "Its rate rests on 29 closed deals, too few to go by.")
  }

  @Test func `playbooks that ask or move without a rate declare none`() throws {
    for name in ["missing-account", "overloaded-owner"] { #expect(try Shipped.playbook(name).rate == nil) }
  }

  @Test func `closings without product or age are not guessed but said`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    run.world.add("D1")
    try run.closings(won: 28, of: 40)
    try run.day(1, [closing("X", won: true, age: 130, on: 1, product: nil)])
    let proposal = try #require(try run.day(139, [stalled("D1", on: 139)])?.proposals.first)
    #expect(proposal.confidence?.trials == 40)
    #expect(proposal.uncertain.contains("Closings without product or age that were not counted: 1."))
  }

  @Test func `a deal won below the list price is told to the owner's manager`() throws {
    let run = try Run(playbooks: ["price-exception"])
    run.world.add("D1", stage: .won)
    let below = signal(
      "deal.below_list", "opportunity", "D1", on: 9, owner: "zane", ["list_cents": 482_100, "value_cents": 300_050])
    let proposal = try #require(try run.day(9, [below])?.proposals.first)
    #expect(proposal.call?.tool == "crm.create_note")
    #expect(proposal.call?.arguments["note"]?["to"] == "Dustin Brinkmann")
    #expect(
      proposal.call?.arguments["note"]?["text"]
        == "\"Zane Levy\" won this deal with \"Bluth\" for 3000.50; the list price of \"GTX Pro\" is 4821.00.")
    #expect(proposal.expectedValueCents == 182_050)
  }

  @Test func `an overloaded rep's newest deal goes to the least loaded rep of the same manager, ties by id`() throws {
    let run = try Run(playbooks: ["overloaded-owner"])
    run.world.add("D1", engaged: day(3))
    run.world.add("D2", engaged: day(7))
    run.world.add("D3", engaged: day(7))
    let overloaded = signal(
      "owner.overloaded", "rep", "zane", on: 9, owner: "zane", ["open_deals": 40, "team_median_milli": 12_500])
    let proposal = try #require(try run.day(9, [overloaded])?.proposals.first)
    #expect(proposal.kind == .draft)
    #expect(proposal.subject == Subject(type: "opportunity", id: "D2"))
    #expect(proposal.call?.arguments["set"] == ["owner": "Anna Snelling"])
    #expect(proposal.call?.undo?.arguments == ["opportunity": "D2", "set": ["owner": "Zane Levy"]])
    #expect(proposal.stopReason.contains("40 open deals where the median is 12.5"))
  }

  @Test func `an overloaded rep without colleagues is for a person`() throws {
    let run = try Run(playbooks: ["overloaded-owner"])
    run.world.add("D1")
    run.world.reps = run.world.reps.filter { $0.key == "zane" }
    let proposal = try #require(try run.day(9, [signal("owner.overloaded", "rep", "zane", on: 9)])?.proposals.first)
    #expect(proposal.kind == .escalate)
    #expect(proposal.call == nil)
  }

  @Test func `a deal without an account is asked about, never guessed`() throws {
    let run = try Run(playbooks: ["missing-account"])
    run.world.add("D1", account: nil)
    run.world.add("D2", owner: nil, account: nil)
    let missing = ["D1", "D2"].map { signal("opportunity.missing_account", "opportunity", $0, on: 9) }
    let proposals = try #require(try run.day(9, missing)).proposals
    let asked = try #require(proposals.first { $0.subject.id == "D1" })
    #expect(asked.kind == .ask && asked.call?.arguments["task"]?["assignee"] == "Zane Levy")
    let unowned = try #require(proposals.first { $0.subject.id == "D2" })
    #expect(unowned.kind == .escalate && unowned.call == nil)
    #expect(unowned.stopReason == "crm.create_task cannot be called, because {owner.name} is not known.")
  }

  @Test func `deals written by an alias are corrected some at a time, later ones too`() throws {
    let run = try Run(playbooks: ["product-alias"])
    for number in 10..<55 { run.world.add("D\(number)", product: "GTXPro") }
    let unknown = signal("product.unknown", "product", "GTXPro", on: 0, ["name": "GTXPro", "resolved_to": "gtx-pro"])
    var fixed: Set<String> = []
    for number in 0..<3 {
      let proposals = try #require(try run.day(number, number == 0 ? [unknown] : [])).proposals
      #expect(proposals.count == (number == 2 ? 5 : 20))
      for proposal in proposals {
        #expect(proposal.kind == .act && proposal.call?.tool == "crm.fix_product")
        #expect(proposal.call?.arguments["set"] == ["product": "GTX Pro"])
        #expect(proposal.call?.undo?.arguments["set"] == ["product": "GTXPro"])
        #expect(fixed.insert(proposal.subject.id).inserted)
        try run.verdict(.allow, [proposal])
        try run.execute(proposal)
        run.world.deals[proposal.subject.id]?.productText = "GTX Pro"
      }
    }
    #expect(try run.day(3) == nil)
    run.world.add("NEW", product: "GTXPro")
    #expect(try run.day(4)?.proposals.map(\.subject.id) == ["NEW"])
  }

  @Test func `corrections that nobody carries out are not piled up`() throws {
    let run = try Run(playbooks: ["product-alias"])
    for number in 100..<300 { run.world.add("D\(number)", product: "GTXPro") }
    let unknown = signal("product.unknown", "product", "GTXPro", on: 0, ["name": "GTXPro", "resolved_to": "gtx-pro"])
    var count = 0
    for number in 0..<9 {
      let proposals = try run.day(number, number == 0 ? [unknown] : [])?.proposals ?? []
      try run.verdict(.deny, proposals)
      count += proposals.count
    }
    #expect(count == 40)
  }

  @Test func `a product name that means nothing, or several things, is for a person`() throws {
    let run = try Run(playbooks: ["product-alias"])
    run.world.add("D1", product: "GTX")
    let proposals = try run.day(0, [signal("product.unknown", "product", "GTX", on: 0, ["name": "GTX"])])?.proposals
    #expect(proposals?.map(\.kind) == [.escalate])
    #expect(proposals?.first?.subject == Subject(type: "product", id: "GTX"))
  }

  @Test func `what one company of a group bought is briefed for those that never did, once`() throws {
    let run = try Run(playbooks: ["white-space"])
    run.world.add("D1", stage: .won, account: "bluth")
    run.world.accounts["acme"]?.boughtProductIDs = ["gtx-pro"]
    func won(_ number: Int) -> Signal {
      signal("deal.won", "opportunity", "D1", on: number, account: "bluth", owner: "zane", ["product": "gtx-pro"])
    }
    let proposals = try #require(try run.day(5, [won(5)])).proposals
    #expect(proposals.map(\.subject) == [Subject(type: "account", id: "cody")])
    #expect(proposals.first?.kind == .draft)
    #expect(proposals.first?.call?.arguments["draft"]?["about"] == ["stream": "accounts", "id": "cody"])
    #expect(proposals.first?.expectedValueCents == 48_210)
    #expect(proposals.first?.account == "cody")
    #expect(try run.day(300, [won(300)]) == nil)
  }
}
