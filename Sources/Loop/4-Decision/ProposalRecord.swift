import CanonicalJSON
import Cryptography
package import Domain

/// A proposal with what became of it: the row of `decision.proposal`.
package struct ProposalRecord: Codable, Equatable, Sendable {
  package enum State: String, Codable, Sendable, CaseIterable {
    /// Found, but there was no room for it among the day's proposals yet.
    case waiting
    /// In a `.proposals` entry; policy has not answered yet.
    case proposed
    case belowBudget = "below_budget"
    case held, allowed, approved, started
    case denied, noted, rejected, done, refused, unknown, withdrawn
    /// Nothing was sent; a later try is allowed.
    case notStarted = "not_started"
    /// Its target has another version than the one it was decided on: it is decided anew, on another day, under another
    /// id.
    case outdated

    /// It may still lead to something.
    package var isOpen: Bool {
      switch self {
      case .waiting, .proposed, .belowBudget, .held, .allowed, .approved, .started, .unknown, .notStarted: true
      case .denied, .noted, .rejected, .done, .refused, .withdrawn, .outdated: false
      }
    }
    /// It can be taken back, as nothing has been sent.
    package var canBeWithdrawn: Bool {
      switch self {
      case .waiting, .proposed, .belowBudget, .held, .allowed, .approved, .notStarted: true
      case .started, .unknown, .denied, .noted, .rejected, .done, .refused, .withdrawn, .outdated: false
      }
    }
    var isQueued: Bool { self == .waiting || self == .belowBudget }
    /// Its call may start by itself, or has started and nobody has heard of it: the target's version may change.
    var mayBeWriting: Bool { self == .allowed || self == .approved || self == .started }
  }

  /// How the deal ended that a confidence was about.
  package struct Outcome: Codable, Equatable, Sendable {
    package let isWon: Bool
    package let day: BusinessDay
    /// A call of ours closed it, so that it proves nothing about the forecast.
    package let isOurs: Bool
  }

  package var proposal: Proposal
  /// What it answers; nil for another room's advice, which no signal led to.
  package let signal: Signal?
  /// What the signal was looked at for: see `Situation.items`.
  package let item: String?
  /// What tells the same proposal on another day.
  package let sameness: Digest
  package let firstDay: BusinessDay
  package var state: State
  package var isUndone: Bool
  package var outcome: Outcome?
  /// Why it was withdrawn, refused or is outdated.
  package var reason: String?

  /// The last day on which what the confidence is about can still come; nil when it has no time.
  var outcomeDueOn: BusinessDay? {
    proposal.confidence?.withinDays.map { proposal.day.advanced(byDays: $0) }
  }

  enum CodingKeys: String, CodingKey {
    case proposal, signal, item, sameness, state, outcome, reason
    case firstDay = "first_day"
    case isUndone = "undone"
  }
}

/// The rows of `decision.*`: one record per proposal, and the indexes that find it.
struct ProposalRows {
  let state: any StateTransaction

  static let byID = Space("decision.proposal")
  /// hash of subject, then proposal → true.
  static let bySubject = Space("decision.subject")
  /// hash of what tells the same proposal → {proposal, day}.
  static let latest = Space("decision.latest")
  /// lane, then value (greatest first), then proposal → true: what waits for a place on somebody's list.
  static let queue = Space("decision.queue")
  /// day/proposal → a confidence whose time runs out on that day.
  static let due = Space("decision.due_outcome")

  func record(_ id: Digest) throws -> ProposalRecord? {
    try state.value(Self.byID, id.hex)?.decode(ProposalRecord.self)
  }

  func isThere(_ id: Digest) throws -> Bool { try state.value(Self.byID, id.hex) != nil }

  /// Those whose time has run out by this day without an outcome, each given once.
  func due(by day: BusinessDay) throws -> [ProposalRecord] {
    let until = day.advanced(byDays: 1).description
    return try state.scan(Self.due, from: "", until: until, reversed: false, countMax: .max).compactMap { key, _ in
      try state.remove(Self.due, key)
      let found = try key.split(separator: "/").last.flatMap { Digest(hex: String($0)) }.flatMap(record)
      return found?.outcome == nil ? found : nil
    }
  }

  /// Stores the record and moves it in or out of the queue.
  func put(_ record: ProposalRecord, replacing old: ProposalRecord?) throws {
    let id = record.proposal.id
    if let old, old.state.isQueued { try state.remove(Self.queue, Self.queueKey(old.proposal)) }
    if record.state.isQueued { try state.set(Self.queue, Self.queueKey(record.proposal), true) }
    try state.set(Self.byID, id.hex, try JSONValue(encoding: record))
    if record.outcome == nil, let day = record.outcomeDueOn { try state.set(Self.due, "\(day)/\(id.hex)", true) }
    guard old == nil else { return }
    try state.set(Self.bySubject, "\(Self.hash(record.proposal.subject))/\(id.hex)", true)
    try state.set(
      Self.latest, record.sameness.hex, ["proposal": .string(id.hex), "day": .string(record.firstDay.description)])
  }

  func records(about subject: Subject) throws -> [ProposalRecord] {
    try state.scan(Self.bySubject, prefix: Self.hash(subject) + "/").compactMap { key, _ in
      try key.split(separator: "/").last.flatMap { Digest(hex: $0) }.flatMap(record)
    }
  }

  /// Whether the same was proposed and is still open, or was less than so many days ago.
  func isRepeated(_ sameness: Digest, on day: BusinessDay, cooldownDays: Int) throws -> Bool {
    guard let row = try state.value(Self.latest, sameness.hex),
      let first = row["day"]?.string.flatMap({ BusinessDay($0) }),
      let record = try row["proposal"]?.string.flatMap({ Digest(hex: $0) }).flatMap(record)
    else { return false }
    if record.state.isOpen { return true }
    return record.state != .withdrawn && record.state != .outdated && day.days(since: first) < cooldownDays
  }

  // MARK: - The queue

  /// Whose list it goes to: advice, what policy may allow by itself, or one approver's.
  static func lane(_ proposal: Proposal) -> String {
    guard proposal.call != nil else { return "advice" }
    guard proposal.kind != .act else { return "own" }
    // Without a known approver, the owner's list: what nobody's manager judges is as much as what a manager does.
    if let approver = proposal.approver { return StableID.of("lane", [approver]).hex }
    return proposal.owner.map { StableID.of("lane_of_owner", [$0]).hex } ?? "own"
  }

  private static func queueKey(_ proposal: Proposal) -> String {
    let left = String(Judgement.centsMax - max(0, min(proposal.expectedValueCents, Judgement.centsMax)))
    let padding = String(repeating: "0", count: 16 - left.utf8.count)
    return "\(lane(proposal))/\(padding)\(left)/\(proposal.id.hex)"
  }

  /// The first of each lane, by value and then id.
  func queued(perLaneMax: Int, countMax: Int) throws -> [Digest] {
    var lanes: [String] = []
    var from = ""
    while let (key, _) = try state.scan(Self.queue, from: from, until: nil, reversed: false, countMax: 1).first {
      let lane = String(key.prefix { $0 != "/" })
      lanes.append(lane)
      from = prefixEnd(lane + "/")!
    }
    let share = lanes.isEmpty ? 0 : max(1, min(perLaneMax, countMax / lanes.count))
    return try lanes.prefix(countMax).flatMap { lane in
      try state.scan(Self.queue, prefix: lane + "/", countMax: share).compactMap { key, _ in
        key.split(separator: "/").last.flatMap { Digest(hex: $0) }
      }
    }
  }

  private static func hash(_ subject: Subject) -> String { StableID.of("subject", [subject.type, subject.id]).hex }
}
