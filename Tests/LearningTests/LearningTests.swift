import CanonicalJSON
import Cryptography
import Domain
import Learning
import MemoryStorage
import TestKit
import Testing

@Suite struct `Learning from stalled deals` {
  /// Lets writes through to `learning.*` only.
  private final class Fence: StateTransaction {
    let inner: any StateTransaction
    var strayed: [String] = []
    init(_ inner: any StateTransaction) { self.inner = inner }
    func value(_ space: Space, _ key: String) throws -> JSONValue? { try inner.value(space, key) }
    func scan(
      _ space: Space, from: String, until: String?, reversed: Bool, countMax: Int
    ) throws -> [(String, JSONValue)] {
      try inner.scan(space, from: from, until: until, reversed: reversed, countMax: countMax)
    }
    func tally(_ space: Space, by member: String, countMax: Int) throws -> [String: Int] {
      try inner.tally(space, by: member, countMax: countMax)
    }
    func count(_ space: Space, prefix: String, countMax: Int) throws -> Int {
      try inner.count(space, prefix: prefix, countMax: countMax)
    }
    func spaces() throws -> [Space] { try inner.spaces() }
    private func note(_ space: Space) { if !space.rawValue.hasPrefix("learning.") { strayed.append(space.rawValue) } }
    func set(_ space: Space, _ key: String, _ value: JSONValue) throws {
      note(space)
      try inner.set(space, key, value)
    }
    func remove(_ space: Space, _ key: String) throws {
      note(space)
      try inner.remove(space, key)
    }
  }

  private final class Run {
    let store = MemoryStateStore()
    var position = Position.origin
    var strayed: [String] = []
    func apply(_ kind: EntryKind, _ body: some Encodable) throws -> ThresholdSuggestion? {
      position = position.next
      let entry = Entry(
        partition: .tenant(TenantID(unchecked: "t")), position: position,
        content: NewEntry(
          id: StableID.of("e", ["\(position)"]), kind: kind, cause: nil, recordedAtMs: 0,
          body: try JSONValue(encoding: body).canonicalBytes))
      return try store.transaction { state in
        let fence = Fence(state)
        defer { strayed += fence.strayed }
        return try LearningStage().apply(entry, to: fence)
      }
    }
    func thresholds(_ document: JSONValue) throws {
      _ = try apply(
        .activation,
        Activation(
          kind: .thresholds, name: "thresholds.yaml", hash: SHA256.digest(document.canonicalBytes), document: document,
          by: nil))
    }
    /// Flags `total` deals, then closes them, `won` of them as won.
    func outcomes(won: Int, of total: Int) throws -> ThresholdSuggestion? {
      func signal(_ kind: String, _ number: Int) -> Signal {
        Signal(
          id: StableID.of("s", [kind, "\(number)"]), kind: kind, day: BusinessDay(number: 17_000),
          subject: Subject(type: "opportunity", id: "D\(number)"), account: nil, owner: nil, evidence: [], facts: [:])
      }
      let day = BusinessDay(number: 17_000)
      _ = try apply(.signals, SignalSet(day: day, signals: (0..<total).map { signal("deal.stalled", $0) }))
      return try apply(
        .signals,
        SignalSet(day: day, signals: (0..<total).map { signal($0 < won ? "deal.won" : "deal.lost", $0) }))
    }
  }

  private func document(_ percent: Int64, enabled: Bool = true, min: Int64 = 80, max: Int64 = 100) -> JSONValue {
    [
      "sluice": 1, "stall": ["percent": .integer(percent), "closed_deals_min": 30],
      "learning": ["enabled": .bool(enabled), "stall_percent_min": .integer(min), "stall_percent_max": .integer(max)],
    ]
  }

  @Test func `is off by default`() throws {
    for thresholds in [["sluice": 1], document(90, enabled: false)] {
      let run = Run()
      try run.thresholds(thresholds)
      #expect(try run.outcomes(won: 60, of: 60) == nil)
      #expect(try run.store.view { try $0.scan(LearningStage.suggestions) }.isEmpty)
    }
    #expect(try Run().outcomes(won: 60, of: 60) == nil)
  }

  @Test(arguments: [(60, 60, 91), (0, 60, 89), (40, 60, 91), (33, 60, nil), (8, 60, nil), (2, 60, 89), (29, 29, nil)])
  func `suggests one step when it is sure, and nothing otherwise`(won: Int, total: Int, percent: Int?) throws {
    let run = Run()
    try run.thresholds(document(90))
    #expect(try run.outcomes(won: won, of: total)?.percentSuggested == percent)
  }

  @Test(arguments: [(100, 80, 100, 60), (80, 80, 100, 0), (90, 80, 90, 60), (90, 90, 90, 60)])
  func `never leaves the bounds of the document`(percent: Int, min: Int, max: Int, won: Int) throws {
    let run = Run()
    try run.thresholds(document(Int64(percent), min: Int64(min), max: Int64(max)))
    #expect(try run.outcomes(won: won, of: 60) == nil)
  }

  @Test(arguments: [(100, 30, 60), (70, 0, 60), (100, 0, 0)])
  func `says nothing of a number that stands outside the bounds`(percent: Int, won: Int, total: Int) throws {
    let run = Run()
    try run.thresholds(document(Int64(percent), min: 75, max: 90))
    #expect(try run.outcomes(won: won, of: total) == nil)
  }

  private func numbers(_ members: [String: JSONValue]) -> JSONValue {
    var root = document(90).object!
    root["learning"] = .object(root["learning"]!.object!.merging(members) { $1 })
    return .object(root)
  }

  @Test(
    arguments: [
      (["outcomes_min": 61], 60, nil), (["outcomes_min": 10], 12, 91), (["step_percent": 5], 60, 95),
      (["step_percent": 20], 60, 100), (["later_share_milli": 999], 60, nil),
      (["earlier_share_milli": 600, "later_share_milli": 100], 60, nil),
    ] as [([String: JSONValue], Int, Int?)])
  func `goes by the numbers of the document`(members: [String: JSONValue], won: Int, percent: Int?) throws {
    let run = Run()
    try run.thresholds(numbers(members))
    #expect(try run.outcomes(won: won, of: won)?.percentSuggested == percent)
  }

  @Test func `gives the exact document and its hash to a person, and activates nothing`() throws {
    let run = Run()
    try run.thresholds(document(90))
    let suggestion = try #require(try run.outcomes(won: 60, of: 60))
    #expect(suggestion.document == document(91))
    #expect(suggestion.hashSuggested == SHA256.digest(document(91).canonicalBytes))
    #expect(suggestion.hashNow == SHA256.digest(document(90).canonicalBytes))
    let proposal = suggestion.proposal
    #expect(proposal.kind == .escalate && proposal.call == nil)
    #expect(proposal.stopReason.contains(suggestion.hashSuggested.hex))
    #expect(proposal.uncertain.first?.contains("60 deals") == true)
    // It is said once, until other thresholds are in force.
    #expect(try run.outcomes(won: 60, of: 60) == nil)
    try run.thresholds(document(91))
    #expect(try run.outcomes(won: 60, of: 60)?.percentSuggested == 92)
    #expect(run.strayed.isEmpty)
  }
}
