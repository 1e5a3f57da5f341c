import SluiceKit
import Testing

@testable import StripePlugin

/// A Stripe with one kind of object: lists and events, newest first.
private final class FakeStripe {
  private(set) var objects: [(id: String, created: Int64, json: JSON)] = []
  private(set) var events: [JSON] = []
  var pageMax = 100

  static func customer(_ id: String, _ created: Int64, name: String, object: String = "customer") -> JSON {
    ["id": .string(id), "object": .string(object), "created": .integer(created), "name": .string(name)]
  }

  static func event(_ id: String, _ type: String, _ created: Int64, _ object: JSON) -> JSON {
    [
      "id": .string(id), "object": "event", "type": .string(type), "created": .integer(created),
      "data": ["object": object],
    ]
  }

  func change(_ id: String, at second: Int64, name: String, type: String = "customer.updated") {
    let known = objects.firstIndex { $0.id == id }
    let object = Self.customer(id, known.map { objects[$0].created } ?? second, name: name)
    if let known { objects.remove(at: known) }
    if type != "customer.deleted" {
      let created = object["created"]!.integer!
      objects.insert((id, created, object), at: objects.firstIndex { $0.created <= created } ?? objects.count)
    }
    events.insert(Self.event("evt_\(events.count)", type, second, object), at: 0)
  }

  /// A customer that is there since before all events.
  func add(_ id: String, made: Int64, name: String) {
    objects.insert((id, made, Self.customer(id, made, name: name)), at: 0)
  }

  var host: ScriptedHost { ScriptedHost { [self] request in answer(request) } }

  private func answer(_ request: HTTPRequest) -> HTTPResponse {
    let query = Dictionary(request.query) { first, _ in first }
    let from = query["created[gte]"].flatMap { Int64($0) } ?? 0
    let all = request.path == "/v1/events" ? events.filter { $0["created"]!.integer! >= from } : objects.map(\.json)
    var rest = all[...]
    if let after = query["starting_after"] {
      guard let index = all.firstIndex(where: { $0["id"]?.string == after }) else {
        let body: JSON = ["error": ["code": "resource_missing", "param": "starting_after"]]
        return HTTPResponse(status: 400, body: body.bytes)
      }
      rest = all[(index + 1)...]
    }
    let page = Array(rest.prefix(min(Int(query["limit"]!)!, pageMax)))
    let body: JSON = ["object": "list", "data": .array(page), "has_more": .bool(page.count < rest.count)]
    return HTTPResponse(status: 200, body: body.bytes)
  }
}

private let day: Int64 = 86_400
private let start: Int64 = 20_000 * day

private func source(pageSize: Int = 2) throws -> StripeSource {
  try StripeSource(StripeSource.Configuration(pageSize: pageSize))
}

private func state(_ host: ScriptedHost) -> String {
  String(decoding: host.checkpoints.last?.state ?? [], as: UTF8.self)
}

/// Of each key the newest version, as the host would keep it: its name, or nil once it is gone.
private func kept(_ records: [Record]) -> [String: String?] {
  var newest: [String: Record] = [:]
  for record in records where record.sourceOrdinal > newest[record.key]?.sourceOrdinal ?? 0 {
    newest[record.key] = record
  }
  return newest.mapValues { record in
    record.operation == .delete ? nil : (try? JSON(parsing: record.payload))?["name"]?.string
  }
}

@Suite struct `A pull of Stripe` {
  @Test func `lists everything, then follows the events, and claims the days that are over`() throws {
    let stripe = FakeStripe()
    for number in 0..<5 { stripe.add("cus_\(number)", made: 1_000 + Int64(number), name: "c\(number)") }
    stripe.change("cus_0", at: start, name: "renamed")
    let host = stripe.host
    host.nowMs = (start + day + 600) * 1_000
    try source().pull(Pull(.customers), host: host)
    #expect(kept(host.records).count == 5 && kept(host.records)["cus_0"] == "renamed")
    #expect(host.checkpoints.dropLast().allSatisfy { $0.watermarkMs == nil })
    #expect(host.checkpoints.last?.watermarkMs == (start + day) * 1_000 - 1)
    #expect(state(host) == #"{"phase":"events","since":\#(start),"pulled":\#(start + day + 600)}"#)

    let later = stripe.host
    later.nowMs = host.nowMs
    stripe.change("cus_1", at: start + 30, name: "new name")
    stripe.change("cus_2", at: start + 31, name: "c2", type: "customer.deleted")
    let settled = Pull(StripeStream.customers, state: host.checkpoints.last?.state)
    try source().pull(settled, host: later)
    #expect(!later.requests.contains { $0.path == "/v1/customers" })
    #expect(later.requests.last?.queryText.contains("created%5Bgte%5D=\(start - 300)") == true)
    let all = kept(host.records + later.records)
    #expect(all["cus_1"] == "new name" && all["cus_2"] == .some(nil) && all["cus_3"] == "c3")
  }

  @Test func `loses nothing that happens while it lists, and goes on behind each page`() throws {
    let stripe = FakeStripe()
    for number in 0..<6 { stripe.add("cus_\(number)", made: 1_000 + Int64(number), name: "c\(number)") }
    stripe.change("cus_5", at: start, name: "before")
    let whole = stripe.host
    whole.nowMs = start * 1_000
    let plain = whole.script
    // Before each request somebody renames somebody else, as long as it is listing.
    var second = start
    whole.script = { request throws(HostError) in
      if request.path == "/v1/customers" {
        second += 1
        stripe.change("cus_\(second % 6)", at: second, name: "at \(second)")
      }
      return try plain(request)
    }
    try source().pull(Pull(.customers), host: whole)
    let now = Dictionary(uniqueKeysWithValues: stripe.objects.map { ($0.id, $0.json["name"]?.string) })
    #expect(kept(whole.records) == now && now.count == 6)
    for checkpoint in whole.checkpoints {
      let rest = stripe.host
      rest.nowMs = start * 1_000
      try source().pull(Pull(.customers, state: checkpoint.state), host: rest)
      #expect(kept(whole.records + rest.records) == now)
      #expect(rest.checkpoints.last?.watermarkMs == whole.checkpoints.last?.watermarkMs)
    }
  }

  @Test func `gives one event one version, by pull and by webhook, however it is written`() throws {
    let stripe = FakeStripe()
    stripe.change("cus_1", at: start, name: "Jenny Rosen")
    let pulled = stripe.host
    pulled.nowMs = start * 1_000
    let state = #"{"phase":"events","since":\#(start),"pulled":\#(start)}"#
    try source().pull(Pull(.customers, state: Array(state.utf8)), host: pulled)
    let pushed = stripe.host
    let spaced = String(decoding: stripe.events[0].bytes, as: UTF8.self).split(separator: ",").joined(
      separator: ",\n  ")
    try source().receive(Delivery(id: "evt_0", body: Array(spaced.utf8)), host: pushed)
    #expect(pushed.records == pulled.records && pushed.records.count == 1)
    #expect(pushed.records[0].eventTimeMs == start * 1_000 && pushed.records[0].sourceVersion == "evt_0")
  }

  @Test func `orders what happened within one second by what it was`() throws {
    func version(_ type: String, _ name: String) throws -> UInt64 {
      let event = try Event(FakeStripe.event("evt", type, start, FakeStripe.customer("cus", 1, name: name)))
      return try #require(event.record).1.sourceOrdinal
    }
    for name in ["a", "b", "c", "d"] {
      let (made, changed) = (try version("customer.created", name), try version("customer.updated", "z" + name))
      let ended = try version("customer.deleted", name)
      #expect(made < changed && changed < ended && ended < UInt64(start + 1) << 20)
      #expect(try version("customer.updated", name) != changed)
    }
  }

  @Test func `keeps a subscription that has ended, and takes no notice of what has no stream`() throws {
    let host = FakeStripe().host
    func deliver(_ type: String, _ object: JSON) throws {
      try source().receive(Delivery(id: "evt", body: FakeStripe.event("evt", type, start, object).bytes), host: host)
    }
    try deliver("customer.subscription.deleted", FakeStripe.customer("sub_1", 1, name: "", object: "subscription"))
    #expect(host.records.map(\.operation) == [.upsert])
    try deliver("charge.dispute.created", FakeStripe.customer("dp_1", 1, name: "", object: "dispute"))
    try deliver("invoice.upcoming", ["object": "invoice"])
    #expect(host.records.count == 1 && host.logged == ["stripe.event_ignored", "stripe.event_ignored"])
    for body in ["", "[]", #"{"id":"evt"}"#, #"{"id":"evt","type":"x","created":-1,"data":{"object":{}}}"#] {
      let failure = try #require(throws: Failure.self) {
        try source().receive(Delivery(id: "evt", body: Array(body.utf8)), host: host)
      }
      #expect(failure.kind == .permanent && failure.code == "stripe.bad_delivery")
    }
  }

  @Test func `lists anew when Stripe has forgotten what happened meanwhile`() throws {
    let stripe = FakeStripe()
    stripe.add("cus_1", made: 1_000, name: "c")
    let host = stripe.host
    host.nowMs = start * 1_000
    func pull(pulled: Int64) throws {
      let state = #"{"phase":"events","since":5,"pulled":\#(pulled)}"#
      try source().pull(Pull(.customers, state: Array(state.utf8)), host: host)
    }
    // Quiet for years is no reason; not having looked for a month is.
    try pull(pulled: start - 28 * day)
    #expect(host.records.isEmpty)
    try pull(pulled: start - 29 * day)
    #expect(host.records.count == 1 && host.logged == ["stripe.events_expired"])
  }

  @Test func `reads a list again when the object at its cursor is gone, and refuses one without end`() throws {
    let stripe = FakeStripe()
    for number in 0..<4 { stripe.add("cus_\(number)", made: 1_000 + Int64(number), name: "c\(number)") }
    let gone = stripe.host
    let state = #"{"phase":"list","since":0,"began":0,"snapshot":0,"newest":0,"after":"cus_gone"}"#
    try source().pull(Pull(.customers, state: Array(state.utf8)), host: gone)
    #expect(kept(gone.records).count == 4 && gone.logged == ["stripe.cursor_gone"])
    let page: JSON = ["data": [FakeStripe.customer("cus_1", 1, name: "c")], "has_more": true]
    let endless = ScriptedHost {
      $0.path == "/v1/events"
        ? .init(status: 200, body: Array(#"{"data":[],"has_more":false}"#.utf8)) : .init(status: 200, body: page.bytes)
    }
    let failure = try #require(throws: Failure.self) { try source().pull(Pull(.customers), host: endless) }
    #expect(failure.code == "stripe.endless_list")
  }

  @Test(arguments: ["", "x", "[]", "{}", #"{"phase":"rest","since":1}"#, #"{"phase":"list"}"#])
  func `refuses a state that is not its own`(state: String) throws {
    let failure = try #require(throws: Failure.self) {
      try source().pull(Pull(.customers, state: Array(state.utf8)), host: FakeStripe().host)
    }
    #expect(failure.code == "stripe.bad_state")
  }
}
