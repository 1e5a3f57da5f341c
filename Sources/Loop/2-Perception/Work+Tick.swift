import CanonicalJSON
import Cryptography
import Domain

extension Work {
  /// A business day is over: applies what waited for it, then judges the rules over the state of that day.
  func tick(_ tick: Tick) throws -> [Derived] {
    try load()
    let today = tick.day
    guard clock.ticked.map({ today > $0 }) ?? true else { return [] }
    for (_, event) in try rows.scan(.event, prefix: "") { drafts += SignalDraft(event).map { [$0] } ?? [] }
    for (key, _) in try rows.scan(.event, prefix: "") { rows.set(.event, key, nil) }
    try pass(to: today)
    let isBaseline = try isBaselineDay(today)
    try apply(try due(today), today: today)
    try settleClosings()
    try judgeStalls(today)
    if hasLoadChanged { try judgeLoad(isSilent: isBaseline) }
    try judgeHeat(today, isSilent: isBaseline)
    rows.set(.clock, "clock", clock.json)
    return [Derived(kind: .signals, body: try signals(today))]
  }

  /// Moves the clock and everything that moves with it, day by day.
  private func pass(to today: BusinessDay) throws {
    let first = clock.ticked?.advanced(byDays: 1) ?? today
    for number in first.number...today.number { try shiftHeat(to: BusinessDay(number: number)) }
    clock.first = clock.first ?? today
    clock.historyFrom = min(clock.historyFrom ?? today, today)
    clock.given = max(clock.given ?? today, today)
    clock.ticked = today
    clock.ticks += 1
    hasLoadChanged = try rows.get(.clock, "load_moved") != nil
    rows.set(.clock, "load_moved", nil)
  }

  /// The versions that waited for this day or an earlier one, in canonical order.
  private func due(_ today: BusinessDay) throws -> [MappedRecord] {
    let waiting = try rows.scan(.pending, from: "", until: today.advanced(byDays: 1).description)
    var records: [MappedRecord] = []
    for (key, row) in waiting {
      guard let record = MappedRecord(row) else {
        throw PerceptionError.damagedRow(space: Space.pending.rawValue, key: key)
      }
      records.append(record)
      rows.set(.pending, key, nil)
    }
    // They come by day; what a deal names must be there before the deal, whenever it last changed.
    return records.enumerated().sorted {
      ($0.element.entity.rank, $0.offset) < ($1.element.entity.rank, $1.offset)
    }.map(\.element)
  }

  /// Whether a first sync ends today: what the rules find then was there before us.
  private func isBaselineDay(_ today: BusinessDay) throws -> Bool {
    try rows.scan(.instance, prefix: "").contains { Instance($0.1)?.baselineDay == today }
  }

  // MARK: - Signals

  /// What was noticed between two ticks waits for the next one.
  func keepDrafts() throws {
    if hasLoadChanged { rows.set(.clock, "load_moved", true) }
    for (index, draft) in drafts.enumerated() {
      rows.set(.event, RowKey.of(RowKey.number(position.number), RowKey.number(UInt64(index))), .object(draft.json))
    }
    drafts = []
  }

  /// The day's set as the body of a `.signals` entry: in order of kind and subject, each with its stable id.
  private func signals(_ today: BusinessDay) throws -> JSONValue {
    let order = drafts.enumerated().sorted {
      ($0.element.kind.rawValue, $0.element.subject, $0.offset) < (
        $1.element.kind.rawValue, $1.element.subject, $1.offset
      )
    }.map(\.element)
    var same = 0
    var signals: [JSONValue] = []
    for (index, draft) in order.enumerated() {
      let isSame = index > 0 && order[index - 1].kind == draft.kind && order[index - 1].subject == draft.subject
      same = isSame ? same + 1 : 0
      let id = StableID.of(
        "signal", [draft.kind.rawValue, draft.subject.type, draft.subject.id, today.description, String(same)])
      var json = draft.json
      json["id"] = .string(id.hex)
      json["day"] = .string(today.description)
      signals.append(.object(json))
    }
    for (kind, group) in Dictionary(grouping: order, by: \.kind) { try tally(kind, group.count, today) }
    return ["day": .string(today.description), "signals": .array(signals)]
  }

  private func tally(_ kind: SignalKind, _ amount: Int, _ today: BusinessDay) throws {
    let row = try rows.get(.tally, kind.rawValue) ?? ["first": JSONValue(today)]
    rows.set(.tally, kind.rawValue, row.with("count", JSONValue(row.int("count") + amount)))
  }
}
