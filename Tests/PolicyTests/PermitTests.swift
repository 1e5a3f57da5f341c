import Cryptography
import Domain
import MemoryStorage
import Policy
import TestKit
import Testing

private typealias Bench = PolicyBench

@Suite struct `A permit` {
  private func receipt(_ start: EffectStart, _ outcome: Receipt.Outcome) -> Receipt {
    Receipt(
      permit: start.permit, proposal: start.proposal, outcome: outcome, result: ["version": 2], requests: [],
      reason: nil)
  }

  @Test func `names the call, its idempotency key and its attempt, the same for the same`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a")])
    let start = try bench.mint(Sample.fix("a"))
    #expect(start == (try bench.mint(Sample.fix("a"))))
    #expect(start.call == Sample.fix("a").call && start.attempt == 1 && start.approvedBy == nil)
    #expect(start.action == start.proposal)
  }

  @Test func `cannot be spent after it expired`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a")])
    let nowMs = bench.nowMs
    let error = #expect(throws: PermitRefusal.self) {
      try bench.store.view { view in
        let permit = try bench.policy.mint(
          Sample.fix("a"), approvedBy: nil, tenant: Sample.tenant, in: view, nowMs: nowMs, targetVersion: "1")
        #expect(permit.expiresAtMs == nowMs + 120_000)
        return try permit.spend(nowMs: nowMs + 120_001)
      }
    }
    #expect(error == .expired(expiresAtMs: nowMs + 120_000))
  }

  @Test func `is refused for another call, tenant, person or version than was judged`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a"), Sample.close("h")])
    let id = Sample.fix("a").id
    let dearer = Sample.fix("a", value: 99)
    #expect(bench.refusal { try bench.mint(dearer) } == .callChanged(action: id))
    #expect(bench.refusal { try bench.mint(Sample.fix("b")) } == .notStanding(action: Sample.fix("b").id))
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), by: "ann") } == .notStanding(action: id))
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), version: "2") } == .targetChanged(decidedOn: "1", now: "2"))
    #expect(bench.refusal { try bench.mint(Sample.close("h")) } == .notStanding(action: Sample.close("h").id))
    #expect(bench.refusal { try bench.mint(Sample.close("h"), by: "ann") } == .approvalMissing)
    let other = TenantID(unchecked: "other")
    let refusal = #expect(throws: PermitRefusal.self) {
      try bench.store.view { view in
        try bench.policy.mint(
          Sample.fix("a"), approvedBy: nil, tenant: other, in: view, nowMs: bench.nowMs, targetVersion: "1"
        ).spend(nowMs: bench.nowMs)
      }
    }
    #expect(refusal == .otherTenant(tenant: "other"))
  }

  @Test func `is refused as soon as a kill switch, the mode, the policies or the world say no`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a")])
    try bench.order(.kill, "tool:crm.fix_product")
    #expect(bench.refusal { try bench.mint(Sample.fix("a")) } == .killed(target: "tool:crm.fix_product"))
    try bench.order(.unkill, "tool:crm.fix_product")
    try bench.mode(.propose)
    #expect(bench.refusal { try bench.mint(Sample.fix("a")) } == .needsApproval)
    try bench.mode(.observe)
    #expect(bench.refusal { try bench.mint(Sample.fix("a")) } == .modeObserves)
    try bench.mode(.act)
    try bench.store.transaction { try $0.set(SampleWorld.stages, "a", "won") }
    let refusal = bench.refusal { try bench.mint(Sample.fix("a")) }
    #expect(refusal == .denied(reasons: ["A deal that is closed, or that is not known, is not changed."]))
    #expect(refusal?.isFinal == true)
    try bench.store.transaction { try $0.remove(SampleWorld.stages, "a") }
    try bench.activate(try PolicyDocument(files: [], schema: nil, governance: nil))
    #expect(bench.refusal { try bench.mint(Sample.fix("a")) } == .notStanding(action: Sample.fix("a").id))
  }

  @Test func `is refused, and starts nothing, while its tenant is suspended; the first reason stands`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a")])
    let start = try bench.mint(Sample.fix("a"))
    try bench.order(.suspendTenant, "demo", "unpaid")
    try bench.order(.suspendTenant, "demo", "again")
    try bench.append(.effectStarted, start)
    #expect(try bench.refused().map(\.code) == ["permit.suspended"])
    let refusal = bench.refusal { try bench.mint(Sample.fix("a"), attempt: 2) }
    #expect(refusal == .suspended(reason: "unpaid") && refusal?.isFinal == false)
    try bench.order(.resumeTenant, "demo")
    #expect(try bench.store.view { try Suspension.of($0) } == nil)
    #expect(try bench.mint(Sample.fix("a"), attempt: 2).idempotencyKey == start.idempotencyKey)
  }

  @Test func `starts its effect once`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a")])
    let start = try bench.mint(Sample.fix("a"))
    let first = try bench.append(.effectStarted, start)
    try bench.append(.effectStarted, start)
    #expect(try bench.refused().map(\.code) == ["permit.already_spent"])
    let record = try bench.store.view { try PermitRecord.of(start.action, in: $0) }
    #expect(record?.startedAt == first && record?.tries == 1)
    #expect(bench.refusal { try bench.mint(Sample.fix("a")) } == .alreadySpent(attempt: 1))
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), attempt: 2) } == .inFlight(attempt: 1))
  }

  @Test func `does not start its effect when a kill switch went before it into the journal`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a")])
    let start = try bench.mint(Sample.fix("a"))
    try bench.order(.kill, "all")
    try bench.append(.effectStarted, start)
    #expect(try bench.refused().map(\.code) == ["permit.killed"])
    #expect(try bench.store.view { try PermitRecord.of(start.action, in: $0) } == nil)
    // The permit is gone with it; the next one has another number and the same key.
    try bench.order(.unkill, "all")
    #expect(bench.refusal { try bench.mint(Sample.fix("a")) } == .alreadySpent(attempt: 1))
    let next = try bench.mint(Sample.fix("a"), attempt: 2)
    #expect(next.permit != start.permit && next.idempotencyKey == start.idempotencyKey)
  }

  @Test func `that nobody minted starts nothing`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a"), Sample.close("h")])
    let real = try bench.mint(Sample.fix("a"))
    let elsewhere = ToolCall(
      tool: real.call.tool, arguments: ["opportunity": "z"], targetVersion: "1", current: [:], undo: real.call.undo)
    let forged = [
      EffectStart(
        permit: real.permit, proposal: real.proposal, call: elsewhere, subject: real.subject, account: nil, owner: nil,
        idempotencyKey: real.idempotencyKey, undoes: nil, approvedBy: nil, attempt: 1),
      EffectStart(
        permit: SHA256.digest("x"), proposal: Sample.close("h").id, call: Sample.close("h").call!,
        subject: Sample.close("h").subject, account: nil, owner: nil, idempotencyKey: "k", undoes: nil,
        approvedBy: UserID(unchecked: "ann"), attempt: 1),
      EffectStart(
        permit: SHA256.digest("x"), proposal: Sample.close("h").id, call: Sample.close("h").call!,
        subject: Sample.close("h").subject, account: nil, owner: nil, idempotencyKey: "k", undoes: SHA256.digest("y"),
        approvedBy: UserID(unchecked: "ann"), attempt: 1),
    ]
    for start in forged { try bench.append(.effectStarted, start) }
    #expect(
      try bench.refused().map(\.code) == ["permit.forged", "permit.approval_missing", "permit.undo_not_possible"])
    #expect(try bench.store.view { try $0.scan(PermitRecord.space).isEmpty })
  }

  @Test func `follows another attempt only when that did not start and the upstream has settled`() throws {
    let bench = try Bench()
    try bench.propose([Sample.fix("a")])
    let first = try bench.mint(Sample.fix("a"))
    try bench.append(.effectStarted, first)
    try bench.append(.receipt, receipt(first, .notStarted))
    let settled = bench.nowMs + 30_000
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), attempt: 2) } == .tooEarly(notBeforeMs: settled))
    bench.nowMs = settled
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), attempt: 3) } == .attemptOutOfOrder(given: 3, expected: 2))
    let second = try bench.mint(Sample.fix("a"), attempt: 2)
    #expect(second.idempotencyKey == first.idempotencyKey && second.permit != first.permit)
    try bench.append(.effectStarted, second)
    try bench.append(.receipt, receipt(first, .done))
    #expect(try bench.refused().map(\.code) == ["action.receipt_without_start"])
    try bench.append(.receipt, receipt(second, .done))
    try bench.append(.receipt, receipt(second, .done))
    #expect(try bench.refused().map(\.code).last == "action.receipt_again")
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), attempt: 3) } == .ended(outcome: "done"))
    // Proposed again under the same id, it is not done again.
    #expect(try bench.propose([Sample.fix("a")])[0].reasons.map(\.rule) == ["proposal.started"])
  }

  @Test func `is not minted more often than governance allows`() throws {
    let bench = try Bench(Shipped.document(governance: ["sluice": 1, "attempts_max": 2]))
    try bench.propose([Sample.fix("a")])
    for attempt in 1...2 {
      let start = try bench.mint(Sample.fix("a"), attempt: attempt)
      try bench.append(.effectStarted, start)
      try bench.append(.receipt, receipt(start, .notStarted))
      bench.nowMs += 60_000
    }
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), attempt: 3) } == .attemptsExhausted(attemptsMax: 2))
  }

  @Test func `is minted again, at once and however often, for a call that had no credential to be sent with`() throws {
    let bench = try Bench(Shipped.document(governance: ["sluice": 1, "attempts_max": 2]))
    try bench.propose([Sample.fix("a")])
    func fail(_ attempt: Int, _ code: String?) throws {
      let start = try bench.mint(Sample.fix("a"), attempt: attempt)
      try bench.append(.effectStarted, start)
      try bench.append(
        .receipt,
        Receipt(
          permit: start.permit, proposal: start.proposal, outcome: .notStarted, result: .null, requests: [],
          reason: "No.", code: code))
    }
    for attempt in 1...5 { try fail(attempt, Receipt.credentialRefused) }
    // What counts still counts, before and after.
    try fail(6, nil)
    bench.nowMs += 60_000
    try fail(7, nil)
    bench.nowMs += 60_000
    #expect(bench.refusal { try bench.mint(Sample.fix("a"), attempt: 8) } == .attemptsExhausted(attemptsMax: 2))
  }
}
