import CanonicalJSON
import Cryptography
import Domain

/// One business day of deciding: what its signals mean by the playbooks in force, and what still stands of earlier days.
struct DecisionDay {
  let stage: DecisionStage
  let today: SignalSet
  let state: any StateTransaction
  let world: any WorldReading
  let catalogue: ToolCatalogue
  let people: Set<String>
  let playbooks: [Playbook]

  /// playbook and alias → its signal and how many were proposed: deals written so are looked for on every day.
  static let aliases = Space("decision.alias")

  private var day: BusinessDay { today.day }
  private var rows: ProposalRows { ProposalRows(state: state) }

  /// - Returns: nil when there is nothing to propose and nothing to withdraw.
  func decide(also: [Proposal]) throws -> ProposalSet? {
    try ClosingRates.count(today.signals, in: state, isOurs: isClosedByUs)
    try noteOutcomes()
    var withdrawn = try withdrawEnded()
    for signal in today.signals {
      for playbook in playbooks where playbook.trigger == signal.kind { try consider(playbook, signal) }
    }
    try decideOutdatedAnew()
    try sweepAliases()
    let (proposals, given) = try takeFromQueue()
    withdrawn += given
    for advice in also { try note(advice) }
    guard !proposals.isEmpty || !withdrawn.isEmpty || !also.isEmpty else { return nil }
    return ProposalSet(
      day: day, proposals: (proposals + also).sorted(by: Self.precedes),
      withdrawn: withdrawn.sorted { $0.proposal < $1.proposal })
  }

  /// Another room's advice is listed and shown like any proposal.
  private func note(_ advice: Proposal) throws {
    guard try !rows.isThere(advice.id) else { return }
    let record = ProposalRecord(
      proposal: advice, signal: nil, item: nil, sameness: advice.id, firstDay: day, state: .proposed, isUndone: false)
    try rows.put(record, replacing: nil)
  }

  /// By expected value, greatest first; of equal value by id.
  static func precedes(_ left: Proposal, _ right: Proposal) -> Bool {
    left.expectedValueCents == right.expectedValueCents
      ? left.id < right.id : left.expectedValueCents > right.expectedValueCents
  }

  // MARK: - What became of earlier ones

  private func noteOutcomes() throws {
    for signal in today.signals where signal.kind == "deal.won" || signal.kind == "deal.lost" {
      for record in try rows.records(about: signal.subject)
      where record.proposal.confidence != nil && record.outcome == nil {
        let isInTime = record.outcomeDueOn.map { day <= $0 } ?? true
        try note(
          ProposalRecord.Outcome(
            isWon: signal.kind == "deal.won" && isInTime, day: day, isOurs: try isClosedByUs(signal.subject.id)),
          of: record)
      }
    }
    // What was foretold for a time, and has not come by then.
    for record in try rows.due(by: day.advanced(byDays: -1)) {
      try note(
        ProposalRecord.Outcome(isWon: false, day: day, isOurs: try isClosedByUs(record.proposal.subject.id)), of: record
      )
    }
  }

  private func note(_ outcome: ProposalRecord.Outcome, of record: ProposalRecord) throws {
    var new = record
    new.outcome = outcome
    try rows.put(new, replacing: record)
    if !outcome.isOurs, let confidence = record.proposal.confidence {
      try RuleScore.count(confidence, isWon: outcome.isWon, of: record.proposal.playbook, in: state)
    }
  }

  /// Whether a call of ours changed the deal's stage, and still stands.
  private func isClosedByUs(_ deal: String) throws -> Bool {
    try rows.records(about: Subject(type: "opportunity", id: deal)).contains { record in
      guard record.proposal.call?.current["stage"] != nil, !record.isUndone else { return false }
      switch record.state {
      case .done, .started, .unknown: return true
      default: return false
      }
    }
  }

  /// Looks again at everything open about what the day's signals, or our own calls, touched.
  private func withdrawEnded() throws -> [ProposalSet.Withdrawal] {
    for signal in today.signals {
      try DecisionStage.touch(signal.subject, state)
      if let account = signal.account { try DecisionStage.touch(Subject(type: "account", id: account), state) }
    }
    var withdrawn: [ProposalSet.Withdrawal] = []
    for (key, row) in try state.scan(DecisionStage.touched) {
      try state.remove(DecisionStage.touched, key)
      guard let type = row["type"]?.string, let id = row["id"]?.string else { continue }
      for record in try rows.records(about: Subject(type: type, id: id)) where record.state.canBeWithdrawn {
        guard let reason = try ended(record) else { continue }
        if let withdrawal = try withdraw(record, reason) { withdrawn.append(withdrawal) }
      }
    }
    return withdrawn
  }

  private func ended(_ record: ProposalRecord) throws -> String? {
    guard let playbook = playbook(of: record), let signal = record.signal else { return nil }
    let situation = try situation(playbook, signal, record.item)
    for ending in playbook.endings {
      if let reason = situation.ended(by: ending, of: record.proposal) { return reason }
    }
    return nil
  }

  /// - Returns: nil for one that nobody has seen yet.
  private func withdraw(_ record: ProposalRecord, _ reason: String) throws -> ProposalSet.Withdrawal? {
    var new = record
    new.state = .withdrawn
    new.reason = reason
    try rows.put(new, replacing: record)
    return record.state == .waiting ? nil : ProposalSet.Withdrawal(proposal: record.proposal.id, reason: reason)
  }

  // MARK: - What is new

  private func playbook(of record: ProposalRecord) -> Playbook? {
    playbooks.first { $0.name == record.proposal.playbook }
  }

  private func situation(_ playbook: Playbook, _ signal: Signal, _ item: String?) throws -> Situation {
    try Situation(playbook, signal, item: item, on: day, world: world, people: people, rates: stage.rates, view: state)
  }

  private func consider(_ playbook: Playbook, _ signal: Signal) throws {
    if playbook.scope == .dealsWrittenSo, signal.facts["resolved_to"]?.string != nil { try know(playbook, signal) }
    var count = 0
    for item in try Situation.items(playbook, signal, world: world) where count < playbook.perDayMax ?? .max {
      if try propose(playbook, signal, item) { count += 1 }
    }
  }

  /// Puts what the playbook says of it on the queue.
  /// - Returns: Whether it says anything that was not said before.
  private func propose(_ playbook: Playbook, _ signal: Signal, _ item: String?) throws -> Bool {
    let situation = try situation(playbook, signal, item)
    let parts = situation.parts(playbook)
    let sameness = StableID.of("sameness", parts)
    let id = StableID.of(
      "proposal", [playbook.name, situation.subject.description, day.description, parts.dropFirst(3).joined()])
    guard try !rows.isRepeated(sameness, on: day, cooldownDays: playbook.cooldownDays), try !rows.isThere(id),
      let proposal = Judgement(playbook: playbook, situation: situation, catalogue: catalogue).proposal(id: id)
    else { return false }
    let record = ProposalRecord(
      proposal: proposal, signal: signal, item: item, sameness: sameness, firstDay: day, state: .waiting,
      isUndone: false)
    try rows.put(record, replacing: nil)
    return true
  }

  // MARK: - What was decided on a version that is no more

  /// Decides again, by what is believed now, what was stopped because its target had changed: once on a business day, and
  /// only when the new version is known.
  private func decideOutdatedAnew() throws {
    for (key, _) in try state.scan(DecisionStage.outdated) {
      guard let record = try Digest(hex: key).flatMap({ id throws in try rows.record(id) }), let signal = record.signal,
        let playbook = playbook(of: record), day.days(since: record.firstDay) < playbook.expiresDays,
        let deal = try world.deal(record.proposal.subject.id)
      else {
        try state.remove(DecisionStage.outdated, key)
        continue
      }
      let isKnown = deal.writtenVersion == nil && deal.version != record.proposal.call?.targetVersion
      guard isKnown, day > record.proposal.day else { continue }
      try state.remove(DecisionStage.outdated, key)
      if try ended(record) == nil { _ = try propose(playbook, signal, record.item) }
    }
  }

  /// Whether a call that names the target's version must wait: a write of ours to the same target is under way, or will
  /// be by itself, or the source has not delivered what one has changed.
  /// - Parameter writing: Targets of what is proposed today and may start by itself.
  private func mustWait(_ proposal: Proposal, writing: Set<Subject>) throws -> Bool {
    guard proposal.call?.targetVersion != nil else { return false }
    let subject = proposal.subject
    if try writing.contains(subject) || world.deal(subject.id)?.writtenVersion != nil { return true }
    return try rows.records(about: subject).contains { other in
      guard other.proposal.id != proposal.id, other.proposal.call?.targetVersion != nil else { return false }
      return other.state.mayBeWriting || (other.state == .proposed && other.proposal.kind == .act)
    }
  }

  // MARK: - Aliases

  private func know(_ playbook: Playbook, _ signal: Signal) throws {
    let key = StableID.of("alias", [playbook.name, signal.subject.id]).hex
    guard try state.value(Self.aliases, key) == nil else { return }
    try state.set(
      Self.aliases, key,
      ["playbook": .string(playbook.name), "signal": try JSONValue(encoding: signal), "proposed": .array([])])
  }

  /// Proposes some more deals that are written by a known alias, until all are.
  private func sweepAliases() throws {
    for (key, row) in try state.scan(Self.aliases) {
      guard case .object(var members) = row,
        let playbook = playbooks.first(where: { $0.name == row["playbook"]?.string }),
        let signal = try row["signal"]?.decode(Signal.self)
      else { continue }
      // What has been carried out, or is not written so any more, makes room for others.
      var unfinished = try (members["proposed"]?.array ?? []).filter { try isUnfinished($0.string ?? "") }
      let room = min(playbook.perDayMax ?? .max, playbook.unfinishedMax - unfinished.count, stage.proposalsMax)
      if room > 0 {
        unfinished += try sweep(playbook, signal, room: room, behind: unfinished.count).map { .string($0) }
      }
      members["proposed"] = .array(unfinished)
      try state.set(Self.aliases, key, .object(members))
    }
  }

  private func sweep(_ playbook: Playbook, _ signal: Signal, room: Int, behind: Int) throws -> [String] {
    let text = signal.facts["name"]?.string ?? signal.subject.id
    var proposed: [String] = []
    // Those carried out today may still be written so until the source is read again.
    for deal in try world.deals(productWrittenAs: text, countMax: 3 * room + behind) where proposed.count < room {
      if try propose(playbook, signal, deal.id) { proposed.append(deal.id) }
    }
    return proposed
  }

  private func isUnfinished(_ deal: String) throws -> Bool {
    try world.deal(deal) != nil
      && rows.records(about: Subject(type: "opportunity", id: deal)).contains { record in
        record.item == deal && record.signal?.kind == "product.unknown" && record.state != .done
          && record.state != .withdrawn
      }
  }

  // MARK: - The day's list

  /// Takes the best of each lane. Those of earlier days are judged again, by what is believed today, under the same id.
  private func takeFromQueue() throws -> (proposals: [Proposal], withdrawn: [ProposalSet.Withdrawal]) {
    var proposals: [Proposal] = []
    var withdrawn: [ProposalSet.Withdrawal] = []
    var writing: Set<Subject> = []
    let queued = try rows.queued(perLaneMax: stage.perLaneMax, countMax: stage.proposalsMax).compactMap(rows.record)
    // What may act by itself comes first: nobody is asked about a call that it would make outdated.
    for record in queued.filter({ $0.proposal.kind == .act }) + queued.filter({ $0.proposal.kind != .act }) {
      let (fresh, reason) = try judgeAgain(record)
      if let fresh, try mustWait(fresh, writing: writing) { continue }
      if let fresh {
        if fresh.kind == .act, fresh.call?.targetVersion != nil { writing.insert(fresh.subject) }
        var new = record
        new.proposal = fresh
        new.state = .proposed
        try rows.put(new, replacing: record)
        proposals.append(fresh)
      } else if let withdrawal = try withdraw(record, reason) {
        withdrawn.append(withdrawal)
      }
    }
    return (proposals, withdrawn)
  }

  private func judgeAgain(_ record: ProposalRecord) throws -> (Proposal?, reason: String) {
    if record.proposal.day == day { return (record.proposal, "") }
    guard let playbook = playbook(of: record), let signal = record.signal else {
      return (nil, "Its playbook is not in force any more.")
    }
    if day.days(since: record.firstDay) >= playbook.expiresDays {
      return (nil, "It found no room in the budget for \(playbook.expiresDays) days.")
    }
    if let reason = try ended(record) { return (nil, reason) }
    let situation = try situation(playbook, signal, record.item)
    let fresh = Judgement(playbook: playbook, situation: situation, catalogue: catalogue).proposal(
      id: record.proposal.id)
    return (fresh, "Nothing in its playbook fits any more.")
  }
}
