import Domain

/// One playbook applied to one situation: a pure function that gives at most one proposal.
struct Judgement {
  let playbook: Playbook
  let situation: Situation
  let catalogue: ToolCatalogue

  /// - Returns: nil when no step fits: then there is nothing to say.
  func proposal(id: Digest) -> Proposal? {
    let fitting = playbook.steps.filter { $0.conditions.allSatisfy(situation.fits) }
    guard let first = fitting.first else { return nil }
    let bar = bar(to: first)
    let step = bar == nil ? first : fitting.first { self.bar(to: $0) == nil } ?? first
    let isBarred = self.bar(to: step) != nil
    var kind = isBarred ? Proposal.Kind.abstain : step.kind
    var call: ToolCall?
    var stop = [bar, isBarred ? nil : Rendering.text(step.stop, situation)].compactMap(\.self).joined(separator: " ")
    if let wanted = step.call, !isBarred {
      do throws(Rendering.Refusal) {
        call = try self.call(wanted)
      } catch {
        // Invariant: what is not in the catalogue, or does not fit it, is never called.
        kind = .escalate
        stop = "\(wanted.tool) cannot be called, because \(error.reason)."
      }
    }
    return Proposal(
      id: id, day: situation.day, kind: kind, playbook: playbook.name, subject: situation.subject,
      account: situation.account?.id ?? situation.deal?.accountID ?? situation.signal.account,
      owner: situation.owner?.id ?? situation.deal?.ownerID ?? situation.signal.owner, approver: approver, call: call,
      signals: [situation.signal.id], evidence: evidence,
      confidence: situation.isRateKnown ? situation.rate : nil, expectedValueCents: cents(step.value),
      uncertain: uncertain(step), stopReason: stop)
  }

  /// Why a step may not be taken, though its conditions hold.
  ///
  /// Invariant: a playbook that declares a rate does nothing without one, and changes no record on the word of a rule whose
  /// estimates have been worse than none.
  private func bar(to step: Playbook.Step) -> String? {
    guard playbook.rate != nil, let call = step.call else { return nil }
    if !situation.isRateKnown, !step.conditions.contains(.rateKnown(false)) {
      let what = situation.rate?.withinDays == nil ? "closed deals" : "deals watched for long enough"
      return "Its rate rests on \(situation.rate?.trials ?? 0) \(what), too few to go by."
    }
    guard let score = situation.score, score.isWorseThanBase, catalogue[call.tool]?.effect == .write else { return nil }
    return "The estimates of this rule have foretold \(score.outcomes) outcomes worse "
      + "(Brier score \(Rendering.share(score.brierPpm))) than the share of won deals alone would have "
      + "(\(Rendering.share(score.baseBrierPpm))), so \(call.tool) is not prepared on their word."
  }

  private var approver: String? {
    switch playbook.approver {
    case .ownersManager: situation.manager
    case .nobody: nil
    }
  }

  private func call(_ wanted: Playbook.Call) throws(Rendering.Refusal) -> ToolCall {
    let arguments = try Rendering.arguments(wanted.arguments, situation)
    try check(wanted.tool, arguments)
    var undo: ToolCall.Undo?
    if let wantedUndo = wanted.undo {
      let back = try Rendering.arguments(wantedUndo.arguments, situation)
      try check(wantedUndo.tool, back)
      guard catalogue[wanted.tool]?.compensation == wantedUndo.tool else {
        throw Rendering.Refusal(reason: "its manifest does not declare \(wantedUndo.tool) as what takes it back")
      }
      undo = ToolCall.Undo(tool: wantedUndo.tool, arguments: back)
    }
    let version = arguments["expect_version"]
    return ToolCall(
      tool: wanted.tool, arguments: arguments, targetVersion: version?.string ?? version?.integer.map(String.init),
      current: try Rendering.arguments(wanted.current, situation), undo: undo)
  }

  private func check(_ tool: String, _ arguments: JSONValue) throws(Rendering.Refusal) {
    do throws(ToolError) {
      try catalogue.check(tool: tool, arguments: arguments)
    } catch {
      switch error {
      case .unknown: throw Rendering.Refusal(reason: "no tool is called \(tool)")
      case .argumentsRefused(_, let path, let reason):
        throw Rendering.Refusal(reason: "its argument `\(path)` is \(reason)")
      default: throw Rendering.Refusal(reason: error.code)
      }
    }
  }

  private var evidence: [EvidenceID] {
    var all: [EvidenceID] = []
    for source in playbook.evidence {
      switch source {
      case .signal: all += situation.signal.evidence
      case .deal: all += [situation.deal?.evidence].compactMap { $0 }
      case .owner: all += [situation.owner?.evidence].compactMap { $0 }
      case .target: all += [situation.target?.evidence].compactMap { $0 }
      case .product: all += [situation.product?.evidence].compactMap { $0 }
      case .account: all += [situation.account?.evidence].compactMap { $0 }
      }
    }
    var seen: Set<EvidenceID> = []
    return all.filter { seen.insert($0).inserted }
  }

  private func uncertain(_ step: Playbook.Step) -> [String] {
    var sentences = step.uncertain.map { Rendering.text($0, situation) }
    if playbook.approver == .ownersManager, let reason = situation.strangeManager {
      sentences.append("Whose it is to judge: \(reason).")
    }
    if playbook.rate != nil {
      if let rate = situation.rate, !situation.isRateKnown {
        sentences.append("Of \(rate.of) there are \(rate.trials): too few to say how likely a win is.")
      } else if situation.rate == nil {
        sentences.append("The product is not known, so nothing is known of how likely a win is.")
      }
      if let rate = situation.rate, let open = rate.stillOpen {
        sentences.append(
          rate.withinDays == nil
            ? "Of deals of this age \(rate.trials) have closed; \(open) still open are not counted."
            : "Of those \(rate.trials) deals \(open) are still open; what becomes of them later is not known.")
      }
      if situation.unplacedClosings > 0 {
        sentences.append("Closings without product or age that were not counted: \(situation.unplacedClosings).")
      }
    }
    return sentences
  }

  private func cents(_ value: Playbook.Value) -> Int64 {
    let list = situation.product?.listPriceCents ?? 0
    switch value {
    case .fixed(let cents): return Int64(cents)
    case .listPriceTimesRate: return Self.share(situation.isRateKnown ? situation.rate!.ratePpm : 0, of: list)
    case .listPriceTimesMiss:
      return situation.isRateKnown ? Self.share(1_000_000 - situation.rate!.ratePpm, of: list) : 0
    case .listPriceShare(let ppm): return Self.share(ppm, of: list)
    case .valueGap:
      let facts = situation.signal.facts
      let from = facts["list_cents"]?.integer ?? list
      let gap = from - (facts["value_cents"]?.integer ?? situation.deal?.valueCents ?? from)
      return min(max(0, gap), Self.centsMax)
    }
  }

  /// The greatest whole number that JSON can say.
  static let centsMax: Int64 = 9_007_199_254_740_991

  /// Parts per million of an amount, rounded down; no amount is negative.
  static func share(_ ppm: Int, of cents: Int64) -> Int64 {
    Int64(Int128(max(0, cents)) * Int128(ppm) / 1_000_000)
  }
}
