import CanonicalJSON
import Decision
package import Domain
import MemoryStorage
import SQLiteStorage
import WholeLoop

package enum ReplayError: OperatorError, Equatable {
  case differs(stage: String, position: Position, recorded: String, derived: String, reason: String)
  case inputDamaged(stage: String, reason: String)

  package var code: String {
    switch self {
    case .differs: "replay.differs"
    case .inputDamaged: "replay.input_damaged"
    }
  }
  package var message: String {
    switch self {
    case .differs(let stage, let position, let recorded, let derived, let reason):
      "The stage `\(stage)` at entry \(position) does not replay: \(reason) (recorded \(recorded), derived \(derived))."
    case .inputDamaged(let stage, let reason): "The stage `\(stage)` cannot be replayed. \(reason)"
    }
  }
  package var remedy: String {
    "The journal or the program was changed. Compare `sluice --version` with the one that recorded it, and run `sluice ledger verify`."
  }
}

extension RunningHost {
  /// Replays a tenant's journal up to the verdict on `decision`, or whole. The host goes on meanwhile.
  func replay(_ tenant: TenantID, decision: Digest?) async throws -> JSONValue {
    let (past, journal) = (past(of: tenant), journal)
    return try await longWork.run { _ in try await Self.replay(tenant, decision: decision, past, journal) }
  }

  private static nonisolated(nonsending) func replay(
    _ tenant: TenantID, decision: Digest?, _ past: TrimmedPast, _ journal: SQLiteJournal
  ) async throws -> JSONValue {
    let store = MemoryStateStore()
    var replay = Replay(into: store)
    var decisions = 0
    var shown: [JSONValue] = []
    var position = try await past.begin(in: store)
    let beginning = position
    reading: while true {
      let entries: [Entry]
      do {
        entries = try await journal.read(.tenant(tenant), after: position, countMax: 256)
      } catch JournalError.damaged(let partition, let at, let kind, let reason) {
        let error = JournalError.damaged(partition: partition, position: at, kind: kind, reason: reason)
        throw ReplayError.inputDamaged(stage: kind ?? "unknown", reason: error.message)
      }
      if entries.isEmpty { break }
      for entry in entries {
        if let finding = try replay.apply(entry) {
          throw ReplayError.differs(
            stage: finding.stage, position: finding.position, recorded: finding.recorded?.hex ?? "nothing",
            derived: finding.derived?.hex ?? "nothing", reason: finding.reason)
        }
        position = entry.position
        if entry.kind == .verdicts {
          let set = try JSONValue(parsing: entry.body).decode(VerdictSet.self)
          decisions += set.verdicts.count
          if let decision, set.verdicts.contains(where: { $0.proposal == decision }) {
            shown = try trail(to: entry, replay)
            break reading
          }
        }
      }
    }
    if let decision, shown.isEmpty {
      // It was made of entries that are gone: what it came to stands in the state that is left of them.
      let isOld = try store.view { try DecisionStage.record(decision, in: $0) != nil }
      guard isOld, beginning > .origin else {
        throw HostError.unknown("the decision \(decision)", list: "decision list")
      }
      throw JournalError.trimmed(
        partition: Partition.tenant(tenant).name, position: beginning.number, firstKept: beginning.number + 1)
    }
    return [
      "from": .integer(Int64(beginning.number + 1)),
      "same": true, "entries": .integer(Int64(replay.entryCount)), "decisions": .integer(Int64(decisions)),
      "derived": .integer(Int64(replay.stages.count)), "stages": .array(shown),
    ]
  }

  /// The stages of the day that led to a verdict set: recorded and derived hash of each.
  private static func trail(to verdict: Entry, _ replay: Replay) throws -> [JSONValue] {
    var trail: [Replay.Stage] = []
    for stage in replay.stages.reversed() {
      trail.append(stage)
      if stage.name == EntryKind.tick.rawValue { break }
    }
    return trail.reversed().map {
      [
        "stage": .string($0.name), "position": .integer(Int64($0.position.number)),
        "recorded": .string($0.recorded.hex),
        "derived": $0.derived.map { .string($0.hex) } ?? .null,
      ]
    }
  }

  /// Rebuilds every projection of a tenant from its journal and compares it row by row with what is stored. The host goes
  /// on meanwhile.
  func inspect(_ tenant: TenantID) async throws -> JSONValue {
    let runtime = try self.tenant(tenant)
    try await runtime.settle()
    let (past, journal) = (past(of: tenant), journal)
    return try await longWork.run { _ in try await Self.inspect(runtime, past, journal) }
  }

  private static nonisolated(nonsending) func inspect(
    _ runtime: TenantRuntime, _ past: TrimmedPast, _ journal: SQLiteJournal
  ) async throws -> JSONValue {
    let tenant = runtime.tenant
    let store = MemoryStateStore()
    var replay = Replay(into: store)
    var position = try await past.begin(in: store)
    let beginning = position
    var applied = Position(runtime.appliedNumber)
    while true {
      reading: while position < applied {
        let entries = try await journal.read(.tenant(tenant), after: position, countMax: 256)
        if entries.isEmpty { break }
        for entry in entries {
          if entry.position > applied { break reading }
          if let finding = try replay.apply(entry) {
            throw ReplayError.differs(
              stage: finding.stage, position: finding.position, recorded: finding.recorded?.hex ?? "nothing",
              derived: finding.derived?.hex ?? "nothing", reason: finding.reason)
          }
          position = entry.position
        }
      }
      let rebuilt = store.rows
      // A host that works on has applied more meanwhile: then what is new is replayed as well, and it is looked at again.
      let differing = try runtime.store.viewApart { view in
        applied = try LoopAssembly.applied(view)
        return applied > position ? nil : try Self.difference(rebuilt, view)
      }
      if applied > position { continue }
      if let differing { throw StateDifference(tenant: tenant.rawValue, row: differing) }
      return [
        "from": .integer(Int64(beginning.number + 1)), "rows": .integer(Int64(rebuilt.count)),
        "entries": .integer(Int64(replay.entryCount)), "same": true,
      ]
    }
  }

  /// The first row that is missing, changed or surplus.
  private static func difference(
    _ rebuilt: [(space: String, key: String, value: JSONValue)], _ view: any StateView
  ) throws -> String? {
    var counts: [String: Int] = [:]
    for row in rebuilt {
      counts[row.space, default: 0] += 1
      let stored = try view.value(Space(row.space), row.key)
      if stored?.canonicalBytes != row.value.canonicalBytes {
        return "\(row.space)/\(row.key) " + (stored == nil ? "is missing" : "holds another value")
      }
    }
    // All that are stored, not only those of the rebuilt state: a row may stand where the journal gives none.
    for space in try view.spaces().map(\.rawValue) {
      let stored = try view.scan(Space(space))
      guard stored.count != counts[space] else { continue }
      let known = Set(rebuilt.lazy.filter { $0.space == space }.map(\.key))
      if let surplus = stored.first(where: { !known.contains($0.0) }) {
        return "\(space)/\(surplus.0) follows from no entry of the journal"
      }
    }
    return nil
  }
}

package struct StateDifference: OperatorError, Equatable {
  package let tenant: String
  package let row: String
  package var code: String { "doctor.state_differs" }
  package var message: String { "The state of \(tenant) is not what its journal gives: the row \(row)." }
  package var remedy: String {
    "Stop the host, move the tenant's state.db away and start: it is rebuilt from the journal."
  }
}
