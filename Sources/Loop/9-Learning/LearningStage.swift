// Learning: what outcomes say about thresholds. Comes in: thresholds documents, signals. Goes out: at most one suggestion,
// inside the bounds that the document sets. It never activates anything and never touches a policy.

import CanonicalJSON
import Cryptography
package import Domain

/// The ninth stage of the loop. Off unless the thresholds document says
/// `learning: {enabled: true, stall_percent_min: …, stall_percent_max: …}`.
///
/// It watches deals that were flagged as stalled. One that is won all the same was a false alarm. When it is sure (95 %)
/// that more than `later_share_milli` were, it suggests to flag later (a higher `stall.percent`: the percentile of closed
/// ages beyond which a deal counts as stalled); when it is sure that fewer than `earlier_share_milli` were, to flag
/// earlier. `outcomes_min` and `step_percent` are the document's too.
package struct LearningStage: Sendable {
  /// `thresholds` → {name, document}; `outcomes` → {won, lost} since the thresholds in force.
  static let current = Space("learning.current")
  /// opportunity → true, while it is flagged and open.
  static let flagged = Space("learning.flagged")
  /// `thresholds` → the last `ThresholdSuggestion`.
  package static let suggestions = Space("learning.suggestion")

  package init() {}

  /// - Returns: a new suggestion, when outcomes call for one: for the day's proposals, where a person reads it.
  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> ThresholdSuggestion? {
    switch entry.kind {
    case .activation:
      let activation = try JSONValue(parsing: entry.body).decode(Activation.self)
      if activation.kind == .thresholds { try take(activation, state) }
      return nil
    case .signals:
      guard let rule = try LearningRule(in: state) else { return nil }
      let set = try JSONValue(parsing: entry.body).decode(SignalSet.self)
      for signal in set.signals { try count(signal, state) }
      return try suggest(rule, on: set.day, state)
    case .intake, .delivery, .choice, .order, .tick, .proposals, .verdicts, .effectStarted, .receipt, .epoch:
      return nil
    }
  }

  /// The suggestion that no activation has answered yet.
  package static func suggestion(in view: any StateView) throws -> ThresholdSuggestion? {
    try view.value(suggestions, "thresholds")?.decode()
  }

  /// New thresholds: what was counted under others says nothing about them.
  private func take(_ activation: Activation, _ state: any StateTransaction) throws {
    try state.set(
      Self.current, "thresholds", ["name": .string(activation.name), "document": activation.document])
    try state.remove(Self.current, "outcomes")
    try state.remove(Self.suggestions, "thresholds")
    for (deal, _) in try state.scan(Self.flagged) { try state.remove(Self.flagged, deal) }
  }

  private func count(_ signal: Signal, _ state: any StateTransaction) throws {
    switch signal.kind {
    case "deal.stalled": try state.set(Self.flagged, signal.subject.id, true)
    case "deal.won", "deal.lost":
      guard try state.value(Self.flagged, signal.subject.id) != nil else { return }
      try state.remove(Self.flagged, signal.subject.id)
      var row = try state.value(Self.current, "outcomes")?.object ?? [:]
      let key = signal.kind == "deal.won" ? "won" : "lost"
      row[key] = .integer((row[key]?.integer ?? 0) + 1)
      try state.set(Self.current, "outcomes", .object(row))
    default: break
    }
  }

  private func suggest(
    _ rule: LearningRule, on day: BusinessDay, _ state: any StateTransaction
  ) throws -> ThresholdSuggestion? {
    let row = try state.value(Self.current, "outcomes")
    let won = Int(row?["won"]?.integer ?? 0)
    let closed = won + Int(row?["lost"]?.integer ?? 0)
    guard closed >= rule.outcomesMin, try state.value(Self.suggestions, "thresholds") == nil,
      let percent = rule.better(falseAlarms: won, of: closed)
    else { return nil }
    let suggestion = try ThresholdSuggestion(
      rule, percent: percent, falseAlarms: won, flaggedAndClosed: closed, day: day)
    try state.set(Self.suggestions, "thresholds", try JSONValue(encoding: suggestion))
    return suggestion
  }
}

/// What the thresholds in force allow to be learned.
struct LearningRule: Equatable {
  let name: String
  let document: JSONValue
  let percent: Int
  let bounds: ClosedRange<Int>
  /// Flagged deals that have closed, before anything is suggested.
  var outcomesMin = 30
  /// Percent points of one suggestion.
  var step = 1
  /// In thousandths: more false alarms than the one call for flagging later, fewer than the other for flagging earlier.
  var laterShareMilli = 500
  var earlierShareMilli = 200

  /// - Returns: nil when learning is off, or its bounds make no sense.
  init?(in view: any StateView) throws {
    guard let row = try view.value(LearningStage.current, "thresholds"), let document = row["document"],
      let learning = document["learning"], learning["enabled"] == true,
      let min = learning["stall_percent_min"]?.integer, let max = learning["stall_percent_max"]?.integer,
      (1...100).contains(min), (min...100).contains(max)
    else { return nil }
    name = row["name"]?.string ?? ""
    self.document = document
    percent = Int(document["stall"]?["percent"]?.integer ?? 100)
    bounds = Int(min)...Int(max)
    for (key, path, range) in [
      ("outcomes_min", \.outcomesMin, 10...1_000_000), ("step_percent", \.step, 1...20),
      ("later_share_milli", \.laterShareMilli, 1...999), ("earlier_share_milli", \.earlierShareMilli, 0...999),
    ] as [(String, WritableKeyPath<LearningRule, Int>, ClosedRange<Int64>)] {
      guard let number = learning[key]?.integer else { continue }
      guard range.contains(number) else { return nil }
      self[keyPath: path] = Int(number)
    }
    guard earlierShareMilli <= laterShareMilli else { return nil }
  }

  /// A percentile at most one step nearer to what the outcomes call for, inside the bounds; nil for none. One that stands
  /// outside them is not brought in: nothing but outcomes calls for a suggestion.
  func better(falseAlarms: Int, of closed: Int) -> Int? {
    let wanted =
      if Share.isSurelyMore(falseAlarms, of: closed, thanPpm: laterShareMilli * 1_000) {
        min(percent + step, bounds.upperBound)
      } else if Share.isSurelyMore(closed - falseAlarms, of: closed, thanPpm: (1_000 - earlierShareMilli) * 1_000) {
        max(percent - step, bounds.lowerBound)
      } else {
        percent
      }
    // Invariant: learning moves a number inside what people allowed, and only inside.
    guard wanted != percent, abs(wanted - percent) <= step, bounds.contains(wanted) else { return nil }
    return wanted
  }
}

enum Share {
  /// Whether the lower end of the 95 % Wilson interval of `count` in `total` lies above a share, by whole numbers only:
  /// (s − p·n)² > z²·p·(1 − p)·n, on the upper side.
  static func isSurelyMore(_ count: Int, of total: Int, thanPpm ppm: Int) -> Bool {
    let million: Int128 = 1_000_000
    let (s, n, p) = (Int128(count) * million, Int128(total), Int128(ppm))
    let above = s - p * n
    guard above > 0 else { return false }
    return above * above * million > 3_841_459 * p * (million - p) * n
  }
}
