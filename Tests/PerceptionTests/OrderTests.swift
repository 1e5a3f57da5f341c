import CanonicalJSON
import Domain
import MemoryStorage
import Perception
import TestKit
import Testing
import WorldModel

/// A small generator of the same numbers everywhere (SplitMix64).
struct Chance: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// A made-up CRM: what it delivers on each day.
struct MadeUpCRM {
  static let days = 40
  var versions: [[(stream: String, record: IntakeRecord)]] = []

  init(seed: UInt64) {
    var chance = Chance(state: seed)
    versions = Array(repeating: [], count: Self.days)
    let names = ["Isdom", "Acme Corp", "Zed", "zed ", "Acme  corp"]
    versions[0] = [("accounts", account("isdom", "Isdom", parent: "Zed")), ("accounts", account("acme", "Acme Corp"))]
    versions[3] = [("accounts", account("zed", "Zed", on: 3))]
    versions[9] = [("accounts", account("isdom", "Isdom Group", version: 2, on: 9))]
    versions[0] += [("products", product("gtx", "GTX Pro", 1000)), ("reps", rep("ann", "Ann", "Boss"))]
    versions[5] = [("reps", IntakeRecord(key: "bob", version: 1, ["name": "Bob", "on": .string(day(5).description)]))]
    for number in 0..<60 {
      var at = Int.random(in: 0..<Self.days, using: &chance)
      let engaged = day(at).description
      var fields: [String: JSONValue] = ["engaged": .string(engaged)]
      for version in 1...Int.random(in: 1...4, using: &chance) where at < Self.days {
        fields["owner"] = .string(["Ann", "Bob", "Cid"].randomElement(using: &chance)!)
        fields["account"] = Bool.random(using: &chance) ? .string(names.randomElement(using: &chance)!) : .null
        fields["product"] = .string(["GTX Pro", "GTXPro", "Other"].randomElement(using: &chance)!)
        fields["value"] = .integer(Int64.random(in: 1...2000, using: &chance))
        fields["stage"] = .string(["Open", "Open", "Won", "Lost"].randomElement(using: &chance)!)
        fields["expected"] = .string(day(Int.random(in: 0...90, using: &chance)).description)
        versions[at].append(("deals", deal("D\(number)", version: version, on: at, fields)))
        at += Int.random(in: 0...12, using: &chance)
      }
    }
  }

  /// Plays it: in this order and these portions or in others, some records twice.
  func play(on bench: Bench, shuffled seed: UInt64?) throws {
    var chance = Chance(state: seed ?? 0)
    for (offset, records) in versions.enumerated() {
      var records = records
      if seed != nil {
        records += records.filter { _ in Bool.random(using: &chance) }
        records.shuffle(using: &chance)
      }
      while !records.isEmpty {
        let stream = records[0].stream
        let count = seed == nil ? 1 : Int.random(in: 1...5, using: &chance)
        let portion = records.prefix { $0.stream == stream }.prefix(count)
        try bench.take(stream, portion.map(\.record), pushed: seed != nil)
        records.removeFirst(portion.count)
      }
      try bench.complete(day(offset))
    }
  }
}

@Suite struct `The order of arrival` {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func `within a day, the size of pages and copies change no signal and no state`(seed: UInt64) throws {
    let crm = MadeUpCRM(seed: seed)
    let plain = try Bench()
    try crm.play(on: plain, shuffled: nil)
    #expect(plain.sets.contains { $0.signals.count > 3 })
    for shuffle in [10, 11] as [UInt64] {
      let other = try Bench()
      try crm.play(on: other, shuffled: shuffle)
      #expect(other.sets == plain.sets)
      for space in ["perception.entity", "perception.open", "perception.load", "perception.heat", "perception.streak"] {
        let left = try plain.rows(space)
        let right = try other.rows(space)
        #expect(left.map(\.0) == right.map(\.0))
        #expect(left.map(\.1) == right.map(\.1), "\(space)")
      }
    }
  }

  @Test func `and applying the journal again gives the same state and the same derived entries`() throws {
    let bench = try Bench()
    try MadeUpCRM(seed: 4).play(on: bench, shuffled: 1)
    let again = try Bench(replay: nil)
    var derived: [Derived] = []
    for entry in bench.journal.entries { derived += try again.applyOnly(entry) }
    let journaled = bench.journal.entries.filter(\.kind.isDerived).map { $0.body }
    #expect(Set(derived.map(\.body.canonicalBytes)) == Set(journaled))
    let left = bench.store.rows
    let right = again.store.rows
    #expect(left.count == right.count && zip(left, right).allSatisfy { $0.key == $1.key && $0.value == $1.value })
  }
}

@Suite struct `Answers as of then` {
  @Test func `equal those of a world that had heard no more`() throws {
    let bench = try Bench()
    try MadeUpCRM(seed: 5).play(on: bench, shuffled: 2)
    let entries = bench.journal.entries
    for cut in stride(from: 30, to: entries.count, by: max(1, entries.count / 12)) {
      let position = entries[cut].position
      let early = try Bench(replay: nil)
      for entry in entries[...cut] { _ = try early.applyOnly(entry) }
      for name in ["isdom", "Acme Corp", "zed", "Isdom Group", "Isdom"] {
        let then = try answer(early, name, AsOf())
        let now = try answer(bench, name, AsOf(position: position))
        #expect(then == now, "\(name) as of \(position)")
      }
    }
  }

  @Test func `of a day equal those of a world without what came to hold later`() throws {
    let bench = try Bench()
    try MadeUpCRM(seed: 6).play(on: bench, shuffled: nil)
    for offset in stride(from: 0, to: MadeUpCRM.days, by: 7) {
      let store = MemoryStateStore()
      let world = WorldModelStage()
      try store.transaction { state in
        try world.apply(bench.changes.filter { $0.day <= day(offset) }, to: state)
        for entry in bench.journal.entries where entry.kind == .signals {
          let set: SignalSet = try JSONValue(parsing: entry.body).decode()
          if set.day <= day(offset) { try world.apply(entry, to: state) }
        }
      }
      for name in ["isdom", "Acme Corp", "zed"] {
        let then = try answer(store, name, AsOf())
        let now = try answer(bench.store, name, AsOf(day: day(offset)))
        #expect(then == now, "\(name) as of \(day(offset))")
      }
    }
  }

  private func answer(_ bench: Bench, _ name: String, _ asOf: AsOf) throws -> JSONValue {
    try answer(bench.store, name, asOf)
  }
  /// The answer without the question's own time; an error's code when there is none.
  private func answer(_ store: MemoryStateStore, _ name: String, _ asOf: AsOf) throws -> JSONValue {
    try store.view { view in
      do {
        var members = try JSONValue(encoding: try WorldQueries(view).account(named: name, asOf)).object ?? [:]
        members["asOf"] = nil
        return .object(members)
      } catch let error as WorldError { return .string(error.code) }
    }
  }
}
