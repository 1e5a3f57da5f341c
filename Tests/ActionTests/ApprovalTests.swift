import Action
import Cryptography
import Domain
import MemoryStorage
import Policy
import TestKit
import Testing

private typealias Bench = ActionBench

@Suite struct `An approval` {
  @Test func `binds to the call that was shown, lets it start once, and names who approved`() throws {
    let bench = try Bench()
    let held = Sample.close("a")
    try bench.propose([held])
    #expect(try bench.state(held) == .awaiting)
    #expect(try bench.ready().isEmpty && bench.execute().isEmpty)
    let shown = try bench.store.view { try ActionStage.pending(in: $0, nowMs: bench.nowMs) }
    #expect(shown.map(\.proposal) == [held])
    try bench.answer(held)
    #expect(try bench.state(held) == .queued)
    let starts = try bench.execute()
    #expect(starts.map(\.approvedBy) == [Bench.ann])
    #expect(starts.map(\.call) == [held.call])
    #expect(try bench.approval(held)?.state == .spent)
    try bench.report(starts[0], .done)
    #expect(try bench.state(held) == .done)
  }

  @Test func `that is rejected or not answered in time starts nothing`() throws {
    let bench = try Bench()
    let (no, late, late2) = (Sample.close("no"), Sample.close("late"), Sample.close("later"))
    try bench.propose([no, late, late2])
    try bench.answer(no, .reject)
    #expect(try bench.state(no) == .declined)
    try bench.answer(late2)
    bench.nowMs += 72 * 3_600_000 + 10
    try bench.answer(late)
    #expect(try bench.refused() == ["approval.expired"])
    #expect(try bench.state(late) == .declined)
    // Approved in time but not started in time.
    let waiting = try bench.store.view { try ActionStage.waiting(in: $0, nowMs: bench.nowMs) }
    #expect(waiting.map(\.cause) == [.approvalNotGiven(state: "expired")])
    #expect(try bench.execute().isEmpty)
    try bench.propose([], day: 1)
    #expect(try bench.state(late2) == .declined)
    #expect(try bench.approval(late2)?.state == .expired)
  }

  @Test func `is answered once: of two choices that race, one counts`() throws {
    let bench = try Bench()
    let held = Sample.close("a")
    try bench.propose([held])
    let choices = [try bench.choice(held, .approve), try bench.choice(held, .reject, by: UserID(unchecked: "bob"))]
    for choice in choices { try bench.choose(choice) }
    #expect(try bench.refused() == ["approval.not_pending"])
    #expect(try bench.execute().count == 1)
    try bench.choose(choices[0])
    #expect(try bench.execute().isEmpty)
    #expect(try bench.refused() == ["approval.not_pending", "approval.not_pending"])
  }

  @Test func `is refused to whom governance does not name, and to the one who asked`() throws {
    let bench = try Bench(governance: ["sluice": 1, "approvers": ["Dustin": ["dustin"], "*": ["ops", "loop"]]])
    let held = Sample.close("a")
    try bench.propose([held])
    try bench.answer(held, by: Bench.ann)
    try bench.answer(held, by: UserID(unchecked: "loop"))
    #expect(try bench.refused() == ["approval.not_an_approver", "approval.own_request"])
    try bench.answer(held, by: UserID(unchecked: "dustin"))
    #expect(try bench.execute().count == 1)
  }

  @Test func `of several people needs each of them once`() throws {
    let bench = try Bench(governance: ["sluice": 1, "quorum": 2])
    let held = Sample.close("a")
    try bench.propose([held])
    try bench.answer(held)
    try bench.answer(held)
    #expect(try bench.refused() == ["approval.answered_before"])
    #expect(try bench.state(held) == .awaiting && bench.execute().isEmpty)
    try bench.answer(held, by: UserID(unchecked: "bob"))
    #expect(try bench.execute().count == 1)
    #expect(try bench.approval(held)?.approvedBy.map(\.rawValue) == ["ann", "bob"])
  }

  @Test func `does not outlive the policies it was asked under`() throws {
    let bench = try Bench()
    let (approved, pending) = (Sample.close("a"), Sample.close("b"))
    try bench.propose([approved, pending])
    let old = try bench.choice(pending)
    try bench.answer(approved)
    try bench.activate(Bench.policies + "\n// changed")
    // Before the new verdicts are journaled, neither starts nor is answered.
    #expect(try bench.execute().isEmpty)
    try bench.choose(old)
    #expect(try bench.refused() == ["approval.call_changed"])
    try bench.drain()
    #expect(try bench.state(approved) == .awaiting && bench.state(pending) == .awaiting)
    try bench.choose(old)
    #expect(try bench.refused() == ["approval.call_changed", "approval.call_changed"])
    try bench.answer(pending)
    #expect(try bench.execute().count == 1)
  }

  // Found by the simulator: the old question expired, and took an action off that had not needed an answer for days.
  @Test func `that new policies make needless takes nothing off when its time is over`() throws {
    let bench = try Bench(mode: .propose)
    try bench.propose([Sample.fix("a")])
    try bench.mode(.act)
    try bench.activate(Bench.policies + " // As before.")
    try bench.drain()
    #expect(try bench.approval(Sample.fix("a"))?.state == .withdrawn)
    bench.nowMs += 100 * 3_600_000
    try bench.propose([], day: 1)
    #expect(try bench.execute().map(\.proposal) == [Sample.fix("a").id])
  }

  @Test func `is withdrawn when the proposal is`() throws {
    let bench = try Bench()
    let (a, b) = (Sample.close("a"), Sample.close("b"))
    try bench.propose([a, b])
    try bench.answer(b)
    try bench.propose([], withdrawn: [a, b])
    #expect(try bench.state(a) == .withdrawn && bench.state(b) == .withdrawn)
    #expect(try bench.record(a.id)?.reason == "The deal has closed.")
    #expect(try bench.approval(a)?.state == .withdrawn)
    try bench.choose(bench.choice(a))
    #expect(try bench.refused() == ["approval.not_pending"])
    #expect(try bench.execute().isEmpty)
    // Proposed again, it is asked about again: another nonce, another hash.
    let before = try bench.approval(a)?.callHash
    try bench.propose([a])
    #expect(try bench.state(a) == .awaiting && bench.approval(a)?.callHash != before)
  }

  @Test func `counts against its approver's day even when it was executed`() throws {
    let bench = try Bench(governance: ["sluice": 1, "holds_per_approver_per_day": 2])
    try bench.propose([Sample.close("a"), Sample.close("b")])
    try bench.answer(Sample.close("a"))
    try bench.answer(Sample.close("b"), .reject)
    for start in try bench.execute() { try bench.report(start, .done) }
    try bench.propose([Sample.close("c")])
    #expect(bench.verdicts.last?.outcome == .belowBudget)
    try bench.propose([], day: 1)
    #expect(bench.verdicts.last?.outcome == .hold)
    #expect(try bench.state(Sample.close("c")) == .awaiting)
  }
}

/// The matrix of envoyproxy/ai-gateway#2073: an approval is a grant for exactly one call, single-use and expiring.
@Suite struct `An approval of one call` {
  enum Change: CaseIterable {
    case nothing, caller, tenant, tool, arguments, evidence, policySet, expiry, nonce, approver, version, replay
  }

  @Test(arguments: Change.allCases)
  func `starts nothing when anything about it is another one`(change: Change) throws {
    for seed in 0..<40 as Range<UInt64> {
      var random = SplitMix64(seed: seed)
      let starts = try attempt(change, &random)
      #expect(starts == (change == .nothing || change == .replay ? 1 : 0), "seed \(seed)")
    }
  }

  /// How many calls may be sent after an approval in which one thing is changed.
  private func attempt(_ change: Change, _ random: inout SplitMix64) throws -> Int {
    let bench = try ActionBench()
    let name = "deal \(random.next() % 1_000)"
    let others = (0..<Int(random.next() % 4)).map { Sample.close("other \($0)") }
    let held = Sample.close(name, value: Int64(random.next() % 1_000_000))
    try bench.propose((others + [held]).shuffled(using: &random))
    let approval = try bench.approval(held)!
    func hash(
      requester: String = Standing.requester, tenant: TenantID = Sample.tenant, proposal: Proposal? = nil,
      policySet: Digest? = nil, expiresAtMs: Int64? = nil, nonce: Digest? = nil
    ) throws -> Digest {
      try CallHash.of(
        tenant: tenant, requester: requester, proposal: proposal ?? held, policySet: policySet ?? approval.policySet,
        expiresAtMs: expiresAtMs ?? approval.expiresAtMs, nonce: nonce ?? approval.nonce)
    }
    #expect(try hash() == approval.callHash)
    var (asked, by, version, tenant) = (held, ActionBench.ann, "1", Sample.tenant)
    var shown = approval.callHash
    let noise = SHA256.digest("\(random.next())")
    switch change {
    case .nothing, .replay: break
    case .caller: shown = try hash(requester: "agent-\(random.next() % 9)")
    case .tenant:
      tenant = TenantID(unchecked: "other\(random.next() % 9)")
      shown = try hash(tenant: tenant)
    case .tool: asked = held.with(tool: "crm.fix_product")
    case .arguments: asked = held.with(arguments: ["opportunity": .string("\(name)\(random.next() % 9)")])
    case .evidence: asked = held.with(evidence: noise)
    case .policySet: shown = try hash(policySet: noise)
    case .expiry: shown = try hash(expiresAtMs: approval.expiresAtMs + 1 + Int64(random.next() % 1_000))
    case .nonce: shown = try hash(nonce: noise)
    case .approver: by = UserID(unchecked: "eve")
    case .version: version = "\(2 + random.next() % 9)"
    }
    if asked != held { shown = try hash(proposal: asked) }
    // The person answers what they were shown; then the host tries to start what was asked for.
    try bench.choose(
      Choice(proposal: held.id, callHash: shown, answer: .approve, by: ActionBench.ann, note: nil, through: .api))
    if [.approver, .version].contains(change) { try bench.answer(held) }
    var sent = 0
    for proposal in [asked, held] {
      let start = try? bench.store.view { view in
        try bench.policy.mint(
          proposal, approvedBy: by, tenant: tenant, in: view, nowMs: bench.nowMs, targetVersion: version
        ).spend(nowMs: bench.nowMs)
      }
      guard let start else { continue }
      for _ in 0..<(change == .replay ? 3 : 1) {
        let position = try bench.append(.effectStarted, start)
        if try bench.store.view({ try ActionStage.mayExecute(start, at: position, in: $0) }) { sent += 1 }
      }
    }
    if asked != held || tenant != Sample.tenant {
      // Even when the call that was shown is approved, another one is not.
      try bench.answer(held)
      let start = try? bench.store.view { view in
        try bench.policy.mint(
          asked, approvedBy: by, tenant: tenant, in: view, nowMs: bench.nowMs, targetVersion: version
        ).spend(nowMs: bench.nowMs)
      }
      sent += start == nil ? 0 : 1
    }
    if change == .replay {
      try bench.choose(
        Choice(proposal: held.id, callHash: shown, answer: .approve, by: ActionBench.ann, note: nil, through: .api))
      sent += try bench.execute().count
    }
    return sent
  }
}

extension Proposal {
  fileprivate func with(tool: String? = nil, arguments: JSONValue? = nil, evidence: Digest? = nil) -> Proposal {
    Proposal(
      id: id, day: day, kind: kind, playbook: playbook, subject: subject, account: account, owner: owner,
      approver: approver,
      call: ToolCall(
        tool: tool ?? call!.tool, arguments: arguments ?? call!.arguments, targetVersion: call!.targetVersion,
        current: call!.current, undo: call!.undo),
      signals: signals,
      evidence: evidence.map { [EvidenceID(stream: self.evidence[0].stream, key: "k", commitment: $0)] }
        ?? self.evidence,
      confidence: confidence, expectedValueCents: expectedValueCents, uncertain: uncertain, stopReason: stopReason)
  }
}
