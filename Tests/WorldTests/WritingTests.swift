import Testing
import World

@Suite struct `Writing to the CRM` {
  private let deal = "/api/v1/opportunities/A1"

  @Test func `a change makes a new version today and is recorded as an effect`() async throws {
    let harness = try await Harness(Small.pipeline)
    await harness.nextDay()
    let body: JSONValue = ["owner": "Gus Holm"]
    let answer = await harness.write("PATCH", deal, body, key: "k1")
    #expect(answer.status == 200)
    #expect(answer.json?["owner"] == "Gus Holm")
    #expect(answer.json?["version"] == 2)
    #expect(answer.json?["updated_at"] == "2024-03-02")
    let effects = await harness.control("GET", "/control/effects").json
    #expect(
      effects?["items"] == [
        [
          "sequence": 1, "day": "2024-03-02", "key": "k1", "method": "PATCH", "path": .string(deal), "body": body,
          "body_sha256": .string(Digest.hex(Digest.sha256(body.bytes))), "status": 200, "replays": 0,
          "subject": ["stream": "opportunities", "id": "A1", "version": 2], "webhook": "on_time",
        ]
      ])
    #expect(await harness.control("GET", "/control/effects", query: ["after": "1"]).json?["items"] == [])
  }

  @Test(arguments: ["lost", "doubled", "late"]) func `an effect names the fate of its webhook`(fate: String)
    async throws
  {
    let shares = WebhookPlan.Shares(
      lost: fate == "lost" ? 1 : 0, doubled: fate == "doubled" ? 1 : 0, late: fate == "late" ? 1 : 0)
    let harness = try await Harness(Small.pipeline, webhooks: shares)
    _ = await harness.control("POST", "/control/webhooks", body: ["url": "http://receiver.test/hooks/1"])
    _ = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k1")
    func told() async -> JSONValue? {
      await harness.control("GET", "/control/effects").json?["items"]?.array?.first?["webhook"]
    }
    #expect(await told() == .string(fate == "late" ? "pending" : fate))
    for _ in 1...3 { await harness.nextDay() }
    #expect(await told() == .string(fate))
  }

  @Test func `the newest version of every record of a stream can be asked`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k1")
    let versions = await harness.control("GET", "/control/versions", query: ["stream": "opportunities"]).json
    #expect(versions == ["A1": 2, "C3": 1])
    #expect(await harness.control("GET", "/control/versions", query: ["stream": "moons"]).status == 400)
  }

  @Test func `a key repeated with the same body gets the first answer and no second effect`() async throws {
    let harness = try await Harness(Small.pipeline)
    let first = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k1")
    let again = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k1")
    #expect(again.status == 200)
    #expect(again.json == first.json)
    #expect(first.headers["Idempotent-Replayed"] == nil)
    #expect(again.headers["Idempotent-Replayed"] == "true")
    #expect(await harness.get(deal).json?["version"] == 2)
    let effects = await harness.control("GET", "/control/effects").json?["items"]?.array
    #expect(effects?.count == 1)
    #expect(effects?.first?["replays"] == 1)
  }

  @Test func `a key belongs to one request, and no key is no write`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k1")
    #expect(await harness.write("PATCH", deal, ["owner": "Ada Bolt"], key: "k1").status == 422)
    #expect(await harness.write("PATCH", "/api/v1/opportunities/C3", ["owner": "Gus Holm"], key: "k1").status == 422)
    #expect(await harness.write("PATCH", deal, ["owner": "Ada Bolt"], key: nil).status == 400)
    #expect(await harness.get(deal).json?["version"] == 2)
  }

  @Test func `the key tells whether an unanswered write happened`() async throws {
    let harness = try await Harness(Small.pipeline)
    #expect(await harness.get("/api/v1/idempotency/k1").status == 404)
    let written = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k1")
    let known = await harness.get("/api/v1/idempotency/k1").json
    #expect(known?["status"] == 200)
    #expect(known?["applied"] == true)
    #expect(known?["method"] == "PATCH")
    #expect(known?["body"] == written.json)
    _ = await harness.write("PATCH", deal, ["owner": "Nobody"], key: "act/k 2")
    let refused = await harness.get("/api/v1/idempotency/act%2Fk%202").json
    #expect(refused?["status"] == 422)
    #expect(refused?["applied"] == false)
  }

  @Test func `a stale version is refused by If-Match`() async throws {
    let harness = try await Harness(Small.pipeline)
    func patch(_ key: String, _ match: String) async -> Answer {
      await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: key, headers: ["if-match": match])
    }
    #expect(await patch("k1", "\"1\"").status == 200)
    let stale = await patch("k2", "\"1\"")
    #expect(stale.status == 412)
    #expect(stale.json?["error"]?["message"] == "the record is at version 2")
    #expect(await patch("k3", "*").status == 200)
    #expect(await patch("k4", "tomorrow").status == 422)
  }

  @Test(
    arguments: [
      (["owner": "Nobody"], "'owner': reps have no 'Nobody'"),
      (["product": "NoSuchPro"], "'product': products have no 'NoSuchPro'"),
      (["account": "Acme"], "'account': accounts have no 'Acme'"),
      (["stage": "Open"], "'stage' cannot be \"Open\""),
      (["stage": "Won"], "a deal that is Won needs a 'close_value'"),
      (["close_value": "7"], "'close_value' cannot be \"7\""),
      (["close_value": 7], "'close_value' goes with a 'stage' of Won or Lost"),
      (["colour": "red"], "opportunities have no field 'colour' that can be changed"), ([:], "the body names no field"),
    ] as [(JSONValue, String)])
  func `a senseless change is refused by name`(body: JSONValue, why: String) async throws {
    let harness = try await Harness(Small.pipeline)
    let answer = await harness.write("PATCH", deal, body, key: "k")
    #expect(answer.status == 422)
    #expect(answer.json?["error"]?["message"] == .string(why))
    #expect(await harness.status["writes"]?["refused"] == 1)
  }

  @Test func `a write lies behind a cursor of the same day, on purpose`() async throws {
    let harness = try await Harness(Small.pipeline)
    let cursor: JSONValue = ["updated_at": "2024-03-01", "id": "C3"]
    _ = await harness.write("PATCH", deal, ["owner": "Gus Holm"], key: "k1")
    #expect(await harness.read("opportunities", from: cursor).isEmpty)
  }

  @Test func `what was written is kept when the data closes the deal`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.write("PATCH", deal, ["owner": "Gus Holm", "product": "Weir Pro"], key: "k1")
    await harness.nextDay()
    await harness.nextDay()
    let closed = await harness.get(deal).json
    #expect(closed?["stage"] == "Won")
    #expect(closed?["close_value"] == 95)
    #expect(closed?["owner"] == "Gus Holm")
    #expect(closed?["product"] == "Weir Pro")
    #expect(closed?["version"] == 3)
  }

  @Test func `a deal that a write closed is not closed again by the data`() async throws {
    let harness = try await Harness(Small.pipeline)
    let written = await harness.write("PATCH", deal, ["stage": "Lost"], key: "k1").json
    #expect(written?["close_date"] == "3/1/2024")
    #expect(written?["close_value"] == 0)
    await harness.nextDay()
    await harness.nextDay()
    #expect(await harness.get(deal).json == written)
    let superseded: JSONValue = [
      ["day": "2024-03-03", "id": "A1", "stage": "Won", "close_date": "3/3/2024", "close_value": 95]
    ]
    #expect(await harness.control("GET", "/control/effects").json?["superseded"] == superseded)
    #expect(await harness.status["writes"]?["superseded"] == 1)
  }

  @Test func `a closed deal can be reopened, which is how a close is undone`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.write("PATCH", deal, ["stage": "Won", "close_value": 7], key: "k1")
    #expect(await harness.write("PATCH", deal, ["stage": "Lost"], key: "k2").status == 422)
    let open = await harness.write("PATCH", deal, ["stage": "Engaging"], key: "k3").json
    #expect(open?["stage"] == "Engaging")
    #expect(open?["close_value"] == .null)
  }

  @Test(
    arguments: [
      ("notes", ["text": "Call them", "to": "Ada Bolt"], "note-1"),
      ("tasks", ["text": "Call them", "assignee": "Ada Bolt"], "task-1"),
      ("drafts", ["text": "Dear all", "kind": "email"], "draft-1"),
    ] as [(String, [String: JSONValue], String)])
  func `a note, a task and a draft are made about a record`(
    collection: String, fields: [String: JSONValue], id: String
  ) async throws {
    let harness = try await Harness(Small.pipeline)
    func make(_ about: JSONValue, _ key: String) async -> Answer {
      let body = JSONValue.object(fields.merging(["about": about]) { $1 })
      return await harness.write("POST", "/api/v1/\(collection)", body, key: key)
    }
    let made = await make(["stream": "accounts", "id": "betatech"], "k1")
    #expect(made.status == 201)
    #expect(made.json?["id"] == .string(id))
    #expect(made.json?["created_at"] == "2024-03-01")
    #expect(await make(["stream": "accounts", "id": "nobody"], "k2").status == 422)
    #expect(await make("betatech", "k3").status == 422)
    #expect(await harness.control("GET", "/control/effects").json?["last"] == 1)
  }

  @Test func `an account is changed too, a rep is not`() async throws {
    let harness = try await Harness(Small.pipeline)
    #expect(await harness.write("PATCH", "/api/v1/accounts/betatech", ["sector": "retail"], key: "k1").status == 200)
    #expect(await harness.get("/api/v1/accounts/betatech").json?["sector"] == "retail")
    #expect(await harness.write("PATCH", "/api/v1/reps/ada-bolt", ["name": "X"], key: "k2").status == 405)
  }
}

@Suite struct `Edits behind everybody's back` {
  private let second = Small.firstDay.later(by: 1)

  @Test func `edits of a day are there when it opens`() async throws {
    let list: JSONValue = [
      ["day": "2024-03-02", "stream": "opportunities", "id": "A1", "set": ["expected_close_date": "2024-05-01"]],
      ["day": "2024-03-02", "stream": "accounts", "id": "betatech", "set": ["name": "Gammatech"]],
      ["day": "2024-03-02", "stream": "opportunities", "id": "C3", "delete": true],
      ["day": "2024-03-02", "stream": "opportunities", "id": "D4", "add": ["owner": "Ada Bolt", "product": "Weir"]],
      ["day": "2024-03-02", "stream": "opportunities", "id": "Z9", "set": ["owner": "Ada Bolt"]],
    ]
    let edits = try Edit.byDay(json: list, within: Small.firstDay...second)
    let harness = try await Harness(Small.pipeline, edits: edits)
    #expect(await harness.get("/api/v1/opportunities/A1").json?["version"] == 1)
    await harness.nextDay()
    #expect(await harness.get("/api/v1/opportunities/A1").json?["expected_close_date"] == "5/1/2024")
    #expect(await harness.get("/api/v1/accounts/betatech").json?["name"] == "Gammatech")
    #expect(await harness.get("/api/v1/opportunities/D4").json?["stage"] == "Prospecting")
    let tombstone: JSONValue = ["id": "C3", "deleted": true, "updated_at": "2024-03-02", "version": 2]
    #expect(await harness.get("/api/v1/opportunities/C3").json == tombstone)
    #expect(await harness.read("opportunities", from: nil).contains(tombstone))
    let status = await harness.status["edits"]
    #expect(status?["applied"] == 4)
    #expect(status?["missed"]?.array?.map { $0["why"] } == ["opportunities has no record 'Z9'"])
  }

  @Test func `an edit can be ordered at once`() async throws {
    let harness = try await Harness(Small.pipeline)
    let edit: JSONValue = ["stream": "opportunities", "id": "A1", "set": ["owner": "Gus Holm"]]
    #expect(await harness.control("POST", "/control/edits", body: edit).json?["applied"] == 1)
    #expect(await harness.get("/api/v1/opportunities/A1").json?["owner"] == "Gus Holm")
    #expect(await harness.control("POST", "/control/edits", body: [["stream": "leads"]]).status == 422)
  }

  @Test(
    arguments: [
      (
        [["day": "2024-04-01", "stream": "reps", "id": "x", "delete": true]],
        "item 1: 'day' 2024-04-01 is outside 2024-03-01…2024-03-02"
      ),
      (
        [["day": "2024-03-01", "stream": "reps", "id": "x"]],
        "item 1: exactly one of 'set' {…}, 'add' {…} and 'delete' true is needed"
      ),
      (
        [["day": "2024-03-01", "stream": "reps", "id": "x", "set": ["age": 7]]],
        "item 1: reps have no field 'age' that can be changed"
      ),
      (["stream": "reps"], "a JSON list of edits is expected"),
    ] as [(JSONValue, String)])
  func `a malformed edit is named`(json: JSONValue, why: String) {
    #expect(throws: SetupError(why)) { try Edit.byDay(json: json, within: Small.firstDay...second) }
  }
}
