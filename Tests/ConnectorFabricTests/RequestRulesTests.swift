import CanonicalJSON
import ConnectorFabric
import Domain
import Testing

let manifestText = """
  {"sluice": 1, "name": "crm-actions", "version": "1.0.0", "summary": "x", "kind": "executor",
   "library": {"file": "a.so", "sha256": "\(String(repeating: "ab", count: 32))", "abi": 1},
   "endpoints": {"crm": {"base": "https://crm.example"}, "other": {"base": "https://other.example"}},
   "slots": {"api": {"scheme": "bearer", "endpoint": "crm"}, "elsewhere": {"scheme": "bearer", "endpoint": "other"}},
   "requests": [
     {"id": "get", "endpoint": "crm", "method": "GET", "path": "/deals/{id}", "slot": "api", "effect": "read"},
     {"id": "find", "endpoint": "crm", "method": "GET", "path": "/found", "slot": "api", "effect": "read",
      "query": ["since"], "headers": ["X-View"]},
     {"id": "patch", "endpoint": "crm", "method": "PATCH", "path": "/deals/{id}", "slot": "api", "effect": "write",
      "query": ["fields"], "headers": ["Prefer"], "idempotency_header": "Idempotency-Key", "precondition": "if_match"}],
   "actions": {"close": {"summary": "x", "effect": "write", "settle_ms": 1000, "input": {"type": "object"},
     "writes": [{"request": "patch", "count_max": 1, "path": {"id": "opportunity"}, "body": "set"}]}}}
  """

func manifest(_ change: (inout [String: JSONValue]) -> Void = { _ in }) throws -> Manifest {
  guard case .object(var members) = try JSONValue(parsing: manifestText) else { fatalError("the fixture is an object") }
  change(&members)
  return try Manifest(SourceDocument(name: "m.yaml", value: .object(members), marks: ["": .init(line: 1, column: 1)]))
}

@Suite struct `A request of a manifest` {
  private func refusal(_ method: String, _ effect: String) -> String? {
    do {
      _ = try manifest { members in
        guard case .array(var requests)? = members["requests"] else { return }
        requests.append(
          [
            "id": "new", "endpoint": "crm", "method": .string(method), "path": "/new", "slot": "api",
            "effect": .string(effect),
          ])
        members["requests"] = .array(requests)
      }
      return nil
    } catch { return "\(error)" }
  }

  // It leaves in every operation, also in a dry run and under a kill switch, and no policy is asked.
  @Test(arguments: ["PUT", "PATCH", "DELETE"]) func `reads by no method that exists to change`(method: String) {
    #expect(refusal(method, "read")?.contains("GET, HEAD or POST") == true)
    #expect(refusal(method, "write") == nil)
  }

  @Test func `reads by POST, as some upstreams are asked, and the authority says who vouches for that`() throws {
    #expect(refusal("POST", "read") == nil)
    let find: JSONValue = [
      "id": "new", "endpoint": "crm", "method": "POST", "path": "/new", "slot": "api", "effect": "read",
    ]
    var document: JSONValue = .null
    let asked = try manifest { members in
      members["requests"] = .array((members["requests"]?.array ?? []) + [find])
      document = .object(members)
    }
    let said = Authority(asked, document: document).sentences
    #expect(said.filter { $0.contains("which only its author says to change nothing") }.count == 1)
    #expect(said.contains { $0.hasPrefix("reads POST /new at crm") })
  }
}

func request(
  _ method: String = "PATCH", _ path: String = "/deals/A1", slot: String? = "api", endpoint: String = "crm",
  body: String = #"{"stage":"Lost"}"#, query: String = "", headers: [PluginRequest.Header] = [], key: String? = nil
) -> PluginRequest {
  PluginRequest(
    endpoint: endpoint, method: method, path: path, query: query, slot: slot, headers: headers, idempotencyKey: key,
    body: Array(body.utf8))
}

@Suite struct `Requests of a plugin` {
  let permitted = RequestRules.Operation.executing(
    action: "close", arguments: ["opportunity": "A1", "set": ["stage": "Lost"]], key: "permit-1", targetVersion: "3")

  @Test func `a declared read is admitted in any operation`() throws {
    var rules = RequestRules(manifest: try manifest(), operation: .reading)
    #expect(try rules.admit(request("GET", body: "")).declared.id == "get")
  }

  @Test func `what lets an upstream forget leaves only in a pull, and not with records behind the last checkpoint`()
    throws
  {
    let queue = try manifest { members in
      members["kind"] = "source"
      members["actions"] = nil
      members["streams"] = [["name": "items", "delivery": "prune_on_ack"]]
      members["requests"] = [
        ["id": "forget", "endpoint": "crm", "method": "POST", "path": "/forget", "slot": "api", "effect": "ack"]
      ]
    }
    let forget = request("POST", "/forget", body: "")
    var reading = RequestRules(manifest: queue, operation: .reading)
    #expect(
      try #require(throws: RequestRules.Refusal.self) { _ = try reading.admit(forget) }.code
        == "egress.effect_not_allowed")
    var rules = RequestRules(manifest: queue, operation: .pulling)
    #expect(try rules.admit(forget).declared.id == "forget")
    rules.emitted()
    #expect(
      try #require(throws: RequestRules.Refusal.self) { _ = try rules.admit(forget) }.code
        == "egress.ack_before_checkpoint")
    rules.checkpointed()
    #expect(try rules.admit(forget).declared.id == "forget")
    #expect(
      try #require(throws: RequestRules.Refusal.self) {
        _ = try rules.admit(request("POST", "/forget", body: "", key: "k"))
      }.code == "egress.reserved_header")
  }

  @Test func `a stream of a delivery that is not built is refused, with those that are`() throws {
    let fault = try #require(throws: DocumentError.self) {
      _ = try manifest { members in
        members["kind"] = "source"
        members["actions"] = nil
        members["streams"] = [["name": "items", "delivery": "signal_only"]]
      }
    }
    #expect(fault.message.contains("`streams[0].delivery` is \"signal_only\""))
    #expect((fault.message + fault.remedy).contains("replayable, prune_on_ack"))
  }

  @Test(arguments: [("replayable", "ack", "streams"), ("prune_on_ack", "read", "requests")])
  func `a stream that is pruned and the request that prunes it come together`(
    delivery: String, effect: String, key: String
  ) throws {
    let fault = try #require(throws: DocumentError.self) {
      _ = try manifest { members in
        members["kind"] = "source"
        members["actions"] = nil
        members["streams"] = [["name": "items", "delivery": .string(delivery)]]
        members["requests"] = [
          [
            "id": "forget", "endpoint": "crm", "method": "POST", "path": "/forget", "slot": "api",
            "effect": .string(effect),
          ]
        ]
      }
    }
    #expect(fault.message.contains(key))
  }

  @Test(arguments: [
    (request("GET", "/deals/A1/notes", body: ""), "egress.undeclared_request"),
    (request("GET", "/deals/..", body: ""), "egress.undeclared_request"),
    (request("GET", "/deals/a%2Fb", body: ""), "egress.undeclared_request"),
    (request("DELETE"), "egress.undeclared_request"),
    (request("GET", endpoint: "evil", body: ""), "egress.undeclared_request"),
    (request("GET", slot: "elsewhere", body: ""), "egress.slot_mismatch"),
    (request("GET", slot: nil, body: ""), "egress.slot_mismatch"),
    (request("PATCH"), "egress.effect_not_allowed"),
  ])
  func `what is not declared, or not for this operation, is refused by name`(asked: PluginRequest, code: String) throws
  {
    var rules = RequestRules(manifest: try manifest(), operation: .reading)
    let refusal = try #require(throws: RequestRules.Refusal.self) { _ = try rules.admit(asked) }
    #expect(refusal.code == code)
  }

  @Test func `a write leaves once, and only as the permitted call says`() throws {
    var rules = RequestRules(manifest: try manifest(), operation: permitted)
    for other in [request("PATCH", "/deals/B2"), request(body: #"{"stage":"Won"}"#), request(body: "not json")] {
      #expect(throws: RequestRules.Refusal.self) { try rules.admit(other) }
    }
    #expect(try rules.admit(request(body: #"{ "stage" : "Lost" }"#)).declared.id == "patch")
    let refusal = try #require(throws: RequestRules.Refusal.self) { _ = try rules.admit(request()) }
    #expect(refusal.code == "egress.outside_permit")
  }

  @Test func `a write bears the permit's key and version, put there by the host`() throws {
    for key in [nil, "permit-1"] {
      var rules = RequestRules(manifest: try manifest(), operation: permitted)
      let admitted = try rules.admit(request(headers: [.init("Prefer", "return=minimal")], key: key))
      #expect(
        admitted.headers == [
          .init("Prefer", "return=minimal"), .init("Content-Type", "application/json"),
          .init("Idempotency-Key", "permit-1"), .init("If-Match", "\"3\""),
        ])
    }
  }

  @Test func `a write for no version has no precondition`() throws {
    let call = RequestRules.Operation.executing(
      action: "close", arguments: ["opportunity": "A1", "set": ["stage": "Lost"]], key: "k", targetVersion: nil)
    var rules = RequestRules(manifest: try manifest(), operation: call)
    #expect(!(try rules.admit(request()).headers.contains { $0.name == "If-Match" }))
  }

  @Test(arguments: [
    (request(query: "force=true"), "egress.undeclared_query"),
    (request(query: "fields=id&force"), "egress.undeclared_query"),
    (request(query: "fields=id;force=true"), "egress.undeclared_query"),
    (request(query: "fields=id&fields=all"), "egress.undeclared_query"),
    (request(query: "fields=id&"), "egress.undeclared_query"),
    (request(query: "%66ields=id"), "egress.undeclared_query"),
    (request(query: "fields=a b"), "egress.undeclared_query"),
    (request(headers: [.init("X-Anything", "1")]), "egress.undeclared_header"),
    (request(headers: [.init("X-HTTP-Method-Override", "DELETE")]), "egress.reserved_header"),
    (request(headers: [.init("x-method-override", "DELETE")]), "egress.reserved_header"),
    (request(headers: [.init("If-Match", "*")]), "egress.reserved_header"),
    (request(headers: [.init("If-Match", "\"3\"")]), "egress.reserved_header"),
    (request(headers: [.init("Idempotency-Key", "permit-1")]), "egress.reserved_header"),
    (request(headers: [.init("Authorization", "Bearer x")]), "egress.reserved_header"),
    (request(headers: [.init("Cookie", "a=b")]), "egress.reserved_header"),
    (request(headers: [.init("Host", "evil.example")]), "egress.reserved_header"),
    (request(headers: [.init("Connection", "prefer")]), "egress.reserved_header"),
    (request(headers: [.init("Transfer-Encoding", "chunked")]), "egress.reserved_header"),
    (request(headers: [.init("Content-Length", "0")]), "egress.reserved_header"),
    (request(headers: [.init("X-Forwarded-Host", "evil.example")]), "egress.reserved_header"),
    (request(headers: [.init("Prefer", "a\r\nX-Evil: 1")]), "egress.bad_header"),
    (request(headers: [.init("Prefer : x", "a")]), "egress.bad_header"),
    (request(headers: [.init("Prefer", "a"), .init("prefer", "b")]), "egress.bad_header"),
    (request(headers: [.init("Content-Type", "application/x-www-form-urlencoded")]), "egress.outside_permit"),
    (request(key: "another"), "egress.outside_permit"),
  ])
  func `what a permitted write adds of its own is refused by name, and the write is still to be had`(
    asked: PluginRequest, code: String
  ) throws {
    var rules = RequestRules(manifest: try manifest(), operation: permitted)
    let refusal = try #require(throws: RequestRules.Refusal.self) { _ = try rules.admit(asked) }
    #expect(refusal.code == code)
    #expect(try rules.admit(request(query: "fields=id")).declared.id == "patch")
  }

  @Test(arguments: [
    (request("GET", body: "", headers: [.init("X-HTTP-Method-Override", "DELETE")]), "egress.reserved_header"),
    (request("GET", body: "", headers: [.init("Prefer", "x")]), "egress.undeclared_header"),
    (request("GET", body: "", key: "k"), "egress.reserved_header"),
    (request("GET", "/found", body: "", query: "until=3"), "egress.undeclared_query"),
  ])
  func `a read's headers are declared too, and its query where the manifest names it`(
    asked: PluginRequest, code: String
  ) throws {
    var rules = RequestRules(manifest: try manifest(), operation: .reading)
    let refusal = try #require(throws: RequestRules.Refusal.self) { _ = try rules.admit(asked) }
    #expect(refusal.code == code)
    #expect(try rules.admit(request("GET", body: "", query: "a=b")).declared.id == "get")
    let found = request(
      "GET", "/found", body: "", query: "since=3", headers: [.init("x-view", "1"), .init("Accept", "text/csv")])
    #expect(try rules.admit(found).declared.id == "find")
  }

  @Test func `a write whose manifest binds no body sends none`() throws {
    let bare = try manifest {
      $0["actions"] = [
        "close": [
          "summary": "x", "effect": "write", "settle_ms": 1000,
          "writes": [["request": "patch", "count_max": 1, "path": ["id": "opportunity"]]],
        ]
      ]
    }
    var rules = RequestRules(manifest: bare, operation: permitted)
    #expect(throws: RequestRules.Refusal.self) { try rules.admit(request()) }
    #expect(try rules.admit(request(body: "")).declared.id == "patch")
  }
}

private func declaring(_ key: String, _ value: JSONValue, effect: String = "write") -> JSONValue {
  var members: [String: JSONValue] = [
    "id": "r", "endpoint": "crm", "method": "GET", "path": "/r", "effect": .string(effect),
  ]
  members[key] = value
  return .object(members)
}

@Suite struct `A manifest` {
  @Test(
    arguments: [
      ("kind", JSONValue.string("sauce"), "kind", "source, executor"),
      ("sluice", 2, "sluice", "an integer from 1 to 1"),
      ("extra", 1, "extra", "sluice, name, version"),
      ("endpoints", ["crm": ["base": "http://crm.example"]], "endpoints.crm.base", "https://host"),
      ("slots", ["api": ["scheme": "magic", "endpoint": "crm"]], "slots.api.scheme", "bearer, basic, header"),
      ("limits", ["memory_bytes": 5], "limits.memory_bytes", "an integer from"),
      ("requests", [declaring("headers", ["If-Match"])], "requests[0].headers[0]", "a header that a plugin may set"),
      (
        "requests", [declaring("headers", ["x-http-method"])], "requests[0].headers[0]",
        "a header that a plugin may set"
      ),
      ("requests", [declaring("query", ["a b"])], "requests[0].query[0]", "a name of the query"),
      ("requests", [declaring("precondition", "if_match", effect: "read")], "requests[0].precondition", "nothing"),
      ("requests", [declaring("idempotency_header", "Host")], "requests[0].idempotency_header", "Idempotency-Key"),
      ("requests", [declaring("effect", "delete")], "requests[0].effect", "read, ack, write"),
      ("library", ["file": "../a.so", "sha256": "00", "abi": 1], "library.file", "beside the manifest"),
    ] as [(String, JSONValue, String, String)])
  func `names the key that is wrong and what is allowed`(
    key: String, value: JSONValue, path: String, allowed: String
  ) throws {
    let error = try #require(throws: DocumentError.self) { _ = try manifest { $0[key] = value } }
    #expect(error.path == path)
    #expect(error.allowed.contains(allowed))
    #expect(error.line == 1)
  }
}

@Suite struct `Keeping an instance running` {
  @Test func `pauses double and the instance is parked with the reason`() {
    var loop = CrashLoop()
    var pauses: [Int64] = []
    var parked: String?
    while parked == nil {
      switch loop.fail("signal 11") {
      case .retry(let ms): pauses.append(ms)
      case .park(let reason): parked = reason
      }
    }
    #expect(pauses == [500, 1000, 2000, 4000, 8000])
    #expect(parked == "6 failures in a row; the last: signal 11")
    loop.succeed()
    #expect(loop.fail("x") == .retry(afterMs: 500))
  }

  @Test func `a bucket gives its rate, its burst, and nothing while paused`() {
    var bucket = TokenBucket(ratePerSecond: 10, burst: 5, nowMs: 0)
    var now: Int64 = 0
    var taken = 0
    while now < 10_000 {
      let wait = bucket.take(nowMs: now)
      if wait == 0 { taken += 1 } else { now += wait }
    }
    #expect(taken == 5 + 99 || taken == 5 + 100)
  }

  @Test func `a Retry-After holds everything back, and a hint spreads what is left until it ends; an hour at most`() {
    var pause = UpstreamPause()
    pause.begin(untilMs: 20_000, nowMs: 0)
    #expect(pause.wait(nowMs: 15_000) == 5_000 && pause.wait(nowMs: 20_000) == 0)
    pause.begin(untilMs: .max, nowMs: 20_000)
    #expect(pause.wait(nowMs: 20_000) == 3_600_000)
    var hints = UpstreamBudget()
    hints.lower(remaining: 4, untilMs: 10_000, nowMs: 0)
    var (now, times): (Int64, [Int64]) = (0, [])
    while now < 10_000 {
      let wait = hints.wait(nowMs: now)
      if wait == 0 {
        times.append(now)
        hints.spend(nowMs: now)
      } else {
        now += wait
      }
    }
    #expect(times == [0, 2_500, 5_000, 7_500])
    hints.lower(remaining: 0, untilMs: 12_000, nowMs: 10_000)
    #expect(hints.wait(nowMs: 10_500) == 1_500)
    hints.lower(remaining: 9_000_000, untilMs: 12_000, nowMs: 10_500)
    #expect(hints.wait(nowMs: 10_500) == 0)
    hints.lower(remaining: 0, untilMs: 9_000, nowMs: 20_000)
    #expect(hints.wait(nowMs: 20_000) == 0)
    hints.lower(remaining: 0, untilMs: .max, nowMs: 20_000)
    #expect(hints.wait(nowMs: 20_000) == 3_600_000)
  }

  @Test func `a plugin is waited for only while nothing keeps it from going on`() {
    var turn = PluginTurn()
    #expect(turn.waitsFromMs == nil)
    turn.begins(hasCredit: true, nowMs: 0)
    #expect(turn.waitsFromMs == 100)
    turn.gives(hasCredit: true, nowMs: 90)
    #expect(turn.waitsFromMs == 190)
    // What it does not end goes on.
    turn.begins(hasCredit: true, nowMs: 590)
    #expect(turn.waitsFromMs == 190)
    // The upstream's time is not its own.
    turn.asks()
    turn.begins(hasCredit: true, nowMs: 700)
    #expect(turn.waitsFromMs == nil)
    turn.isAnswered(hasCredit: true, nowMs: 5_000)
    #expect(turn.waitsFromMs == 5_100)
    // Nor is the time without credit.
    turn.gives(hasCredit: false, nowMs: 5_050)
    #expect(turn.waitsFromMs == nil)
    turn.begins(hasCredit: true, nowMs: 10_000)
    #expect(turn.waitsFromMs == 10_100)
    turn.ends()
    #expect(turn.waitsFromMs == nil)
  }

  @Test func `a window never holds more than its limit`() {
    var window = CreditWindow(limit: .init(records: 10, bytes: 100))
    #expect(window.refill() == .init(records: 10, bytes: 100))
    let fits = window.send(.init(records: 4, bytes: 60))
    let exceeds = window.send(.init(records: 1, bytes: 41))
    #expect(fits && !exceeds)
    #expect(window.refill() == .zero)
    window.complete(.init(records: 4, bytes: 60))
    #expect(window.refill() == .init(records: 4, bytes: 60))
  }
}
