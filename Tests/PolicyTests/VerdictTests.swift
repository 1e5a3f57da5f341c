import CanonicalJSON
import Domain
import MemoryStorage
import Policy
import TestKit
import Testing

private typealias Bench = PolicyBench

@Suite struct `A verdict` {
  @Test func `allows what policies permit without a person, and says by which policy and why`() throws {
    let verdict = try Bench().propose([Sample.fix("a")])[0]
    #expect(verdict.outcome == .allow)
    #expect(verdict.reasons.map(\.rule) == ["autonomous.fix_product"])
    #expect(verdict.reasons[0].sentence.hasPrefix("A product's spelling may be corrected"))
    #expect(verdict.policySet == (try Shipped.document().hash))
  }

  @Test func `holds what only a person may approve`() throws {
    let verdict = try Bench().propose([Sample.close("a")])[0]
    #expect(verdict.outcome == .hold)
    #expect(verdict.reasons.map(\.rule) == ["autonomous.drafts_wait", "approval.deal_changes"])
  }

  @Test func `is one for each proposal, in order`() throws {
    let proposals = (0..<20).map {
      Sample.proposal("p\($0)", tool: $0 % 3 == 0 ? nil : "crm.create_note", value: Int64($0))
    }
    let verdicts = try Bench().propose(proposals)
    #expect(verdicts.map(\.proposal) == proposals.map(\.id))
    #expect(verdicts.enumerated().allSatisfy { ($0.element.outcome == .noted) == ($0.offset % 3 == 0) })
  }

  @Test func `denies by default`() throws {
    #expect(
      try Bench().propose([Sample.proposal("a", tool: "crm.reopen")])[0].reasons.map(\.rule) == ["policy.no_permit"])
    let empty = try PolicyDocument(files: [], schema: nil, governance: nil)
    let verdict = try Bench(empty).propose([Sample.fix("a")])[0]
    #expect(verdict.outcome == .deny)
    #expect(verdict.reasons.map(\.rule) == ["policy.no_permit"])
  }

  @Test func `denies what a forbid names, whatever else permits it`() throws {
    let document = try Shipped.document(
      adding: #"@id("no") forbid(principal, action, resource) when { context has account && context.account == "x" };"#)
    let verdicts = try Bench(document).propose([Sample.fix("a", account: "x"), Sample.fix("b", account: "y")])
    #expect(verdicts.map(\.outcome) == [.deny, .allow])
    #expect(verdicts[0].reasons.map(\.rule) == ["no"])
  }

  @Test func `denies a change of a deal that is closed`() throws {
    let bench = try Bench()
    try bench.store.transaction { try $0.set(SampleWorld.stages, "a", "won") }
    let verdict = try bench.propose([Sample.fix("a")])[0]
    #expect(verdict.outcome == .deny)
    #expect(verdict.reasons.map(\.rule) == ["forbid.closed_deals"])
  }

  @Test func `denies when a policy errs, and names the policy`() throws {
    let document = try Shipped.document(
      adding: #"@id("broken") permit(principal, action, resource) when { context.account == "x" };"#)
    let verdicts = try Bench(document).propose([Sample.fix("a"), Sample.fix("b", account: "z")])
    #expect(verdicts.map(\.outcome) == [.deny, .allow])
    #expect(verdicts[0].reasons.map(\.rule) == ["broken"])
    #expect(verdicts[0].reasons[0].sentence.contains("no attribute `account`"))
  }

  @Test func `denies tools and subjects that nobody declared`() throws {
    let verdicts = try Bench().propose([
      Sample.proposal("a", tool: "crm.wire_money"), Sample.proposal("b", tool: "nonsense"),
      Sample.proposal("c", tool: "crm.unpriced"), Sample.proposal("d", type: "planet"),
    ])
    #expect(verdicts.map { $0.reasons[0].rule } == ["tool.unknown", "tool.unknown", "tool.unknown", "subject.unknown"])
    #expect(verdicts.allSatisfy { $0.outcome == .deny })
  }

  @Test(arguments: [nil, "crm.reopen"])
  func `never lets a change run without a person when its declared compensation is missing`(undo: String?) throws {
    let document = try Shipped.document(adding: #"permit(principal, action, resource);"#)
    let verdict = try Bench(document).propose([Sample.proposal("a", tool: "crm.fix_product", undo: undo)])[0]
    #expect(verdict.outcome == .hold)
    #expect(verdict.reasons.last?.rule == "compensation.undeclared")
  }

  @Test func `holds a change above the value limit`() throws {
    let verdicts = try Bench().propose([Sample.fix("a", value: 500_000), Sample.fix("b", value: 500_001)])
    #expect(verdicts.map(\.outcome) == [.allow, .hold])
  }

  @Test(arguments: [
    (TenantMode.observe, Verdict.Outcome.noted, "mode.observe"), (.propose, .hold, "mode.propose"),
    (.act, .allow, "autonomous.inside"),
  ])
  func `goes no further than the tenant's mode`(mode: TenantMode, outcome: Verdict.Outcome, rule: String) throws {
    let verdict = try Bench(mode: mode).propose([Sample.proposal("a")])[0]
    #expect(verdict.outcome == outcome)
    #expect(verdict.reasons.last?.rule == rule)
  }

  @Test func `is proposed, not executed, before a mode is set`() throws {
    let store: any StateStore = MemoryStateStore()
    #expect(try store.view { try Rules.mode($0) } == .propose)
  }

  @Test(arguments: [
    ("all", "kill.all"), ("tool:crm.fix_product", "kill.tool"), ("playbook:stalled", "kill.playbook"),
    ("account:x", "kill.account"), ("owner:o", "kill.owner"),
  ])
  func `is no when a kill switch is on, until it is released`(target: String, rule: String) throws {
    let bench = try Bench()
    func proposal(_ name: String) -> Proposal {
      Sample.proposal(name, tool: "crm.fix_product", account: "x", owner: "o", undo: "crm.fix_product")
    }
    try bench.order(.kill, target, "wrong prices")
    let verdict = try bench.propose([proposal("a")])[0]
    #expect(verdict.outcome == .deny)
    #expect(verdict.reasons.map(\.rule) == [rule])
    #expect(verdict.reasons[0].sentence.contains("olga") && verdict.reasons[0].sentence.contains("wrong prices"))
    try bench.order(.unkill, target)
    #expect(try bench.propose([proposal("b")])[0].outcome == .allow)
  }

  @Test func `ignores a kill switch for something else and records one for nothing`() throws {
    let bench = try Bench()
    try bench.order(.kill, "tool:crm.close_lost")
    try bench.order(.kill, "everything")
    #expect(try bench.propose([Sample.fix("a")])[0].outcome == .allow)
    #expect(try bench.refused().map(\.code) == ["policy.kill_target_invalid"])
  }
}

@Suite struct `The autonomous budget` {
  private func document(_ budgets: JSONValue) throws -> PolicyDocument {
    try Shipped.document(governance: ["sluice": 1, "budgets": budgets])
  }

  @Test(arguments: 0..<8)
  func `lets exactly its number through of 200 candidates, by expected value, and never one more`(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let most = Int(random.next() % 40)
    let bench = try Bench(
      document(["autonomous_per_tool_per_day": .integer(Int64(most)), "autonomous_per_account_per_day": 1_000]))
    let all = (0..<200).map { Sample.proposal("p\($0)", value: Int64(random.next() % 50)) }.shuffled(using: &random)
    var allowed: [Proposal] = []
    for set in stride(from: 0, to: 200, by: 40).map({ Array(all[$0..<$0 + 40]) }) {
      let verdicts = try bench.propose(set)
      allowed += zip(set, verdicts).filter { $0.1.outcome == .allow }.map(\.0)
      #expect(verdicts.allSatisfy { [.allow, .belowBudget].contains($0.outcome) })
    }
    #expect(allowed.count == most)
    if most < 40 {
      #expect(Set(allowed.map(\.id)) == Set(all[..<40].sorted(by: Standing.precedes).prefix(most).map(\.id)))
    }
    // All permits are minted before the first start is journaled: what is in flight counts all the same.
    let starts = allowed.compactMap { try? bench.mint($0) }
    for start in starts.shuffled(using: &random) { try bench.append(.effectStarted, start) }
    #expect(starts.count == most)
    #expect(try bench.refused().isEmpty)
    #expect(
      all.filter { proposal in !allowed.contains { $0.id == proposal.id } }.allSatisfy { (try? bench.mint($0)) == nil })
  }

  @Test func `counts per account, per owner where there is none, and per subject otherwise`() throws {
    let bench = try Bench(document(["autonomous_per_account_per_day": 1]))
    let verdicts = try bench.propose([
      Sample.proposal("a", account: "x", owner: "o"), Sample.proposal("b", value: 1, account: "x"),
      Sample.proposal("c", owner: "o"), Sample.proposal("d", value: 1, owner: "o"), Sample.proposal("e"),
      Sample.proposal("f"),
    ])
    #expect(verdicts.map(\.outcome) == [.allow, .belowBudget, .allow, .belowBudget, .allow, .allow])
    #expect(verdicts[1].reasons.last?.rule == "budget.account_day")
  }

  @Test func `counts what calls cost`() throws {
    let bench = try Bench(document(["cost_cents_per_day": 12]))
    let verdicts = try bench.propose([
      Sample.proposal("a", value: 9), Sample.proposal("b", value: 8), Sample.proposal("c", value: 7),
    ])
    #expect(verdicts.map(\.outcome) == [.allow, .allow, .belowBudget])
    #expect(verdicts[2].reasons.last?.rule == "budget.cost_day")
  }

  @Test func `judges again on the next day what was below it, after what is still on its way`() throws {
    let bench = try Bench(document(["tools": ["crm.create_task": 2]]))
    let proposals = (0..<5).map { Sample.proposal("p\($0)", value: Int64(10 - $0)) }
    #expect(try bench.propose(proposals).map(\.outcome) == [.allow, .allow, .belowBudget, .belowBudget, .belowBudget])
    // The same day brings no new judgement.
    #expect(try bench.propose([]).isEmpty)
    // One has started, one has not: the latter takes from the next day's budget.
    try bench.append(.effectStarted, bench.mint(proposals[0]))
    let next = try bench.propose([], day: 1)
    #expect(next.map(\.proposal) == [proposals[2].id])
    #expect(next.map(\.outcome) == [.allow])
    #expect(try bench.propose([], day: 2).map(\.proposal) == [])
    #expect(bench.refusal { try bench.mint(proposals[3]) } == .notStanding(action: proposals[3].id))
    #expect((try? bench.mint(proposals[1])) != nil && (try? bench.mint(proposals[2])) != nil)
  }

  @Test func `is given back by what is withdrawn before it starts`() throws {
    let bench = try Bench(document(["tools": ["crm.create_task": 1]]))
    #expect(try bench.propose([Sample.proposal("a")])[0].outcome == .allow)
    #expect(try bench.propose([Sample.proposal("b")], withdrawn: [Sample.proposal("a")])[0].outcome == .allow)
    #expect(bench.refusal { try bench.mint(Sample.proposal("a")) } != nil)
  }

  @Test func `stops a permit when it has been lowered since`() throws {
    let bench = try Bench()
    let proposals = (0..<4).map { Sample.proposal("p\($0)") }
    try bench.propose(proposals)
    let first = try bench.mint(proposals[0])
    try bench.append(.effectStarted, first)
    try bench.activate(document(["tools": ["crm.create_task": 1]]))
    #expect(proposals[1...].allSatisfy { proposal in bench.refusal { try bench.mint(proposal) } != nil })
  }
}

@Suite struct `An approver's list` {
  private let ten = Array(0..<10)

  @Test func `takes the ten of the greatest expected value, and the rest stays visible below budget`() throws {
    let bench = try Bench()
    let proposals = (0..<25).map { Sample.close("p\($0)", value: Int64($0 * 7 % 25)) }
    let verdicts = try bench.propose(proposals)
    let held = zip(proposals, verdicts).filter { $0.1.outcome == .hold }.map { $0.0.expectedValueCents }
    #expect(held.sorted() == Array(15...24))
    let rest = verdicts.filter { $0.outcome == .belowBudget }
    #expect(rest.count == 15)
    #expect(rest.allSatisfy { $0.reasons.last?.rule == "holds.approver_day" })
    let shown = try bench.store.view { try PolicyStage.belowBudget(in: $0) }
    #expect(shown.map(\.proposal.expectedValueCents) == Array((0...14).reversed()))
  }

  @Test func `breaks a tie by id and counts each approver apart`() throws {
    let bench = try Bench(Shipped.document(governance: ["sluice": 1, "holds_per_approver_per_day": 1]))
    let (a, b) = (Sample.close("a", approver: "Ann"), Sample.close("b", approver: "Ann"))
    let verdicts = try bench.propose([a, b, Sample.close("c", approver: "Bob"), Sample.close("d", approver: nil)])
    #expect(verdicts[2...].map(\.outcome) == [.hold, .hold])
    #expect(verdicts[a.id < b.id ? 0 : 1].outcome == .hold)
    #expect(verdicts[a.id < b.id ? 1 : 0].outcome == .belowBudget)
  }

  @Test func `counts what is pending, also while its verdict is on its way`() throws {
    let bench = try Bench()
    try bench.propose((0..<8).map { Sample.close("a\($0)") })
    let verdicts = try bench.propose((0..<8).map { Sample.close("b\($0)", value: 1_000) })
    #expect(verdicts.filter { $0.outcome == .hold }.count == 2)
    // Nobody has answered: the next day's list is as full.
    let next = try bench.propose([Sample.close("c", value: 9_999)], day: 1)
    #expect(next.map(\.outcome) == [.belowBudget])
  }

  @Test func `is filled on the next day with what was below budget, when places are free`() throws {
    let bench = try Bench()
    let proposals = (0..<12).map { Sample.close("p\($0)", value: Int64(100 - $0)) }
    try bench.propose(proposals)
    let next = try bench.propose([], day: 1, withdrawn: [proposals[0], proposals[11]])
    #expect(next.map(\.proposal) == [proposals[10].id])
    #expect(next.map(\.outcome) == [.hold])
  }

  @Test func `drops what was below budget when its deal has closed`() throws {
    let bench = try Bench()
    let proposals = (0..<11).map { Sample.close("p\($0)", value: Int64(100 - $0)) }
    try bench.propose(proposals)
    try bench.store.transaction { try $0.set(SampleWorld.stages, "p10", "lost") }
    let next = try bench.propose([], day: 1)
    #expect(next.map(\.outcome) == [.deny])
    #expect(next[0].reasons.map(\.rule) == ["forbid.closed_deals"])
  }

  @Test func `keeps its places for a proposal that is proposed again`() throws {
    let bench = try Bench()
    let proposals = ten.map { Sample.close("p\($0)") }
    try bench.propose(proposals)
    #expect(try bench.propose(proposals).allSatisfy { $0.outcome == .hold })
    #expect(try bench.propose([Sample.close("x")])[0].outcome == .belowBudget)
  }
}
