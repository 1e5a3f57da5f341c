import Action
import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import Policy
import TrustLedger
import WholeLoop
import WorldModel

/// What must hold at the end of a run, judged by the journal and by what happened outside.
struct Audit {
  let around: Surroundings
  let host: SimulatedHost
  let entries: [Entry]

  init(_ simulation: Simulation) {
    around = simulation.around
    host = simulation.host
    entries = around.disk.journal.entries
  }

  func check() throws {
    try rebuilds()
    let waiting = try host.view { try LoopAssembly.pending($0) }
    try expect(waiting.isEmpty, "the outbox empties", "\(waiting.count) wait")
    var effects = EffectAudit(around, host)
    try effects.check()
    try takesEverythingIn()
    try believesTheCRM()
    try provesEverything()
  }

  private func expect(_ holds: Bool, _ rule: String, _ what: @autoclosure () -> String) throws {
    if !holds { throw Violation(rule, what()) }
  }

  // MARK: - Invariant 1

  /// The journal alone gives the same state and the same derived entries.
  func rebuilds() throws {
    let store = MemoryStateStore()
    var replay = Replay(into: store)
    for entry in entries.prefix(Int(host.applied.number)) {
      if let finding = try replay.apply(entry) {
        throw Violation("what was derived follows from the journal", "\(finding)")
      }
    }
    let (rebuilt, kept) = (store.rows, around.disk.store.memory.rows)
    for (left, right) in zip(rebuilt, kept) where left != right {
      throw Violation("the state follows from the journal", "\(left) is kept as \(right)")
    }
    try expect(
      rebuilt.count == kept.count, "the state follows from the journal", "\(rebuilt.count) rows, kept \(kept.count)")
  }

  // MARK: - Invariant 6

  /// Every record that was made durable, pulled or pushed, is kept as a version.
  private func takesEverythingIn() throws {
    let space = Space("perception.version")
    func expectKept(_ stream: String, _ key: String, _ number: UInt64, _ place: Position) throws {
      let row = RowKey.of(SimulatedHost.source.rawValue, stream, key, RowKey.number(number))
      let isKept = try host.view { try $0.value(space, row) } != nil
      try expect(isKept, "nothing that came in is lost", "\(stream)/\(key) version \(number) of entry \(place)")
    }
    for entry in entries {
      switch entry.kind {
      case .intake:
        let (header, records) = try IntakeBatch.decode(entry.body)
        let stream = try JSONValue(parsing: header).decode(IntakeBatch.Header.self).stream
        for record in records { try expectKept(stream.rawValue, record.key, record.sourceOrdinal, entry.position) }
      case .delivery:
        for offset in try JSONValue(parsing: entry.body)["versions"]?.array ?? [] {
          let version = around.crm.log[Int(offset.integer!)]
          try expectKept(version.stream, version.key, UInt64(version.number), entry.position)
        }
      default: break
      }
    }
  }

  /// Of every deal the newest version is believed, unless nothing can read it.
  private func believesTheCRM() throws {
    try host.view { view in
      let world = WorldFacts(view)
      for key in around.crm.deals {
        let (record, deal) = (around.crm.records[key]!, try world.deal(key))
        if record.isDeleted {
          try expect(deal == nil, "what is deleted is gone", key)
        } else if record.isSound {
          try expect(
            deal?.version == String(record.number), "the newest version is believed",
            "\(key) has version \(record.number), believed is \(deal?.version ?? "nothing")")
        }
      }
    }
  }

  // MARK: - What stands

  /// Asked when nothing is left to do: what may start has its action, and nothing that may start waits without a cause.
  func forgetsNothing() throws {
    try host.view { view in
      for (_, row) in try view.scan(Standing.space) {
        let standing = try row.decode(Standing.self)
        let name = "\(standing.proposal.playbook) on \(standing.proposal.subject): \(standing.outcome)"
        try expect(standing.saidAt != nil, "every verdict is said", name)
        let state = try ActionRecord.of(standing.proposal.id, in: view)?.state
        switch standing.outcome {
        case .allow: try expect(state?.isOpen == true, "what is allowed waits to start", "\(name), \(state as Any)")
        case .hold: try expect(state != nil, "what is held waits for a person", name)
        case .deny, .noted, .belowBudget: break
        }
      }
      for ready in try ActionStage.ready(in: view, nowMs: around.nowMs) {
        let cause = refusal(of: ready, view)
        if case .budgetSpent? = cause { continue }
        throw Violation("what may start is started", "\(ready.action.call.tool): \(cause?.code ?? "nothing stops it")")
      }
    }
  }

  private func refusal(of ready: ReadyAction, _ view: any StateView) -> PermitRefusal? {
    do throws(PermitRefusal) {
      _ = try ready.permit(
        from: host.assembly.policy, tenant: SimulatedJournal.tenant, in: view, nowMs: around.nowMs, targetVersion: nil)
      return nil
    } catch { return error }
  }

  // MARK: - The ledger

  /// Every entry that must be provable is a leaf, in order, and all of them are published.
  private func provesEverything() throws {
    let provable = entries.filter(\.kind.isLedgered)
    let leaves = try host.view { try LedgerStage.unpublished(in: $0, after: 0) }
    try expect(
      leaves.map(\.position) == provable.map(\.position), "every decision has its leaf",
      "\(leaves.count) leaves of \(provable.count) entries")
    try expect(around.disk.highWater?.size == provable.count, "every leaf is published", "\(provable.count) leaves")
    try host.verifyLedger(earlier: nil)
  }
}
