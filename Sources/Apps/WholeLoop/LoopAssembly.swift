// WholeLoop: the stages in their order, and the pure half of everything that drives them. Journal entries, the state and
// the time come in; out go state, entries to append, starts to send and files to publish. It waits for nobody: the host
// drives it on actors and disks, the simulator by a seed.

import Action
import CanonicalJSON
import ConnectorFabric
import Cryptography
package import Decision
package import Domain
import Learning
import Perception
package import Policy
import ToolPlane
import TrustLedger
import WorldModel

/// The loop as one pure function: an entry and the state before it give the state after it and what follows from it.
///
/// What follows goes into the outbox, in the same transaction as position and state. A derived entry that is found in
/// the journal strikes its row of the outbox: the journal is the fact, and nothing is appended twice.
package struct LoopAssembly: Sendable {
  package static let position = Space("loop.position")
  package static let outbox = Space("loop.outbox")
  /// `trimmed` → the last `Trim`.
  package static let retention = Space("loop.retention")

  private let fabric = FabricStage()
  private let perception = PerceptionStage()
  private let world = WorldModelStage()
  private let recent = RecentSignals()
  private let learning = LearningStage()
  private let decision: DecisionStage
  package let policy = PolicyStage(world: { WorldFacts($0) })
  private let action = ActionStage()
  private let ledger = LedgerStage()

  package init(decision: DecisionStage = DecisionStage()) { self.decision = decision }

  /// Applies one entry. Entries come in order, without gaps.
  package func apply(_ entry: Entry, to state: any StateTransaction) throws {
    let applied = try Self.applied(state)
    guard entry.position == applied.next else {
      throw LoopError.outOfOrder(partition: entry.partition.name, applied: applied, given: entry.position)
    }
    if entry.kind.isDerived { try strike(entry.id, state) }
    var ordinals: [EntryKind: Int] = [:]
    for (index, derived) in try stages(entry, state).enumerated() {
      let ordinal = ordinals[derived.kind, default: 0]
      ordinals[derived.kind] = ordinal + 1
      let id = StableID.derived(cause: entry.id, stage: derived.kind, ordinal: ordinal)
      let row = OutboxRow(id: id, kind: derived.kind, cause: entry.position, body: derived.body)
      try state.set(Self.outbox, Self.outboxKey(entry.position, index), try JSONValue(encoding: row))
      try state.set(Self.outbox, "id/\(id.hex)", .string(Self.outboxKey(entry.position, index)))
    }
    try state.set(Self.position, "applied", .integer(Int64(entry.position.number)))
  }

  /// Every stage, in the order in which what one says is of use to the next.
  private func stages(_ entry: Entry, _ state: any StateTransaction) throws -> [Derived] {
    var derived = try fabric.apply(entry, to: state)
    let perceived = try perception.apply(entry, to: state)
    derived += perceived.derived
    try world.apply(perceived.changes, to: state)
    try world.apply(entry, to: state)
    _ = try recent.apply(entry, to: state)
    let suggestion = try learning.apply(entry, to: state)
    derived += try decision.apply(
      entry, to: state, world: WorldFacts(state), catalogue: try catalogue(for: entry, state),
      people: entry.kind == .signals ? try Rules.governance(state).named : [],
      also: suggestion.map { [$0.proposal] } ?? [])
    derived += try policy.apply(entry, to: state)
    derived += try action.apply(entry, to: state)
    if entry.kind == .choice { try tellDecision(of: JSONValue(parsing: entry.body).decode(Choice.self), state) }
    if entry.kind == .order {
      let order = try JSONValue(parsing: entry.body).decode(Order.self)
      try tellDecision(of: order, state)
      if let trim = order.trim { try state.set(Self.retention, "trimmed", try JSONValue(encoding: trim)) }
    }
    derived += try ledger.apply(entry, to: state)
    return derived
  }

  /// Whether an answer counted is the action stage's to say; a proposal is settled when enough people have agreed.
  private func tellDecision(of choice: Choice, _ state: any StateTransaction) throws {
    switch try Approval.of(choice.proposal, in: state)?.state {
    case .approved?: try decision.settle(choice.proposal, as: .approve, state)
    case .rejected?: try decision.settle(choice.proposal, as: .reject, state)
    case .pending?, .expired?, .spent?, .withdrawn?, nil: break
    }
  }

  /// What the host took off for good is decided anew when its target has changed. What was judged anew meanwhile stands.
  private func tellDecision(of order: Order, _ state: any StateTransaction) throws {
    guard order.verb == .withdraw, order.by == nil, let id = Digest(hex: order.target),
      let action = try ActionRecord.of(id, in: state), action.state == .withdrawn, try Standing.of(id, in: state) == nil
    else { return }
    let now = try ActionTurn.version(of: action.subject, state)
    let isOutdated = action.call.targetVersion != nil && now != nil && now != action.call.targetVersion
    try decision.takeOff(id, reason: order.argument ?? "The host took it off.", isOutdated: isOutdated, state)
  }

  /// The tools of the tenant's enabled executors; only signals lead to calls.
  private func catalogue(for entry: Entry, _ view: any StateView) throws -> ToolCatalogue {
    entry.kind == .signals ? try Self.catalogue(view) : try ToolCatalogue([])
  }

  package static func catalogue(_ view: any StateView) throws -> ToolCatalogue {
    try ToolCatalogue.assemble(
      from: try view.scan(FabricStage.instances).compactMap { name, document in
        InstanceID(rawValue: name).map { (instance: $0, document: document) }
      })
  }

  /// The last order to let entries go.
  package static func trimmed(_ view: any StateView) throws -> Trim? {
    try view.value(retention, "trimmed")?.decode()
  }

  /// The last applied position.
  package static func applied(_ view: any StateView) throws -> Position {
    Position(UInt64(try view.value(position, "applied")?.integer ?? 0))
  }

  /// What waits to be appended or to be found in the journal, in order, after one that is known already.
  package static func pending(
    _ view: any StateView, after key: String = "", countMax: Int = 1_000
  ) throws -> [(key: String, row: OutboxRow)] {
    let from = key.isEmpty ? "at/" : key + "\u{0}"
    return try view.scan(outbox, from: from, until: "at0", reversed: false, countMax: countMax)
      .map { ($0.0, try $0.1.decode()) }
  }

  /// What waits under this id.
  package static func pendingRow(_ id: Digest, in view: any StateView) throws -> OutboxRow? {
    guard let key = try view.value(outbox, "id/\(id.hex)")?.string else { return nil }
    return try view.value(outbox, key)?.decode()
  }

  private func strike(_ id: Digest, _ state: any StateTransaction) throws {
    guard let key = try state.value(Self.outbox, "id/\(id.hex)")?.string else { return }
    try state.remove(Self.outbox, key)
    try state.remove(Self.outbox, "id/\(id.hex)")
  }

  private static func outboxKey(_ position: Position, _ index: Int) -> String {
    "at/\(FabricStage.key(position))/\(FabricStage.key(Position(UInt64(index))))"
  }
}

extension Order {
  /// What it lets go, when it is an order to trim that can be read.
  package var trim: Trim? {
    guard verb == .trim, target == Trim.target, let argument else { return nil }
    return try? JSONValue(parsing: argument).decode()
  }
}

/// A derived entry on its way to the journal.
package struct OutboxRow: Codable, Sendable, Equatable {
  package let id: Digest
  package let kind: EntryKind
  package let cause: Position
  package let body: JSONValue
}

package enum LoopError: OperatorError, Equatable {
  case outOfOrder(partition: String, applied: Position, given: Position)

  package var code: String { "loop.out_of_order" }
  package var message: String {
    switch self {
    case .outOfOrder(let partition, let applied, let given):
      "Entry \(given) of \(partition) was to be applied after entry \(applied): the journal has a gap."
    }
  }
  package var remedy: String { "Run `sluice doctor --deep`; restore the missing segment from a backup." }
}
