import Cryptography
import Domain
import Testing
import WholeLoop

@Suite struct `How an execution ended` {
  typealias Row = (answer: Int?, statuses: [Int?], outcome: Receipt.Outcome)

  @Test(
    arguments: [
      // The executor says done.
      (1, [200], .done), (1, [201, 204], .done), (1, [], .unknown), (1, [nil], .unknown), (1, [422], .unknown),
      (1, [302], .unknown), (1, [200, 500], .unknown),
      // It says rejected.
      (2, [], .rejected), (2, [422], .rejected), (2, [404, 412], .rejected), (2, [200], .unknown),
      (2, [nil], .unknown), (2, [500], .unknown), (2, [302], .unknown), (2, [408], .unknown), (2, [425], .unknown),
      (2, [429], .unknown), (2, [201, 422], .unknown),
      // It says that nothing was started.
      (3, [], .notStarted), (3, [200], .unknown), (3, [429], .unknown), (3, [nil], .unknown),
      // It does not know, answers what there is not, or does not answer.
      (4, [], .unknown), (4, [200], .unknown), (9, [], .notStarted), (9, [200], .unknown), (nil, [], .notStarted),
      (nil, [200], .unknown), (nil, [401], .unknown), (nil, [nil], .unknown),
    ] as [Row])
  func `is what the egress saw first, and the executor's word second`(row: Row) {
    let sent = row.statuses.enumerated().map { SentWrite(digest: SHA256.digest("\($0.offset)"), status: $0.element) }
    let ending = ExecutorEnding(
      answer: row.answer.map { .number($0) } ?? .none, result: .null, reason: "It says so.", sentWrites: sent)
    let receipt = ending.receipt(for: Self.start)
    #expect(receipt.outcome == row.outcome)
    #expect(receipt.requests == sent.map(\.digest))
    #expect((receipt.reason == nil) == (row.outcome == .done))
  }

  @Test func `names what the executor said and what was seen, where they disagree`() {
    let sent = [SentWrite(digest: SHA256.digest("a"), status: 201), SentWrite(digest: SHA256.digest("b"), status: nil)]
    let ending = ExecutorEnding(answer: .number(2), result: .null, reason: "No.", sentWrites: sent)
    #expect(
      ending.receipt(for: Self.start).reason
        == "The executor says it was refused, but not every write was (201, no answer).")
  }

  @Test func `is no try of the call where nothing left for want of a credential, whatever the executor makes of it`() {
    func receipt(_ answer: Int?, _ statuses: [Int?]) -> Receipt {
      ExecutorEnding(
        answer: answer.map { .number($0) } ?? .none, result: .null, reason: "No.", code: "crm.refused",
        sentWrites: statuses.map { SentWrite(digest: SHA256.digest("a"), status: $0) }
      ).receipt(for: Self.start, credentialRefusal: "The token was refused.")
    }
    for answer in [2, 3, 4, nil] {
      let one = receipt(answer, [])
      #expect(one.outcome == .notStarted && one.code == Receipt.credentialRefused, "\(answer ?? 0)")
      #expect(one.reason == "The token was refused.")
    }
    // What left is judged as ever: it may have arrived.
    #expect(receipt(nil, [401]).outcome == .unknown && receipt(nil, [401]).code == nil)
    #expect(receipt(2, [401]).outcome == .rejected && receipt(2, [401]).code == "crm.refused")
    #expect(receipt(1, []).outcome == .unknown)
  }

  private static let start = EffectStart(
    permit: SHA256.digest("permit"), proposal: SHA256.digest("proposal"),
    call: ToolCall(tool: "crm.fix", arguments: [:], targetVersion: nil, current: .null, undo: nil),
    subject: Subject(type: "opportunity", id: "D1"), account: nil, owner: nil, idempotencyKey: "k", undoes: nil,
    approvedBy: nil, attempt: 1)
}
