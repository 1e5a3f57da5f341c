import Testing
import World

@Suite struct `Faults` {
  private let deal = "/api/v1/opportunities/A1"

  private func harness(_ fault: [String: JSONValue]) async throws -> Harness {
    let match: [String: JSONValue] = ["match": "GET /api/v1/opportunities"]
    return try await Harness(Small.pipeline, faults: [.object(match.merging(fault) { _, new in new })])
  }

  @Test func `a fault passes the first, strikes as often as ordered, and leaves other requests alone`() async throws {
    let harness = try await harness(["kind": "status", "status": 503, "retry_after": 7, "after": 1, "times": 2])
    var statuses: [Int] = []
    for _ in 0..<4 { statuses.append(await harness.get("/api/v1/opportunities").status) }
    #expect(statuses == [200, 503, 503, 200])
    #expect(await harness.get("/api/v1/reps").status == 200)
    #expect(await harness.status["requests"]?["faulted"] == 2)
    #expect(await harness.status["faults"]?.array?.first?["fired"] == 2)
  }

  @Test func `a refusal can say when to come back`() async throws {
    let harness = try await harness(["kind": "status", "status": 429, "retry_after": 7])
    #expect(await harness.get("/api/v1/opportunities").headers["Retry-After"] == "7")
  }

  @Test func `zero times means for ever`() async throws {
    let harness = try await harness(["kind": "status", "status": 500, "times": 0])
    for _ in 0..<5 { #expect(await harness.get("/api/v1/opportunities").status == 500) }
  }

  @Test func `garbage is no JSON`() async throws {
    let answer = try await harness(["kind": "garbage"]).get("/api/v1/opportunities")
    #expect(answer.status == 200)
    #expect(answer.json == nil)
  }

  @Test func `an endless stream repeats its first page and always has a next`() async throws {
    let harness = try await harness(["kind": "endless", "times": 3])
    let first = await harness.get("/api/v1/opportunities", query: ["limit": "1"]).json
    let next = try #require(first?["next"])
    #expect(next["id"] == "A1")
    let query = ["limit": "1", "updated_since": next["updated_at"]?.string ?? "", "after_id": "A1"]
    #expect(await harness.get("/api/v1/opportunities", query: query).json == first)
  }

  @Test func `a redirect names its target`() async throws {
    let answer = try await harness(["kind": "redirect", "url": "http://elsewhere.test/"]).get("/api/v1/opportunities")
    #expect(answer.status == 302)
    #expect(answer.headers["Location"] == "http://elsewhere.test/")
  }

  @Test func `the received authorization is echoed in header and body`() async throws {
    let harness = try await harness(["kind": "echo_authorization"])
    let answer = await harness.get("/api/v1/opportunities")
    let secret = "Bearer \(harness.crm.credentials.token)"
    #expect(answer.headers["X-Echo-Authorization"] == secret)
    #expect(answer.json?["echo"]?["authorization"] == .string(secret))
    #expect(answer.json?["items"] != nil)
  }

  @Test(
    arguments: [
      (["kind": "truncated"], Answer.Delivery.truncated), (["kind": "huge"], .flood(bytes: 100_000_000)),
      (["kind": "cut_before_apply"], .cut), (["kind": "cut_after_apply"], .cut),
    ] as [([String: JSONValue], Answer.Delivery)])
  func `a broken delivery is ordered from the server`(fault: [String: JSONValue], delivery: Answer.Delivery)
    async throws
  {
    let answer = try await harness(fault).get("/api/v1/opportunities")
    #expect(answer.delivery == delivery)
  }

  @Test func `a slow answer is delayed, not changed`() async throws {
    let answer = try await harness(["kind": "slow_ms", "slow_ms": 1_500]).get("/api/v1/opportunities")
    #expect(answer.delay == .milliseconds(1_500))
    #expect(answer.status == 200)
  }

  @Test(arguments: [("cut_before_apply", false), ("cut_after_apply", true)])
  func `a write whose answer is cut off happened or not, and the key tells`(kind: String, applied: Bool) async throws {
    let harness = try await harness(["match": "PATCH /api/v1/", "kind": .string(kind)])
    #expect(await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k").delivery == .cut)
    #expect(await harness.get("/api/v1/idempotency/k").status == (applied ? 200 : 404))
    let again = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k")
    #expect(again.status == 200)
    #expect(again.headers["Idempotent-Replayed"] == (applied ? "true" : nil))
    #expect(await harness.get(deal).json?["version"] == 2)
  }

  @Test func `the list of faults can be replaced while the CRM runs`() async throws {
    let harness = try await Harness(Small.pipeline)
    let fault: JSONValue = ["match": "* /api/", "kind": "status", "status": 500]
    #expect(await harness.control("POST", "/control/faults", body: [fault]).status == 200)
    #expect(await harness.get("/api/v1/reps").status == 500)
    #expect(await harness.control("POST", "/control/faults", body: [["match": "GET /x"]]).status == 422)
    #expect(await harness.control("POST", "/control/faults", body: []).json?["faults"] == [])
  }

  @Test(
    arguments: [
      (["match": "GET", "kind": "garbage"], "'match' must be a method"),
      (["match": "GET /", "kind": "sad"], "'kind' must be"),
      (["match": "GET /", "kind": "status"], "'status' must be a whole number in 200…599"),
      (["match": "GET /", "kind": "garbage", "times": -1], "'times' must be"),
      (["match": "GET /", "kind": "redirect"], "'url' must say"),
      (["match": "GET /", "kind": "garbage", "whem": 1], "'whem' is no part of a fault"),
    ] as [(JSONValue, String)])
  func `a malformed fault is named`(fault: JSONValue, why: String) {
    let error = #expect(throws: SetupError.self) { try Fault.list(json: [fault]) }
    #expect(error?.description.hasPrefix("item 1: " + why) == true)
  }
}
