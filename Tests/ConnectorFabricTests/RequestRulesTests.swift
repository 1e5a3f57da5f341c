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
     {"id": "patch", "endpoint": "crm", "method": "PATCH", "path": "/deals/{id}", "slot": "api", "effect": "write"}],
   "actions": {"close": {"summary": "x", "effect": "write", "settle_ms": 1000, "input": {"type": "object"},
     "writes": [{"request": "patch", "count_max": 1, "path": {"id": "opportunity"}, "body": "set"}]}}}
  """

func manifest(_ change: (inout [String: JSONValue]) -> Void = { _ in }) throws -> Manifest {
  guard case .object(var members) = try JSONValue(parsing: manifestText) else { fatalError("the fixture is an object") }
  change(&members)
  return try Manifest(SourceDocument(name: "m.yaml", value: .object(members), marks: ["": .init(line: 1, column: 1)]))
}

func request(
  _ method: String = "PATCH", _ path: String = "/deals/A1", slot: String? = "api", endpoint: String = "crm",
  body: String = #"{"stage":"Lost"}"#
) -> PluginRequest {
  PluginRequest(endpoint: endpoint, method: method, path: path, slot: slot, body: Array(body.utf8))
}

@Suite struct `Requests of a plugin` {
  let permitted = RequestRules.Operation.executing(
    action: "close", arguments: ["opportunity": "A1", "set": ["stage": "Lost"]])

  @Test func `a declared read is admitted in any operation`() throws {
    var rules = RequestRules(manifest: try manifest(), operation: .reading)
    #expect(try rules.admit(request("GET", body: "")).id == "get")
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
    #expect(try rules.admit(request(body: #"{ "stage" : "Lost" }"#)).id == "patch")
    let refusal = try #require(throws: RequestRules.Refusal.self) { _ = try rules.admit(request()) }
    #expect(refusal.code == "egress.outside_permit")
  }
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
    bucket.pause(untilMs: 20_000)
    #expect(bucket.take(nowMs: 15_000) == 5_000)
    #expect(bucket.take(nowMs: 20_000) == 0)
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
