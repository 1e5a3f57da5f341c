import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import Perception
import TestKit
import Testing

@Suite struct `Signals` {
  @Test func `are judged when every stream has reached the day, in one set per day`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1")])
    for stream in Bench.streams.dropLast() {
      try bench.apply(bench.journal.append(Bench.batch(stream, [], completing: day(2))))
    }
    #expect(bench.sets.isEmpty)
    try bench.apply(bench.journal.append(Bench.batch("deals", [], completing: day(2))))
    #expect(bench.sets.map(\.day) == [day(2)])
    try bench.complete(day(5))
    #expect(bench.sets.map(\.day) == [2, 3, 4, 5].map(day))
    try bench.complete(day(4))
    #expect(bench.sets.count == 4)
  }

  @Test func `of a day know nothing of the next, even when its records are there already`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1"), deal("D1", version: 2, on: 1, ["stage": "Lost", "closed": "2024-03-02"])])
    try bench.complete(start)
    #expect(bench.kinds(0) == ["deal.engaged"])
    #expect(try bench.deal("D1")?["stage"] == "engaging")
    try bench.complete(day(1))
    #expect(bench.kinds(1) == ["deal.lost"])
  }

  @Test func `do not come of a first sync, but of what changes after it`() throws {
    let bench = try Bench(replay: false)
    try bench.stock()
    try bench.take("deals", [deal("D1"), deal("D2", ["account": nil, "product": "GTXPro"])])
    try bench.complete(day(3))
    #expect(bench.sets.map(\.day) == [day(3)])
    #expect(bench.kinds(3) == [])
    #expect(!bench.changes.contains { !$0.isBaseline })
    try bench.take(
      "deals", [deal("D1", version: 2, on: 3, ["owner": "Bob"]), deal("D3", on: 4, ["product": "GTXPro"])])
    try bench.complete(day(4))
    #expect(bench.kinds(4) == ["deal.engaged", "deal.owner_changed"])
  }

  @Test func `name the owner who changed, the value that dropped and the close that slipped`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1", ["value": 1000, "expected": "2024-06-30"])])
    try bench.complete(start)
    try bench.take(
      "deals", [deal("D1", version: 2, on: 1, ["owner": "Bob", "value": 900, "expected": "7/15/2024"])])
    try bench.complete(day(1))
    #expect(bench.kinds(1) == ["deal.close_slipped", "deal.owner_changed", "deal.value_dropped"])
    let signals = bench.signals(1)
    #expect(signals[0].facts["days"] == 15)
    #expect(signals[1].facts["from"] == "ann" && signals[1].facts["to"] == "bob" && signals[1].owner == "bob")
    #expect(signals[2].facts["from_cents"] == 100000 && signals[2].facts["to_cents"] == 90000)
    #expect(signals.allSatisfy { $0.account == "isdom" && $0.evidence.count == 1 })
    // Less than the threshold, earlier, and closed deals say nothing.
    try bench.take("deals", [deal("D1", version: 3, on: 2, ["owner": "Bob", "value": 850, "expected": "7/1/2024"])])
    try bench.take(
      "deals", [deal("D1", version: 4, on: 3, ["owner": "Bob", "value": 850, "stage": "Won", "closed": "2024-03-04"])])
    try bench.complete(day(3))
    #expect(bench.kinds(2) == [] && bench.kinds(3) == ["deal.won"])
  }

  @Test func `have ids that follow from kind, subject and day alone`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1", ["account": nil])])
    try bench.complete(start)
    let signal = try #require(bench.signals(0).first { $0.kind == "opportunity.missing_account" })
    #expect(
      signal.id
        == StableID.of("signal", ["opportunity.missing_account", "opportunity", "D1", "2024-03-01", "0"]))
  }

  @Test func `say an unknown product once, with what it was taken for`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", ["D1", "D2", "D3"].map { deal($0, ["product": $0 == "D3" ? "Nonsense" : "gtxpro"]) })
    try bench.complete(start)
    let unknown = bench.signals(0).filter { $0.kind == "product.unknown" }
    #expect(unknown.map(\.subject.id) == ["Nonsense", "gtxpro"])
    #expect(unknown[1].facts["resolved_to"] == "gtx" && unknown[1].facts["by"] == "normalized_name")
    #expect(unknown[0].facts["resolved_to"] == nil && unknown[0].facts["by"] == "unknown")
  }
}

@Suite struct `Names` {
  func resolve(_ text: String, _ prepare: (Bench) throws -> Void = { _ in }) throws -> JSONValue? {
    let bench = try Bench()
    try bench.stock()
    try prepare(bench)
    try bench.take("deals", [deal("D1", ["account": .string(text)])])
    try bench.complete(start)
    return try bench.deal("D1")?["account"]
  }

  @Test(
    arguments: [
      ("Isdom", "isdom", "name"), ("isdom", "isdom", "key"), ("IS DOM", "isdom", "normalized_name"),
      ("ACME", "acme", "normalized_name"), ("Acme C", nil, "unknown"),
    ] as [(String, String?, String)])
  func `are resolved with the reason kept`(text: String, id: String?, reason: String) throws {
    let found = try resolve(text)
    #expect(found?["text"]?.string == text && found?["id"]?.string == id && found?["by"]?.string == reason)
  }

  @Test func `that two things bear stand for neither`() throws {
    let found = try resolve("is dom") { try $0.take("accounts", [account("isdom2", "IsDom")]) }
    #expect(found == ["text": "is dom", "by": "ambiguous", "candidates": ["isdom", "isdom2"]])
    let exact = try resolve("IsDom") { try $0.take("accounts", [account("isdom2", "IsDom")]) }
    #expect(exact?["id"] == "isdom2")
  }

  @Test func `stay what they stood for after the account is called otherwise`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("accounts", [account("acme", "New Name", version: 2, on: 1)])
    try bench.take("deals", [deal("D1", on: 1, ["account": "Acme Corp"])])
    try bench.complete(day(1))
    #expect(try bench.deal("D1")?["account"] == ["text": "Acme Corp", "id": "acme", "by": "former_name"])
  }

  @Test func `that come to be known later answer for the deals that asked in vain`() throws {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1", ["owner": "Cid"])])
    try bench.complete(start)
    #expect(try bench.deal("D1")?["owner"]?["by"] == "unknown")
    try bench.take("reps", [IntakeRecord(key: "cid", version: 1, ["name": "Cid", "on": "2024-03-02"])])
    try bench.complete(day(1))
    #expect(try bench.deal("D1")?["owner"]?["id"] == "cid")
    #expect(try bench.value("perception.load", "cid")?["open"] == 1)
    #expect(bench.kinds(1) == [])
  }

  @Test func `of parents are found in whatever order accounts come`() throws {
    let bench = try Bench()
    try bench.take("accounts", [account("a", "A", parent: "Z"), account("z", "Z")])
    try bench.complete(start)
    #expect(try bench.value("perception.entity", "account/a")?["fields"]?["parent"]?["id"] == "z")
  }
}

@Suite struct `Our own writes` {
  let permit = SHA256.digest("permit")
  func started(_ set: JSONValue) -> EffectStart {
    EffectStart(
      permit: permit, proposal: SHA256.digest("proposal"),
      call: ToolCall(
        tool: "crm.update", arguments: ["opportunity": "D1", "set": set], targetVersion: "1", current: [:], undo: nil),
      subject: Subject(type: "opportunity", id: "D1"), account: "isdom", owner: "ann", idempotencyKey: "k",
      undoes: nil, approvedBy: nil, attempt: 1)
  }
  func receipt(_ outcome: Receipt.Outcome, version: Int) -> Receipt {
    Receipt(
      permit: permit, proposal: SHA256.digest("proposal"), outcome: outcome,
      result: ["id": "D1", "version": .integer(Int64(version))], requests: [], reason: nil)
  }
  func bench() throws -> Bench {
    let bench = try Bench()
    try bench.stock()
    try bench.take("deals", [deal("D1")])
    try bench.complete(start)
    try bench.apply(
      bench.journal.append(.effectStarted, started(["stage": "Lost", "closed": "2024-03-01", "owner": "Bob"])))
    return bench
  }
  let lost = deal("D1", version: 2, on: 0, ["stage": "Lost", "closed": "3/1/2024", "owner": "Bob"])

  @Test(arguments: [true, false]) func `come back linked to their permit and propose nothing`(withReceipt: Bool) throws
  {
    let bench = try bench()
    if withReceipt { try bench.apply(bench.journal.append(.receipt, receipt(.done, version: 2))) }
    try bench.take("deals", [lost])
    try bench.complete(day(1))
    #expect(bench.changes.last?.linkedPermit == permit)
    #expect(bench.kinds(1) == [])
    #expect(try bench.deal("D1")?["stage"] == "lost")
    #expect(try bench.value("perception.load", "ann")?["open"] == 0)
    let version = try bench.rows("perception.version").first { $0.0.hasSuffix("2") && $0.0.contains("D1") }
    #expect(version?.1["linked_permit"]?.string == permit.hex)
    #expect(try bench.rows("perception.own_write").isEmpty)
    #expect(try bench.rows("perception.permit").isEmpty)
    #expect(try bench.rows("perception.cycle").isEmpty, "what we close lengthens no cycle")
  }

  @Test func `hide nothing that somebody else changed in the same version`() throws {
    let bench = try bench()
    try bench.take(
      "deals", [deal("D1", version: 2, on: 0, ["stage": "Lost", "closed": "3/1/2024", "owner": "Bob", "account": nil])])
    try bench.complete(day(1))
    #expect(bench.kinds(1) == ["opportunity.missing_account"])
  }

  @Test func `that were refused, or are another version, are no excuse`() throws {
    let refused = try bench()
    try refused.apply(refused.journal.append(.receipt, receipt(.rejected, version: 1)))
    try refused.take("deals", [lost])
    try refused.complete(day(1))
    #expect(refused.kinds(1) == ["deal.lost", "deal.owner_changed"])
    let other = try bench()
    try other.apply(other.journal.append(.receipt, receipt(.done, version: 3)))
    try other.take("deals", [lost])
    try other.complete(day(1))
    #expect(other.kinds(1) == ["deal.lost", "deal.owner_changed"])
  }
}
