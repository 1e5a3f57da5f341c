import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import WholeLoop

/// What survives the host: the journal, the tenant's database, the published log and its high-water mark.
final class SimulatedDisk {
  let journal: SimulatedJournal
  let store: FadingStore
  private(set) var objects: [String: [UInt8]] = [:]
  private(set) var highWater: HighWater?
  private let chance: Chance
  private let trace: Trace
  /// How many of 1,000 visits of a crash point end the host there.
  var crashesPerMille = 0

  init(chance: Chance, trace: Trace, salt: @escaping (Int) -> [UInt8]) {
    self.chance = chance
    self.trace = trace
    journal = SimulatedJournal { salt(16) }
    store = FadingStore()
    store.reach = { [unowned self] point in try reach(point) }
  }

  /// - Parameter weight: How much likelier than others; for points that are seldom visited.
  func reach(_ point: CrashPoint, weight: Int = 1) throws { try reach(point.rawValue, weight: weight) }
  func reach(_ point: String, weight: Int = 1) throws {
    guard crashesPerMille > 0, chance.below(1_000) < weight * crashesPerMille else { return }
    trace.note("crash at \(point)")
    throw Crash(point: point)
  }

  /// Commits these entries and whatever waits before them, in one transaction.
  /// - Returns: The position of each, in order.
  func append(_ entries: [NewEntry]) throws -> [Position] {
    journal.submit(entries)
    try commit()
    return entries.map { journal.position(of: $0.id)! }
  }

  func commit() throws {
    try reach(.journalBeforeCommit)
    journal.commit()
    try reach(.journalAfterCommit)
  }

  /// Objects become durable one after the other; a crash leaves the first ones.
  func write(_ files: [(path: String, bytes: [UInt8])]) throws {
    for (path, bytes) in files {
      try reach("object.between")
      objects[path] = bytes
    }
  }

  func set(_ mark: HighWater) { highWater = mark }

  /// The power fails: what was not committed is gone, and of the database's last transactions some, but never an
  /// earlier one without all later ones.
  func fail(losingOrder: Bool) {
    journal.lose()
    guard chance.percent(50) else { return }
    let lost = store.fade(chance.within(0...store.fadingCount), losingOrder: losingOrder)
    if lost > 0 { trace.note("lost transactions", "\(lost)") }
  }
}

/// The journal as its port promises it: entries in the order of their commit, each id once, read when durable.
final class SimulatedJournal {
  static let tenant = TenantID(unchecked: "acme")
  private(set) var entries: [Entry] = []
  private var positions: [Digest: Position] = [:]
  private var waiting: [NewEntry] = []
  private let salt: () -> [UInt8]

  init(salt: @escaping () -> [UInt8]) { self.salt = salt }

  var head: Position { Position(UInt64(entries.count)) }
  var isWaiting: Bool { !waiting.isEmpty }

  func position(of id: Digest) -> Position? { positions[id] }
  func submit(_ new: [NewEntry]) { waiting += new }
  func lose() { waiting = [] }

  func commit() {
    for new in waiting where positions[new.id] == nil {
      let entry = Entry(partition: .tenant(Self.tenant), position: head.next, salt: salt(), content: new)
      positions[new.id] = entry.position
      entries.append(entry)
    }
    waiting = []
  }

  func read(after position: Position, countMax: Int) -> [Entry] {
    Array(entries.dropFirst(Int(position.number)).prefix(countMax))
  }
  subscript(position: Position) -> Entry { entries[Int(position.number) - 1] }

  /// Hash of every byte that a reader can see.
  var digest: Digest {
    SHA256.digest(
      entries.flatMap { entry -> [UInt8] in
        entry.id.bytes + entry.salt + Array("\(entry.kind) \(entry.recordedAtMs) ".utf8) + entry.body
      })
  }
}

/// A database whose last committed transactions may be lost with the power, the latest first (SQLite, WAL, `NORMAL`).
final class FadingStore: StateStore, @unchecked Sendable {  // confined to the one thread of its simulation
  let memory = MemoryStateStore()
  var reach: (CrashPoint) throws -> Void = { _ in }
  /// What each of the last transactions replaced, oldest first.
  private var undo: [[Replaced]] = []
  private static let countMax = 12

  typealias Replaced = (space: Space, key: String, value: JSONValue?)

  var fadingCount: Int { undo.count }

  func transaction<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    var replaced: [Replaced] = []
    let result = try memory.transaction { state in
      let watched = Watched(state)
      let result = try body(watched)
      try reach(.stateBeforeCommit)
      replaced = watched.replaced
      return result
    }
    undo.append(replaced)
    if undo.count > Self.countMax { undo.removeFirst() }
    try reach(.stateAfterCommit)
    return result
  }

  func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result { try memory.view(body) }

  /// Loses the last `count` transactions; a broken disk loses one and keeps those after it.
  func fade(_ count: Int, losingOrder: Bool) -> Int {
    guard count > 0 else { return 0 }
    let lost = losingOrder && count > 1 ? [undo[undo.count - count]] : undo.suffix(count).reversed()
    // A closure that throws nothing on a store that throws nothing of its own.
    try! memory.transaction { state in
      for transaction in lost {
        for (space, key, value) in transaction.reversed() {
          if let value { try state.set(space, key, value) } else { try state.remove(space, key) }
        }
      }
    }
    undo = []
    return lost.count
  }

  private final class Watched: StateTransaction {
    private let inner: any StateTransaction
    var replaced: [Replaced] = []
    init(_ inner: any StateTransaction) { self.inner = inner }

    func value(_ space: Space, _ key: String) throws -> JSONValue? { try inner.value(space, key) }
    func scan(
      _ space: Space, from: String, until: String?, reversed: Bool, countMax: Int
    ) throws -> [(String, JSONValue)] {
      try inner.scan(space, from: from, until: until, reversed: reversed, countMax: countMax)
    }
    func tally(_ space: Space, by member: String, countMax: Int) throws -> [String: Int] {
      try inner.tally(space, by: member, countMax: countMax)
    }
    func count(_ space: Space, prefix: String, countMax: Int) throws -> Int {
      try inner.count(space, prefix: prefix, countMax: countMax)
    }
    func spaces() throws -> [Space] { try inner.spaces() }
    func set(_ space: Space, _ key: String, _ value: JSONValue) throws {
      replaced.append((space, key, try inner.value(space, key)))
      try inner.set(space, key, value)
    }
    func remove(_ space: Space, _ key: String) throws {
      replaced.append((space, key, try inner.value(space, key)))
      try inner.remove(space, key)
    }
  }
}
