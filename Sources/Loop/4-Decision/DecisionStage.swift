// Decision: what to do about what changed. Comes in: signals, playbooks, verdicts, choices, effects, the world as it is
// believed. Goes out: one set of proposals per day. It never calls a tool, guesses, or reads anything later than its day.

import CanonicalJSON
import Cryptography
package import Domain

/// The fourth stage of the loop.
///
/// Its spaces, all `decision.*`: `playbook` (name → {hash, document}), `playbook_refused` (name → reason), `proposal`
/// (id → `ProposalRecord`), `subject`, `latest`, `queue`, `alias`, `touched` (what to look at again), `outdated`, `permit` (permit →
/// {proposal, undo}), `closing`, `closing_total`,
/// `open_deal`, `closing_gap`, `rule` (numbers of the thresholds in force), `rule_score`.
package struct DecisionStage: Sendable {
  package static let proposals = ProposalRows.byID
  package static let playbooks = Space("decision.playbook")
  package static let refusedPlaybooks = Space("decision.playbook_refused")
  static let permits = Space("decision.permit")
  static let touched = Space("decision.touched")
  /// proposal → true: what is to be decided anew once the new version of its target is known.
  static let outdated = Space("decision.outdated")

  /// Proposals of one day; an entry of the journal stays well below its limit with them.
  package var proposalsMax = 300
  package var perLaneMax = 30
  /// Where rates come from.
  package var rates: RateLookup = ClosingRates.lookup

  package init() {}

  /// - Parameters:
  ///   - world: What is believed once this entry has been applied.
  ///   - catalogue: The tools of the instances enabled at this entry.
  ///   - people: Those beside reps who may be written to and asked, as an operator named them.
  ///   - also: Proposals of other rooms that belong into this day's set, as Learning's.
  package func apply(
    _ entry: Entry, to state: any StateTransaction, world: any WorldReading, catalogue: ToolCatalogue,
    people: Set<String> = [], also: [Proposal] = []
  ) throws -> [Derived] {
    switch entry.kind {
    case .activation: try activate(try body(entry), state)
    case .signals:
      let day = DecisionDay(
        stage: self, today: try body(entry), state: state, world: world, catalogue: catalogue,
        people: people, playbooks: try Self.active(in: state))
      guard let set = try day.decide(also: also) else { return [] }
      return [Derived(kind: .proposals, body: try JSONValue(encoding: set))]
    case .verdicts: try remember(try body(entry) as VerdictSet, state)
    case .effectStarted: try remember(try body(entry) as EffectStart, state)
    case .receipt: try remember(try body(entry) as Receipt, state)
    case .intake, .delivery, .choice, .order, .tick, .proposals, .epoch: break
    }
    return []
  }

  /// Takes over how a held call was answered, once the answer has counted: one that was refused changes nothing here.
  package func settle(_ proposal: Digest, as answer: Choice.Answer, _ state: any StateTransaction) throws {
    try change(proposal, state) { record in
      guard record.state == .held else { return }
      switch answer {
      case .approve: record.state = .approved
      case .reject: record.state = .rejected
      }
    }
  }

  /// Takes over that the host has taken a call off for good, before anything was sent for it.
  /// - Parameter isOutdated: Because its target has changed: it is decided anew.
  package func takeOff(_ proposal: Digest, reason: String, isOutdated: Bool, _ state: any StateTransaction) throws {
    try change(proposal, state) { record in
      guard record.state.canBeWithdrawn, !record.state.isQueued else { return }
      record.state = isOutdated ? .outdated : .withdrawn
      record.reason = reason
    }
  }

  private func body<T: Decodable>(_ entry: Entry) throws -> T { try JSONValue(parsing: entry.body).decode(T.self) }

  /// A document that is no playbook changes nothing and is listed with its reason; a null one ends its playbook.
  private func activate(_ activation: Activation, _ state: any StateTransaction) throws {
    if activation.kind == .thresholds { try ClosingRates.take(activation.document, in: state) }
    guard activation.kind == .playbooks else { return }
    try state.remove(Self.refusedPlaybooks, activation.name)
    guard !activation.document.isNull else { return try state.remove(Self.playbooks, activation.name) }
    if let reason = try refusal(of: activation, state) {
      return try state.set(
        Self.refusedPlaybooks, activation.name, ["hash": .string(activation.hash.hex), "reason": .string(reason)])
    }
    try state.set(
      Self.playbooks, activation.name, ["hash": .string(activation.hash.hex), "document": activation.document])
  }

  private func refusal(of activation: Activation, _ state: any StateTransaction) throws -> String? {
    let name: String
    do throws(DocumentError) {
      name = try Playbook(SourceDocument(name: activation.name, value: activation.document, marks: [:])).name
    } catch {
      return error.description
    }
    let others = try state.scan(Self.playbooks).filter { $0.0 != activation.name }
    guard let other = others.first(where: { $0.1["document"]?["name"]?.string == name }) else { return nil }
    return "\(activation.name): `name` is \"\(name)\", as in \(other.0). Allowed: a name of its own."
  }

  /// The playbooks in force, by name of file.
  package static func active(in view: any StateView) throws -> [Playbook] {
    try view.scan(playbooks).map { name, row in
      try Playbook(SourceDocument(name: name, value: row["document"] ?? .null, marks: [:]))
    }
  }

  package static func record(_ id: Digest, in view: any StateView) throws -> ProposalRecord? {
    try view.value(proposals, id.hex)?.decode()
  }
}

// MARK: - What became of proposals
extension DecisionStage {
  private func remember(_ set: VerdictSet, _ state: any StateTransaction) throws {
    for verdict in set.verdicts {
      try change(verdict.proposal, state) { record in
        // A held one may be judged again; what has been sent or ended may not.
        guard record.state.canBeWithdrawn, record.state != .waiting else { return }
        switch verdict.outcome {
        case .allow: record.state = .allowed
        case .hold: record.state = .held
        case .deny: record.state = .denied
        case .belowBudget: record.state = .belowBudget
        case .noted: record.state = .noted
        }
      }
    }
  }

  private func remember(_ start: EffectStart, _ state: any StateTransaction) throws {
    try state.set(
      Self.permits, start.permit.hex,
      ["proposal": .string(start.proposal.hex), "undo": .bool(start.undoes != nil)])
    guard start.undoes == nil else { return }
    try change(start.proposal, state) { record in record.state = .started }
  }

  private func remember(_ receipt: Receipt, _ state: any StateTransaction) throws {
    let isUndo = try state.value(Self.permits, receipt.permit.hex)?["undo"]?.bool ?? false
    try change(receipt.proposal, state) { record in
      switch (receipt.outcome, isUndo) {
      case (.done, true): record.isUndone = true
      case (_, true): break
      case (.done, false): record.state = .done
      case (.rejected, false):
        record.state = receipt.isOutdated ? .outdated : .refused
        record.reason = receipt.reason
      case (.unknown, false): record.state = .unknown
      case (.notStarted, false): record.state = .notStarted
      }
    }
  }

  /// What we did ourselves may end other proposals about the same thing, and gives no signal: it is looked at again.
  private func change(
    _ id: Digest, _ state: any StateTransaction, _ body: (inout ProposalRecord) -> Void
  ) throws {
    let rows = ProposalRows(state: state)
    guard let old = try rows.record(id) else { return }
    var new = old
    body(&new)
    guard new != old else { return }
    try rows.put(new, replacing: old)
    if new.state == .done || new.isUndone { try Self.touch(new.proposal.subject, state) }
    if new.state == .outdated { try state.set(Self.outdated, id.hex, true) }
  }

  static func touch(_ subject: Subject, _ state: any StateTransaction) throws {
    try state.set(
      touched, StableID.of("subject", [subject.type, subject.id]).hex,
      ["type": .string(subject.type), "id": .string(subject.id)])
  }
}
