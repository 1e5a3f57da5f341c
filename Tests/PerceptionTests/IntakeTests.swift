import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import Perception
import TestKit
import Testing

@Suite struct `Records` {
  @Test func `become changes with the fields that differ, their evidence and both times`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1")])
    try bench.complete(start)
    let second = deal("D1", version: 2, on: 1, ["owner": "Bob", "value": 10])
    try bench.take("deals", [second])
    try bench.complete(day(1))
    let change = try #require(bench.changes.last)
    #expect(change.subject == Subject(type: "opportunity", id: "D1"))
    #expect(change.fields.map(\.name) == ["owner", "value"])
    #expect(change.fields[0].from["id"] == "ann" && change.fields[0].to["id"] == "bob")
    #expect(change.fields[1].to == 1000)
    #expect(change.evidence.commitment == second.commitment)
    #expect(change.day == day(1) && change.position.number > 0 && change.sourceVersion == "2")
    let again: EntityChange = try JSONValue(encoding: change).decode()
    #expect(again == change)
  }

  @Test func `that go from A to B and back to A are two changes`() throws {
    let bench = try Bench()
    try bench.stock()
    for (version, owner) in [(1, "Ann"), (2, "Bob"), (3, "Ann")] {
      try bench.take("deals", [deal("D1", version: version, on: version - 1, ["owner": .string(owner)])])
      try bench.complete(day(version - 1))
    }
    #expect(bench.kinds(1) == ["deal.owner_changed"])
    #expect(bench.kinds(2) == ["deal.owner_changed"])
  }

  @Test func `of one version are kept once, whichever way and however often they come`() throws {
    for pushedFirst in [true, false] {
      let bench = try Bench()
      try bench.stock()
      try bench.take("deals", [deal("D1", salt: "a")], pushed: pushedFirst)
      try bench.take("deals", [deal("D1", salt: "b")], pushed: !pushedFirst)
      try bench.complete(start)
      try bench.take("deals", [deal("D1", salt: "c")], pushed: true)
      try bench.complete(day(1))
      let versions = try bench.rows("perception.version").filter { $0.0.contains("/D1/") }
      #expect(versions.count == 1)
      #expect(versions[0].1["copies"] == 3)
      #expect(versions[0].1["commitment"]?.string == deal("D1", salt: "a").commitment.hex)
      #expect(try bench.value("perception.count", "duplicates/crm/deals") == 2)
      #expect(bench.kinds(0) == ["deal.engaged"] && bench.kinds(1) == [])
    }
  }

  @Test func `of an older version are kept and never applied`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1", version: 2, on: 0, ["value": 7])])
    try bench.complete(start)
    try bench.take("deals", [deal("D1", version: 1, on: 0, ["value": 5])], pushed: true)
    try bench.complete(day(1))
    #expect(try bench.deal("D1")?["value"] == 700)
    #expect(try bench.rows("perception.version").count { $0.0.contains("/D1/") } == 2)
    #expect(try bench.value("perception.count", "older_versions/crm/deals") == 1)
    #expect(bench.kinds(1) == [])
  }

  @Test func `that say two things under one version are a dead letter`() throws {
    let bench = try Bench()
    try bench.take("deals", [deal("D1"), deal("D1", ["value": 5])])
    let letters = try bench.store.view { try DeadLetter.all(in: $0) }
    #expect(letters.map(\.code) == ["record.version_conflict"])
    // Who asks beforehand is told the same.
    let standings = try bench.store.view { view in
      try [deal("D1"), deal("D1", ["value": 5]), deal("D1", version: 2), deal("D2")].map {
        try PerceptionQueries(view).standing(of: $0, instance: "crm", stream: "deals")
      }
    }
    #expect(standings == [.copy, .conflict, .new, .new])
  }

  @Test func `that are tombstones delete, and nothing older brings back what is gone`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1")])
    try bench.complete(start)
    let tombstone = IntakeRecord(
      key: "D1", version: 3, ["on": .string(day(1).description), "deleted": true], operation: .delete)
    try bench.take("deals", [tombstone])
    try bench.complete(day(1))
    #expect(bench.changes.last?.after == nil && bench.changes.last?.before != nil)
    try bench.take("deals", [deal("D1", version: 2, on: 1)])
    try bench.complete(day(2))
    #expect(try bench.store.view { try PipelineSummary($0) }.opportunities == 0)
    #expect(try bench.rows("perception.open").isEmpty)
    try bench.take("deals", [deal("D1", version: 4, on: 3)])
    try bench.complete(day(3))
    #expect(try bench.deal("D1") != nil)
  }

  @Test func `with fields that nobody reads are taken, and the fields are counted`() throws {
    let bench = try Bench()
    try bench.take("deals", [deal("D1", ["colour": "red", "note": "known and not wanted"])])
    #expect(try bench.value("perception.count", "unread_fields/crm/deals/colour") == 1)
    #expect(try bench.value("perception.count", "unread_fields/crm/deals/note") == nil)
    #expect(try bench.rows("perception.dead_letter").isEmpty)
  }

  @Test func `that do not fit are dead letters, the rest goes on, and a corrected mapping takes them`() throws {
    let bench = try Bench()
    try bench.stock()
    var raw = deal("D3")
    raw.isJSON = false
    raw.payload = [0xFF, 0x00]
    try bench.take("deals", [deal("D1"), deal("D2", ["stage": "Paused"]), raw])
    try bench.complete(start)
    #expect(bench.signals(0).map(\.subject.id) == ["D1"])
    var letters = try bench.store.view { try DeadLetter.all(in: $0) }
    #expect(letters.map(\.code) == ["record.unknown_choice", "record.not_json"])
    #expect(letters.map(\.key) == ["D2", "D3"] && letters.map(\.index) == [1, 2])
    #expect(letters[0].reason == "The value at `stage`, \"Paused\", is none of Lead, Lost, Open, Won.")
    #expect(try bench.deadLetterCounts() == ["crm": 2])

    try bench.replay(letters[0].id)
    letters = try bench.store.view { try DeadLetter.all(in: $0) }
    #expect(letters.map(\.attempts) == [1, 0])
    #expect(try bench.deadLetterCounts() == ["crm": 2])
    try bench.activate { manifest in
      manifest = manifest.setting("mapping", "streams", "deals", "fields", "stage", "values", "Paused", to: "engaging")
    }
    try bench.replay(letters[0].id)
    #expect(try bench.store.view { try DeadLetter.all(in: $0) }.map(\.key) == ["D3"])
    #expect(try bench.deadLetterCounts() == ["crm": 1])
    let listed = try bench.store.view { try PerceptionQueries($0).deadLetters(countMax: 10) }
    #expect(listed.map { $0["key"] } == ["D3"] && listed.allSatisfy { $0["payload"] == nil && $0["reason"] != nil })
    #expect(try bench.deal("D2")?["stage"] == "engaging")
    try bench.complete(day(1))
    #expect(bench.signals(1).map(\.subject.id) == ["D2"])
    #expect(try bench.value("perception.count", "versions/opportunity/crm/deals") == 3)
    try bench.drop(letters[1].id)
    #expect(try bench.deadLetterCounts() == [:] && bench.rows("perception.dead_letter").isEmpty)
  }

  @Test func `that are dead letters are listed to the last, a few at a time`() throws {
    let bench = try Bench()
    try bench.take("deals", (1...70).map { deal("D\($0)", ["stage": "Paused"]) })
    try bench.take("deals", [deal("D1")], as: "stranger")
    for count in [0, 1, 32, 33, 64, 70, 71, 100] {
      let listed = try bench.store.view { try PerceptionQueries($0).deadLetters(countMax: count) }
      #expect(listed.map { $0["key"] } == ((1...70).map { "D\($0)" } + ["D1"]).prefix(count).map { .string($0) })
    }
    #expect(try bench.deadLetterCounts() == ["crm": 70, "stranger": 1])
  }

  @Test func `of an instance that nobody enabled are dead letters`() throws {
    let bench = try Bench()
    try bench.take("deals", [deal("D1")], as: "stranger")
    #expect(try bench.store.view { try DeadLetter.all(in: $0) }.map(\.code) == ["record.unmapped_stream"])
  }

  @Test func `of another instance do not take over an entity`() throws {
    let bench = try Bench()
    try bench.activate(ticks: false, as: "second")
    try bench.take("deals", [deal("D1")])
    try bench.complete(start)
    try bench.take("deals", [deal("D1", version: 9, on: 0, ["owner": "Bob"])], as: "second")
    #expect(try bench.store.view { try DeadLetter.all(in: $0) }.map(\.code) == ["record.claimed"])
    #expect(try bench.deal("D1")?["owner"]?["text"] == "Ann")
  }
}

extension Bench {
  func replay(_ id: String) throws {
    try apply(journal.append(.order, Order(verb: .replayDeadLetter, target: id, argument: nil, by: nil)))
  }
  func drop(_ id: String) throws {
    try apply(journal.append(.order, Order(verb: .dropDeadLetter, target: id, argument: nil, by: nil)))
  }
  func deadLetterCounts() throws -> [String: Int64] {
    try store.view { try PerceptionQueries($0).deadLetterCounts() }
  }
}

extension JSONValue {
  func setting(_ path: String..., to value: JSONValue) -> JSONValue { setting(path[...], to: value) }
  private func setting(_ path: ArraySlice<String>, to value: JSONValue) -> JSONValue {
    guard let first = path.first else { return value }
    var members = object ?? [:]
    members[first] = (members[first] ?? [:]).setting(path.dropFirst(), to: value)
    return .object(members)
  }
}
