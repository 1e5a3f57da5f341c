// WorldModel: what is believed, since when and why. Comes in: entity changes, signal sets, and of starts and receipts the
// versions that our own writes gave their targets. Goes out: answers as of
// a business day and a journal position. It never forgets a version, and takes nothing from anywhere else.

import CanonicalJSON
package import Domain

extension Space {
  /// type/id/position/sequence → a node from there on: its fields (null: gone), the day from which that holds, evidence.
  static let node = Space("world.node")
  /// target's type/id/relation/source's type/id/position/sequence → whether the edge is there from then on.
  static let edge = Space("world.edge")
  /// type/normalized name/id → the names it was called by.
  static let name = Space("world.name")
  /// account (or else the subject)/day/signal → a node of type `risk` or `event`, with its edges in its key and subject.
  static let notice = Space("world.notice")
  /// subject's type/id/signal → the key of a risk that has not ended.
  static let risk = Space("world.risk")
}

/// What an edge says. Raw values are persisted.
package enum Relation: String, Sendable, CaseIterable {
  case ownedBy = "owned_by"
  case forAccount = "for_account"
  case ofProduct = "of_product"
  case subsidiaryOf = "subsidiary_of"
  case worksFor = "works_for"
  case memberOf = "member_of"
  case ledBy = "led_by"

  /// The relations that a reference field of a node stands for.
  static let byField: [String: [String: (relation: Relation, target: String)]] = [
    "opportunity": [
      "owner": (.ownedBy, "rep"), "account": (.forAccount, "account"), "product": (.ofProduct, "product"),
    ],
    "account": ["parent": (.subsidiaryOf, "account")],
  ]
}

/// The third stage of the loop: keeps what Perception found as typed nodes and edges in two times.
package struct WorldModelStage: Sendable {
  package init() {}

  /// Keeps what changed, in the order given.
  package func apply(_ changes: [EntityChange], to state: any StateTransaction) throws {
    for change in changes { try Graph(state, at: change.position).keep(change) }
  }

  /// Keeps the signals of a `.signals` entry, and which version a write of ours gave its target; other entries say nothing
  /// of the world.
  package func apply(_ entry: Entry, to state: any StateTransaction) throws {
    switch entry.kind {
    case .signals: try keep(signals: try JSONValue(parsing: entry.body), at: entry.position, in: state)
    case .effectStarted: try OwnVersions.begin(try JSONValue(parsing: entry.body).decode(EffectStart.self), in: state)
    case .receipt: try OwnVersions.end(try JSONValue(parsing: entry.body).decode(Receipt.self), in: state)
    case .intake, .delivery, .activation, .choice, .order, .tick, .proposals, .verdicts, .epoch: break
    }
  }

  /// - Parameter set: a `SignalSet` as JSON, read as it is: a day may hold thousands.
  package func keep(signals set: JSONValue, at position: Position, in state: any StateTransaction) throws {
    guard let day = set["day"]?.string else { return }
    let graph = Graph(state, at: position)
    for signal in set["signals"]?.array ?? [] { try graph.keep(signal, day) }
  }
}

/// The graph as one entry changes it.
struct Graph {
  let state: any StateTransaction
  let position: Position

  init(_ state: any StateTransaction, at position: Position) {
    self.state = state
    self.position = position
  }

  private var at: String { RowKey.number(position.number) }
  private func sequence(_ number: Int) -> String { RowKey.number(UInt64(number)) }

  func keep(_ change: EntityChange) throws {
    let evidence: JSONValue = [
      "stream": .string(change.evidence.stream.rawValue), "key": .string(change.evidence.key),
      "commitment": .string(change.evidence.commitment.hex),
    ]
    var row: [String: JSONValue] = [
      "valid_from": .string(change.day.description), "fields": change.after.map { .object($0) } ?? .null,
      "version": .string(change.sourceVersion), "evidence": evidence,
    ]
    row["permit"] = change.linkedPermit.map { .string($0.hex) }
    let subject = change.subject
    try state.set(.node, RowKey.of(subject.type, subject.id, at, sequence(change.sequence)), .object(row))
    try keepEdges(change, evidence)
    if subject.type == "rep" { try keepTeam(change, evidence) }
    if change.fields.contains(where: { $0.name == "name" }) { try keepName(change) }
    if subject.type == "opportunity" {
      try endRisks(change)
      try keepDealIndexes(change)
    }
  }

  private func keepEdges(_ change: EntityChange, _ evidence: JSONValue) throws {
    for (field, edge) in Relation.byField[change.subject.type] ?? [:] {
      let from = change.before?[field].flatMap(Reference.init)?.id
      let to = change.after?[field].flatMap(Reference.init)?.id
      guard from != to else { continue }
      if let from { try put(edge.relation, Subject(type: edge.target, id: from), change, false, evidence) }
      if let to { try put(edge.relation, Subject(type: edge.target, id: to), change, true, evidence) }
    }
  }

  private func put(
    _ relation: Relation, _ target: Subject, _ change: EntityChange, _ isThere: Bool, _ evidence: JSONValue
  ) throws {
    try state.set(
      .edge,
      RowKey.of(
        target.type, target.id, relation.rawValue, change.subject.type, change.subject.id, at,
        sequence(change.sequence)),
      ["there": .bool(isThere), "valid_from": .string(change.day.description), "evidence": evidence])
  }

  /// A manager and a team are known only by the reps that name them.
  private func keepTeam(_ change: EntityChange, _ evidence: JSONValue) throws {
    let from = change.before?["manager"]?.string
    let to = change.after?["manager"]?.string
    guard from != to else { return }
    for (name, isThere) in [(from, false), (to, true)] {
      guard let name else { continue }
      let manager = Subject(type: "manager", id: name)
      let team = Subject(type: "team", id: name)
      try put(.worksFor, manager, change, isThere, evidence)
      try put(.memberOf, team, change, isThere, evidence)
      guard isThere, try state.last(.node, prefix: RowKey.prefix(team.type, team.id)) == nil else { continue }
      for (node, fields) in [
        (manager, ["name": .string(name)]),
        (team, ["manager": .string(name), "region": change.after?["region"] ?? .null]),
      ] as [(Subject, [String: JSONValue])] {
        try state.set(
          .node, RowKey.of(node.type, node.id, at, sequence(change.sequence)),
          [
            "valid_from": .string(change.day.description), "fields": .object(fields), "version": "",
            "evidence": evidence,
          ])
      }
      try state.set(
        .edge,
        RowKey.of("manager", name, Relation.ledBy.rawValue, "team", name, at, sequence(change.sequence)),
        ["there": true, "valid_from": .string(change.day.description), "evidence": evidence])
    }
  }

  private func keepName(_ change: EntityChange) throws {
    for text in [change.after?["name"]?.string, change.subject.id].compactMap(\.self) {
      try state.set(.name, RowKey.of(change.subject.type, Reference.normalized(text), change.subject.id), true)
    }
  }

  // MARK: - Risks and events

  /// What threatens until something ends it; anything else that was noticed just happened.
  private static let risks: Set<String> = [
    "deal.stalled", "deal.value_dropped", "deal.close_slipped", "opportunity.missing_account", "owner.losing_streak",
    "owner.overloaded", "account.cooling", "product.unknown",
  ]

  func keep(_ signal: JSONValue, _ day: String) throws {
    guard let id = signal["id"]?.string, let kind = signal["kind"]?.string,
      let type = signal["subject"]?["type"]?.string, let subject = signal["subject"]?["id"]?.string
    else { return }
    let account = signal["account"]?.string
    let key = account.map { RowKey.of("account", $0, day, id) } ?? RowKey.of(type, subject, day, id)
    let isRisk = Self.risks.contains(kind)
    var row = signal.object ?? [:]
    row["type"] = isRisk ? "risk" : "event"
    row["position"] = .integer(Int64(position.number))
    try state.set(.notice, key, .object(row))
    if isRisk, type == "opportunity" { try state.set(.risk, RowKey.of(type, subject, id), .string(key)) }
  }

  /// A closed deal threatens no longer; one that was given its account misses none.
  private func endRisks(_ change: EntityChange) throws {
    let stage = change.after?["stage"]?.string
    let isOver = change.after == nil || stage == "won" || stage == "lost"
    let hasAccount = change.after?["account"] != nil && change.before != nil
    guard isOver || (hasAccount && change.before?["account"] == nil) else { return }
    for (key, value) in try state.scan(.risk, prefix: RowKey.prefix(change.subject.type, change.subject.id)) {
      guard let noticeKey = value.string, case .object(var row)? = try state.value(.notice, noticeKey),
        isOver || row["kind"]?.string == "opportunity.missing_account"
      else { continue }
      row["ended"] = ["day": .string(change.day.description), "position": .integer(Int64(position.number))]
      try state.set(.notice, noticeKey, .object(row))
      try state.remove(.risk, key)
    }
  }
}
