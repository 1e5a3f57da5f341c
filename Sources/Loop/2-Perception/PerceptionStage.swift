// Perception: what changed. Comes in: journal entries (activations, intake batches, ticks, started effects, receipts).
// Goes out: entity changes, ticks and one signal set per business day. It never reads a clock, does I/O or guesses.

import CanonicalJSON
package import Domain
import Synchronization

/// The second stage of the loop: records → entity changes and signals.
///
/// Records whose business day is not complete yet wait in `perception.pending`; the day's tick applies them in one
/// canonical order (kind of entity, day, key, version) and then judges the rules. So neither the order of arrival nor
/// the size of pages decides anything. A record of a day that was ticked already is applied at once, and what it
/// gives rise to is said at the next tick.
package struct PerceptionStage: Sendable {
  private let cache = MappingCache()

  package init() {}

  /// Applies one entry of a tenant's journal.
  ///
  /// - Returns: ticks, dead-letter-free signal sets and the like to be journaled, in order; and what changed.
  /// - Throws: `PerceptionError`, or what the store throws. Records that do not fit throw nothing.
  package func apply(
    _ entry: Entry, to state: any StateTransaction
  ) throws -> (derived: [Derived], changes: [EntityChange]) {
    let work = Work(state, position: entry.position, cache: cache)
    let derived: [Derived]
    switch entry.kind {
    case .activation: derived = try work.activate(try read(entry))
    case .intake: derived = try work.take(try batch(entry))
    case .tick: derived = try work.tick(try read(entry) as Tick)
    case .effectStarted:
      try work.remember(try read(entry) as EffectStart)
      derived = []
    case .receipt:
      try work.note(try read(entry) as Receipt)
      derived = []
    case .order:
      try work.obey(try read(entry) as Order)
      derived = []
    case .delivery, .choice, .signals, .proposals, .verdicts, .epoch: return ([], [])
    }
    try work.rows.flush()
    return (derived, work.changes)
  }

  /// Whether an activation can be applied: to be asked before it is journaled.
  /// - Throws: `DocumentError` naming key and line.
  package static func check(_ kind: Activation.Kind, _ document: SourceDocument) throws(DocumentError) {
    switch kind {
    case .instance: _ = try Mapping(DocumentReader(document)["manifest"]["mapping"])
    case .thresholds: _ = try Thresholds(document)
    case .playbooks, .policies, .mode, .routes: break
    }
  }

  private func read<Body: Decodable>(_ entry: Entry) throws -> Body {
    do { return try JSONValue(parsing: entry.body).decode() } catch { throw unreadable(entry, error) }
  }

  private func batch(_ entry: Entry) throws -> IntakeBatch {
    do {
      let (header, records) = try IntakeBatch.decode(entry.body)
      return IntakeBatch(header: try JSONValue(parsing: header).decode(), records: records)
    } catch { throw unreadable(entry, error) }
  }

  private func unreadable(_ entry: Entry, _ error: any Error) -> PerceptionError {
    let reason = (error as? any OperatorError)?.message ?? "\(error)"
    return .unreadable(kind: entry.kind.rawValue, position: entry.position.number, reason: reason)
  }
}

/// Parsed mappings by the hash of their activation: parsing one for every entry would cost more than applying it.
final class MappingCache: Sendable {
  private let mappings = Mutex<[String: Mapping]>([:])

  func mapping(_ hash: String, else parse: () throws -> Mapping) rethrows -> Mapping {
    if let mapping = mappings.withLock({ $0[hash] }) { return mapping }
    let mapping = try parse()
    mappings.withLock { $0[hash] = mapping }
    return mapping
  }
}

/// Applies one entry: the state, and what comes of it.
final class Work {
  let rows: Rows
  let position: Position
  let cache: MappingCache
  var changes: [EntityChange] = []
  /// What the rules said while this entry was applied.
  var drafts: [SignalDraft] = []
  /// Closings wait until every deal of the day is applied, then count in order of day and deal.
  var closings: [Closing] = []
  var thresholds = Thresholds()
  var clock = BusinessClock()
  /// What names stood for while this entry was applied.
  var resolved: [String: Reference] = [:]
  /// Accounts whose heat may have changed.
  var warmed: Set<String> = []
  var hasLoadChanged = false
  /// Those that were asked for already: every record asks for its own.
  private var instances: [String: Instance?] = [:]
  /// Whether any write of ours has yet to come back; nil: not asked.
  var ownWritesKnown: Bool?

  init(_ state: any StateTransaction, position: Position, cache: MappingCache) {
    rows = Rows(state)
    self.position = position
    self.cache = cache
  }

  func load() throws {
    clock = BusinessClock(try rows.get(.clock, "clock") ?? [:])
    if let document = try rows.get(.thresholds, "current") {
      thresholds = try Thresholds(SourceDocument(name: "thresholds", value: document, marks: [:]))
    }
  }

  func count(_ what: String, _ parts: String..., amount: Int64 = 1) throws {
    try rows.add(amount, to: .count, ([what] + parts).joined(separator: "/"))
  }

  func instance(_ name: String) throws -> Instance? {
    if let known = instances[name] { return known }
    let found = try rows.get(.instance, name).flatMap(Instance.init)
    instances[name] = .some(found)
    return found
  }
  func put(_ name: String, _ instance: Instance) {
    instances[name] = .some(instance)
    rows.set(.instance, name, instance.json)
  }

  func mapping(of instance: Instance) throws -> Mapping {
    try cache.mapping(instance.mappingHash) {
      guard let document = try rows.get(.mapping, instance.mappingHash) else {
        throw PerceptionError.damagedRow(space: Space.mapping.rawValue, key: instance.mappingHash)
      }
      return try Mapping(DocumentReader(SourceDocument(name: "mapping", value: document, marks: [:])))
    }
  }
}
