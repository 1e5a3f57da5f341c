import Action
import Decision
import Domain
import Policy
import TestKit
import Testing
import WholeLoop

/// One deal of an overloaded rep, its product written in an odd way: a correction that runs alone and a reassignment that
/// a person decides are both about it.
private struct TwoCalls {
  let tenant: WholeTenant
  static let day = BusinessDay("2027-03-01")!

  init(mode: TenantMode) throws {
    tenant = try WholeTenant(
      mode: mode, thresholds: ["load": ["open_deals_min": 4]], playbooks: ["overloaded-owner", "product-alias"])
    let reps = ["a", "b", "c"].map {
      IntakeRecord(key: $0, version: 1, Self.row($0, 1, ["name": .string($0), "manager": "M"]))
    }
    var deals = (0..<6).map { Self.deal("A\($0)", 1, "GTX Pro", "a", on: -5) }
    deals += ["b", "c"].map { Self.deal("B\($0)", 1, "GTX Pro", $0, on: -5) }
    try tenant.day(
      Self.day.advanced(byDays: -1),
      [
        "products": [
          IntakeRecord(key: "gtx-pro", version: 1, Self.row("gtx-pro", 1, ["name": "GTX Pro", "sales_price": 100]))
        ],
        "reps": reps,
      ])
    try tenant.day(Self.day, ["opportunities": deals + [Self.deal("N", 1, "GTXPro", "a", on: 0)]])
  }

  static func row(_ key: String, _ version: Int, _ fields: [String: JSONValue]) -> [String: JSONValue] {
    fields.merging(["id": .string(key), "version": .integer(Int64(version)), "updated_at": .string(day.description)]) {
      $1
    }
  }

  static func deal(_ key: String, _ version: Int, _ product: String, _ owner: String, on number: Int) -> IntakeRecord {
    let (year, month, day) = day.advanced(byDays: number).civil
    return IntakeRecord(
      key: key, version: version,
      row(
        key, version,
        [
          "owner": .string(owner), "product": .string(product), "stage": "Engaging",
          "engage_date": .string("\(month)/\(day)/\(year)"),
        ]))
  }

  func next(_ number: Int, _ deals: [IntakeRecord] = []) throws {
    try tenant.day(Self.day.advanced(byDays: number), ["opportunities": deals])
  }
  var moves: [Proposal] { get throws { try tenant.proposals(by: "overloaded-owner").filter { $0.subject.id == "N" } } }
  var fixes: [Proposal] { get throws { try tenant.proposals(by: "product-alias").filter { $0.subject.id == "N" } } }
}

@Suite struct `Our own write to a deal` {
  @Test func `goes first; nobody is asked about a call that it would make outdated`() throws {
    let two = try TwoCalls(mode: .act)
    #expect(try two.fixes.count == 1)
    #expect(try two.moves.isEmpty)
    let start = try #require(try two.tenant.start())
    #expect(start.call.tool == "crm.fix_product")
    try two.next(1)
    #expect(try two.moves.isEmpty)
    try two.tenant.report(start, .done, version: 2)
    // The source has not been read since: what is believed of the deal is older than the deal.
    try two.next(2)
    #expect(try two.moves.isEmpty)
    try two.next(3, [TwoCalls.deal("N", 2, "GTX Pro", "a", on: 0)])
    let move = try #require(try two.moves.last)
    #expect(move.call?.targetVersion == "2")
    #expect(try two.tenant.state(move) == .held)
  }

  /// Both wait for a person, who approves both.
  private func bothApproved() throws -> (TwoCalls, fix: EffectStart, move: Proposal) {
    let two = try TwoCalls(mode: .propose)
    try two.next(1)
    let (fix, move) = (try #require(try two.fixes.last), try #require(try two.moves.last))
    #expect(move.call?.targetVersion == "1")
    try two.tenant.approve(fix)
    let start = try #require(try two.tenant.start())
    #expect(start.proposal == fix.id)
    try two.tenant.approve(move)
    return (two, start, move)
  }

  @Test func `keeps the next call waiting for its receipt`() throws {
    let (two, fix, move) = try bothApproved()
    #expect(try two.tenant.turn() == .rest(untilMs: nil))
    try two.tenant.report(fix, .rejected)
    let start = try #require(try two.tenant.start())
    #expect(start.proposal == move.id)
  }

  @Test func `approved and not started in time is taken off, not left waiting`() throws {
    let two = try TwoCalls(mode: .propose)
    let fix = try #require(try two.fixes.last)
    try two.tenant.approve(fix)
    two.tenant.nowMs += 73 * 3_600_000
    guard case .withdraw(let action, let refusal) = try two.tenant.turn() else {
      Issue.record("it waits for ever")
      return
    }
    #expect(action == fix.id && refusal.code == "permit.approval_not_given")
    try two.tenant.append(.order, ActionTurn.withdrawal(of: action, for: refusal))
    #expect(try two.tenant.state(fix) == .withdrawn)
    #expect(try two.tenant.turn() == .rest(untilMs: nil))
  }

  @Test func `is not tried again before its upstream has settled, however far the wall clock is put forward`() throws {
    let two = try TwoCalls(mode: .act)
    let start = try #require(try two.tenant.start())
    let at = two.tenant.nowMs
    try two.tenant.report(start, .unknown, steadyMs: at)
    two.tenant.nowMs += 3_600_000
    // A second has passed, and an hour by the wall. The probe finds nothing yet: that says nothing so early.
    guard case .probe(let asked) = try two.tenant.turn(steadyMs: at + 1_000) else {
      Issue.record("what is unknown is asked after")
      return
    }
    try two.tenant.report(asked, .notStarted, askedAtMs: at + 1_000, steadyMs: at + 1_000)
    guard case .rest(let untilMs?) = try two.tenant.turn(steadyMs: at + 2_000) else {
      Issue.record("it is asked again, or tried again, before it has settled")
      return
    }
    #expect(untilMs == two.tenant.nowMs + 28_000)
    #expect(try two.tenant.turn(steadyMs: at + 30_000) == .probe(start))
    try two.tenant.report(start, .notStarted, askedAtMs: at + 30_000, steadyMs: at + 30_000)
    guard case .start(let again) = try two.tenant.turn(steadyMs: at + 30_001) else {
      Issue.record("it is tried again once nothing can come any more")
      return
    }
    #expect(again.idempotencyKey == start.idempotencyKey && again.attempt == 2)
  }

  @Test func `tells by its receipt that the next call is outdated, which is not sent and decided anew`() throws {
    let (two, fix, move) = try bothApproved()
    try two.tenant.report(fix, .done, version: 2)
    let turn = try two.tenant.turn()
    guard case .withdraw(let action, let refusal) = turn else {
      Issue.record("\(turn)")
      return
    }
    #expect(action == move.id && refusal.code == "permit.target_changed")
    try two.tenant.append(.order, ActionTurn.withdrawal(of: action, for: refusal))
    #expect(try two.tenant.state(move) == .outdated)
    #expect(try two.tenant.action(move)?.reason?.contains("version 2") == true)
    try two.next(2)
    #expect(try two.moves.count == 1)
    try two.next(3, [TwoCalls.deal("N", 2, "GTX Pro", "a", on: 0)])
    try two.next(4)
    let again = try two.moves.dropFirst()
    #expect(again.count == 1)
    #expect(again.first?.call?.targetVersion == "2" && again.first?.id != move.id)
  }

  @Test func `refused because somebody else was faster is decided anew against the new version, once`() throws {
    let (two, fix, move) = try bothApproved()
    try two.tenant.report(fix, .rejected, code: "crm.refused")
    let start = try #require(try two.tenant.start())
    try two.tenant.report(start, .rejected, code: "crm.version_mismatch")
    #expect(try two.tenant.state(move) == .outdated)
    #expect(try two.tenant.action(move)?.state == .rejected)
    try two.next(2)
    #expect(try two.moves.count == 1, "the new version is not known yet")
    try two.next(3, [TwoCalls.deal("N", 7, "GTX Pro", "a", on: 0)])
    #expect(try two.moves.map(\.call?.targetVersion) == ["1", "7"])
    try two.next(4)
    #expect(try two.moves.count == 2)
  }

  @Test func `is not decided anew when its rule no longer holds`() throws {
    let (two, fix, move) = try bothApproved()
    try two.tenant.report(fix, .rejected, code: "crm.refused")
    let start = try #require(try two.tenant.start())
    try two.tenant.report(start, .rejected, code: "crm.version_mismatch")
    try two.next(3, [TwoCalls.deal("N", 7, "GTX Pro", "b", on: 0)])
    try two.next(4, [TwoCalls.deal("N", 8, "GTX Pro", "a", on: 0)])
    #expect(try two.moves.map(\.id) == [move.id])
  }
}
