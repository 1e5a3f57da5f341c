import CanonicalJSON
import Domain
import MemoryStorage
import TestKit
import Testing
import WorldModel

private let start = BusinessDay("2024-03-01")!

/// A world that is told changes one by one.
private final class Told {
  let store = MemoryStateStore()
  private var fields: [Subject: [String: JSONValue]] = [:]
  private var position: UInt64 = 0

  func change(_ type: String, _ id: String, _ fields: [String: JSONValue]?, on offset: Int = 0) throws {
    position += 1
    let subject = Subject(type: type, id: id)
    let before = self.fields[subject]
    let names = Set((before ?? [:]).keys).union((fields ?? [:]).keys).sorted()
    let change = EntityChange(
      subject: subject, before: before, after: fields,
      fields: names.filter { before?[$0] != fields?[$0] }.map {
        .init(name: $0, from: before?[$0] ?? .null, to: fields?[$0] ?? .null)
      },
      evidence: EvidenceID(
        stream: StreamName(unchecked: "s"), key: id, commitment: Digest([UInt8](repeating: 1, count: 32))!),
      sourceVersion: "\(position)", day: start.advanced(byDays: offset), position: Position(position), sequence: 0,
      linkedPermit: nil, isBaseline: false)
    self.fields[subject] = fields
    try store.transaction { try WorldModelStage().apply([change], to: $0) }
  }

  func signal(_ kind: String, _ deal: String, account: String?, on offset: Int = 0) throws {
    position += 1
    let signal = Signal(
      id: Digest([UInt8](repeating: UInt8(position), count: 32))!, kind: kind, day: start.advanced(byDays: offset),
      subject: Subject(type: "opportunity", id: deal), account: account, owner: nil, evidence: [], facts: [:])
    let set = SignalSet(day: start.advanced(byDays: offset), signals: [signal])
    try store.transaction {
      try WorldModelStage().keep(signals: try JSONValue(encoding: set), at: Position(position), in: $0)
    }
  }

  func account(_ name: String, _ asOf: AsOf = AsOf()) throws -> AccountView {
    try store.view { try WorldQueries($0).account(named: name, asOf) }
  }
}

private func named(_ text: String, _ id: String?) -> JSONValue {
  Reference(text: text, id: id, reason: id == nil ? .unknown : .name).json
}

@Suite struct `The world model` {
  private func told() throws -> Told {
    let told = Told()
    try told.change("account", "acme", ["name": "Acme"])
    try told.change("account", "isdom", ["name": "Isdom", "parent": named("Acme", "acme")])
    try told.change("product", "gtx", ["name": "GTX Pro", "list_price": 482_100])
    try told.change("rep", "ann", ["name": "Ann", "manager": "Boss", "region": "West"])
    let deal: [String: JSONValue] = [
      "account": named("Isdom", "isdom"), "owner": named("Ann", "ann"), "product": named("GTXPro", "gtx"),
      "stage": "engaging", "engaged_on": "2024-03-01",
    ]
    try told.change("opportunity", "D1", deal, on: 1)
    try told.change("opportunity", "D2", deal.merging(["stage": "won", "value": 5_000]) { $1 }, on: 2)
    return told
  }

  @Test func `shows an account with its family, its deals, their owners and what they are worth`() throws {
    let view = try told().account("ISDOM")
    #expect(view.matchedBy == "normalized_name")
    #expect(view.parent?.id == "acme")
    #expect(view.openDeals.map(\.id) == ["D1"] && view.wonDeals.map(\.id) == ["D2"])
    #expect(view.openListCents == 482_100 && view.wonCents == 5_000)
    #expect(view.owners.map(\.name) == ["Ann"])
    #expect(view.openDeals[0].evidence.key == "D1")
    #expect(try told().account("Acme").subsidiaries.map(\.id) == ["isdom"])
  }

  @Test func `knows managers and teams by the reps who name them`() throws {
    try told().store.view { (view: any StateView) throws -> Void in
      let world = WorldQueries(view)
      let reports = try world.linked(to: Subject(type: "manager", id: "Boss"), by: .worksFor)
      let members = try world.linked(to: Subject(type: "team", id: "Boss"), by: .memberOf)
      let led = try world.linked(to: Subject(type: "manager", id: "Boss"), by: .ledBy)
      let team = try world.node("team", "Boss")
      #expect(reports.map(\.id) == ["ann"] && members.map(\.id) == ["ann"] && led.map(\.type) == ["team"])
      #expect(team?.fields["region"] == "West")
    }
  }

  @Test func `keeps a risk until its deal is closed, and an event for good`() throws {
    let told = try told()
    try told.signal("deal.engaged", "D1", account: "isdom", on: 1)
    try told.signal("deal.stalled", "D1", account: "isdom", on: 3)
    #expect(try told.account("isdom").risks.map(\.kind) == ["deal.stalled"])
    try told.change("opportunity", "D1", ["account": named("Isdom", "isdom"), "stage": "lost"], on: 5)
    let now = try told.account("isdom")
    #expect(now.risks.isEmpty && now.events.map(\.kind) == ["deal.engaged"])
    #expect(try told.account("isdom", AsOf(day: start.advanced(byDays: 4))).risks.count == 1)
  }

  @Test func `lets a deal move, go and come back in time`() throws {
    let told = try told()
    try told.change("opportunity", "D1", ["account": named("Acme", "acme"), "stage": "engaging"], on: 3)
    #expect(try told.account("isdom").openDeals.isEmpty)
    #expect(try told.account("acme").openDeals.map(\.id) == ["D1"])
    #expect(try told.account("isdom", AsOf(day: start.advanced(byDays: 2))).openDeals.map(\.id) == ["D1"])
    try told.change("opportunity", "D1", nil, on: 4)
    #expect(try told.account("acme").openDeals.isEmpty)
  }

  @Test func `answers by a former name and never chooses between two`() throws {
    let told = try told()
    try told.change("account", "isdom", ["name": "Isdom Group"], on: 1)
    #expect(try told.account("Isdom Group").matchedBy == "name")
    #expect(try told.account("Isdom", AsOf(day: start)).matchedBy == "name")
    try told.change("account", "other", ["name": "ACME"], on: 2)
    try told.change("account", "third", ["name": "AcMe"], on: 2)
    #expect(throws: WorldError.ambiguous(type: "account", name: "aCME", candidates: ["acme", "other", "third"])) {
      try told.account("aCME")
    }
    #expect(try told.account("ACME").account.id == "other")
    #expect(throws: WorldError.unknown(type: "account", name: "nobody")) { try told.account("nobody") }
  }
}
