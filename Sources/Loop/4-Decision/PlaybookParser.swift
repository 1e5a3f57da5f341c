package import Domain

extension Playbook {
  /// The version of the playbook's own format.
  package static let formatVersion = 1
  /// Fewer closed deals than these say nothing, whatever a playbook asks for.
  package static let trialsMin = 30

  /// Reads a playbook; the first fault is thrown with its key, its line and what is allowed.
  /// - Parameter signalKinds: The kinds that Perception can give; nil when they are not known here.
  package init(_ document: SourceDocument, signalKinds: [String]? = nil) throws(DocumentError) {
    let root = DocumentReader(document)
    try root.allow([
      "sluice", "name", "summary", "on", "about", "cooldown_days", "expires_days", "rate", "approver", "ends_when",
      "evidence", "per_day_max", "unfinished_max", "steps",
    ])
    _ = try root["sluice"].integer(in: Self.formatVersion...Self.formatVersion)
    name = try root["name"].name(InstanceID.self).rawValue
    summary = try root["summary"].string()
    trigger = try root["on"].string("a kind of signal")
    if let signalKinds, !signalKinds.contains(trigger) {
      throw root["on"].error("\"\(trigger.prefix(60))\"", allowed: signalKinds.joined(separator: ", "))
    }
    scope = try root["about"].choice(Scope.self)
    cooldownDays = try root["cooldown_days"].integer(in: 0...3_650)
    expiresDays = try root["expires_days"].integer(in: 1...3_650)
    rate = try Self.rate(root["rate"])
    approver = try root["approver"].choice(Approver.self)
    endings = try Self.choices(root["ends_when"])
    evidence = try Self.choices(root["evidence"])
    perDayMax = root["per_day_max"].isPresent ? try root["per_day_max"].integer(in: 1...200) : nil
    unfinishedMax = root["unfinished_max"].isPresent ? try root["unfinished_max"].integer(in: 1...10_000) : 10_000
    steps = try Self.steps(root["steps"], hasRate: rate != nil)
  }

  private static func rate(_ r: DocumentReader) throws(DocumentError) -> RateRule? {
    guard r.isPresent else { return nil }
    try r.allow(["of", "trials_min", "within_days"])
    let kind = try r["of"].choice(ClosingRates.Kind.self)
    if kind != .wonWithin, r["within_days"].isPresent {
      throw r["within_days"].error("given", allowed: "nothing, unless `of` is won_within")
    }
    return RateRule(
      kind: kind, trialsMin: try r["trials_min"].integer(in: trialsMin...1_000_000),
      withinDays: kind == .wonWithin ? try r["within_days"].integer(in: 1...3_650) : 0)
  }

  private static func choices<C: RawRepresentable & CaseIterable>(
    _ r: DocumentReader
  ) throws(DocumentError) -> [C] where C.RawValue == String {
    var choices: [C] = []
    for item in try r.items() { choices.append(try item.choice(C.self)) }
    return choices
  }

  private static func steps(_ r: DocumentReader, hasRate: Bool) throws(DocumentError) -> [Step] {
    var steps: [Step] = []
    for item in try r.items() { steps.append(try step(item, hasRate: hasRate)) }
    guard !steps.isEmpty else { throw r.error("empty", allowed: "at least one step") }
    return steps
  }

  private static func step(_ r: DocumentReader, hasRate: Bool) throws(DocumentError) -> Step {
    try r.allow(["when", "kind", "call", "value", "uncertain", "stop"])
    let kind = try r["kind"].choice(Proposal.Kind.self)
    switch kind {
    case .act, .draft, .ask:
      guard r["call"].isPresent else {
        throw r["call"].error("missing", allowed: "a call, as the kind is \(kind.rawValue)")
      }
    case .wait, .escalate, .abstain:
      guard !r["call"].isPresent else {
        throw r["call"].error("given", allowed: "no call, as the kind is \(kind.rawValue)")
      }
    }
    var uncertain: [Prose] = []
    for item in try r["uncertain"].items() { uncertain.append(try prose(item)) }
    return Step(
      conditions: try conditions(r["when"], hasRate: hasRate), kind: kind,
      call: r["call"].isPresent ? try call(r["call"]) : nil, value: try value(r["value"], hasRate: hasRate),
      uncertain: uncertain, stop: try prose(r["stop"]))
  }

  private static func conditions(_ r: DocumentReader, hasRate: Bool) throws(DocumentError) -> [Condition] {
    guard r.isPresent else { return [] }
    let ofRate = ["rate_known", "rate_ppm", "rate_low_ppm", "rate_high_ppm"]
    try r.allow(ofRate + ["fact", "deal_stage", "owner_known", "account_known", "product_known", "target_known"])
    var conditions: [Condition] = []
    for (key, member) in try r.members() {
      if !hasRate, ofRate.contains(key) {
        throw member.error("given", allowed: "no condition on the rate, as the playbook has no `rate`")
      }
      switch key {
      case "rate_known": conditions.append(.rateKnown(try member.bool()))
      case "rate_ppm": conditions.append(.rate(try bounds(member, 0...1_000_000)))
      case "rate_low_ppm": conditions.append(.rateLow(try bounds(member, 0...1_000_000)))
      case "rate_high_ppm": conditions.append(.rateHigh(try bounds(member, 0...1_000_000)))
      case "deal_stage": conditions.append(.dealStage(try choices(member)))
      case "owner_known": conditions.append(.ownerKnown(try member.bool()))
      case "account_known": conditions.append(.accountKnown(try member.bool()))
      case "product_known": conditions.append(.productKnown(try member.bool()))
      case "target_known": conditions.append(.targetKnown(try member.bool()))
      default:
        try member.allow(Placeholder.Fact.allCases.map(\.rawValue))
        for (fact, limits) in try member.members() {
          conditions.append(
            .fact(Placeholder.Fact(rawValue: fact)!, try bounds(limits, -1_000_000_000...1_000_000_000)))
        }
      }
    }
    return conditions
  }

  private static func bounds(_ r: DocumentReader, _ range: ClosedRange<Int>) throws(DocumentError) -> Bounds {
    try r.allow(["min", "max"])
    let bounds = Bounds(
      min: r["min"].isPresent ? try r["min"].integer(in: range) : nil,
      max: r["max"].isPresent ? try r["max"].integer(in: range) : nil)
    guard bounds.min != nil || bounds.max != nil else { throw r.error("empty", allowed: "min, max or both") }
    return bounds
  }

  private static func value(_ r: DocumentReader, hasRate: Bool) throws(DocumentError) -> Value {
    let withoutNumber = ["list_price_times_rate", "list_price_times_miss", "value_gap"]
    let allowed = withoutNumber.joined(separator: ", ") + ", {fixed_cents: N} or {list_price_share_ppm: N}"
    if let text = r.value?.string {
      switch text {
      case "value_gap": return .valueGap
      case "list_price_times_rate" where hasRate: return .listPriceTimesRate
      case "list_price_times_miss" where hasRate: return .listPriceTimesMiss
      default: throw r.error("\"\(text.prefix(60))\"", allowed: hasRate ? allowed : allowed + " (a rate needs `rate`)")
      }
    }
    guard r.value?.object?.count == 1 else { throw r.error("no formula", allowed: allowed) }
    try r.allow(["fixed_cents", "list_price_share_ppm"])
    if r["fixed_cents"].isPresent { return .fixed(cents: try r["fixed_cents"].integer(in: 0...1_000_000_000)) }
    return .listPriceShare(ppm: try r["list_price_share_ppm"].integer(in: 0...1_000_000))
  }

  private static func call(_ r: DocumentReader) throws(DocumentError) -> Call {
    try r.allow(["tool", "arguments", "current", "undo"])
    var undo: Call.Undo?
    if r["undo"].isPresent {
      try r["undo"].allow(["tool", "arguments"])
      undo = Call.Undo(tool: try tool(r["undo"]["tool"]), arguments: try template(r["undo"]["arguments"]))
    }
    return Call(
      tool: try tool(r["tool"]), arguments: try template(r["arguments"]),
      current: r["current"].isPresent ? try template(r["current"]) : .object([:]), undo: undo)
  }

  /// A tool is named outright: no placeholder can choose one.
  private static func tool(_ r: DocumentReader) throws(DocumentError) -> String {
    let text = try r.string("the name of a tool, such as crm.close_lost")
    let isName = text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy {
      InstanceID(rawValue: String($0)) != nil
    }
    guard isName, text.contains(".") else {
      throw r.error(
        "\"\(text.prefix(60))\"", allowed: "the name of a tool, such as crm.close_lost, without placeholders")
    }
    return text
  }
}
