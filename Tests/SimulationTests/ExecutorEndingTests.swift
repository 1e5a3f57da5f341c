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

  @Test(arguments: [2, 3, 4, 0, 9, nil] as [Int?])
  func `is no try of the call where nothing left for want of a credential, whatever the executor makes of it`(
    answer: Int?
  ) {
    let receipt = Self.receipt(answer, [], refusal: "The token was refused.")
    #expect(receipt.outcome == .notStarted && receipt.code == Receipt.credentialRefused)
    #expect(receipt.reason == "The token was refused." && receipt.requests.isEmpty)
  }

  @Test(arguments: [2, 3, 4, 0, 9, nil] as [Int?], [[401], [401, 401]])
  func `is no try of the call where each write was answered 401, whatever the executor makes of it`(
    answer: Int?, statuses: [Int?]
  ) {
    let receipt = Self.receipt(answer, statuses, refusal: "It was all done.")
    #expect(receipt.outcome == .notStarted && receipt.code == Receipt.credentialRefused)
    #expect(receipt.reason?.contains("it answered 401 to each write that left, and applied none") == true)
    #expect(receipt.requests.count == statuses.count)
  }

  typealias Doubt = (answer: Int?, statuses: [Int?])

  @Test(
    arguments: [
      // It says done.
      (1, []), (1, [401]), (1, [401, 401]),
      // Another write may have been applied, or was.
      (nil, [401, nil]), (nil, [nil, 401]), (nil, [401, 200]), (nil, [200, 401]), (nil, [500, 401]), (4, [401, nil]),
      (4, [204, 401]), (3, [401, 429]), (2, [401, nil]), (2, [200, 401]),
      // Who is known and may not is not told that nothing was applied.
      (nil, [403]), (4, [403]), (nil, [401, 403]), (nil, [407]),
    ] as [Doubt])
  func `is unknown for all a refused credential, where it or one of its writes may say otherwise`(row: Doubt) {
    let receipt = Self.receipt(row.answer, row.statuses, refusal: "The token was refused.")
    #expect(receipt.outcome == .unknown && receipt.code == nil)
  }

  @Test func `is a refusal of the call where one write was refused for what it is`() {
    let receipt = Self.receipt(2, [401, 422], refusal: "The token was refused.")
    #expect(receipt.outcome == .rejected && receipt.code == "crm.refused")
  }

  private static func receipt(_ answer: Int?, _ statuses: [Int?], refusal: String) -> Receipt {
    ExecutorEnding(
      answer: answer.map { .number($0) } ?? .none, result: .null, reason: "No.", code: "crm.refused",
      sentWrites: statuses.enumerated().map { SentWrite(digest: SHA256.digest("\($0.offset)"), status: $0.element) }
    ).receipt(for: start, credentialRefusal: refusal)
  }

  private static let start = EffectStart(
    permit: SHA256.digest("permit"), proposal: SHA256.digest("proposal"),
    call: ToolCall(tool: "crm.fix", arguments: [:], targetVersion: nil, current: .null, undo: nil),
    subject: Subject(type: "opportunity", id: "D1"), account: nil, owner: nil, idempotencyKey: "k", undoes: nil,
    approvedBy: nil, attempt: 1)
}
