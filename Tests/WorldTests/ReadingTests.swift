import Testing
import World

@Suite struct `Reading the CRM` {
  @Test func `a deal looks as it does in the export, with its version and day`() async throws {
    let harness = try await Harness(Small.pipeline)
    let answer = await harness.get("/api/v1/opportunities/A1")
    #expect(answer.status == 200)
    #expect(answer.headers["ETag"] == "\"1\"")
    #expect(
      answer.json == [
        "id": "A1", "owner": "Ada Bolt", "product": "WeirPro", "account": "Betatech", "stage": "Engaging",
        "engage_date": "3/1/2024", "close_date": .null, "close_value": .null, "expected_close_date": .null,
        "updated_at": "2024-03-01", "version": 1,
      ])
    await harness.nextDay()
    await harness.nextDay()
    let closed = await harness.get("/api/v1/opportunities/A1").json
    #expect(closed?["stage"] == "Won")
    #expect(closed?["close_date"] == "3/3/2024")
    #expect(closed?["close_value"] == 95)
    #expect(closed?["version"] == 2)
  }

  @Test func `an account, a product and a rep have an id made of their name`() async throws {
    let harness = try await Harness(Small.pipeline)
    #expect(await harness.get("/api/v1/accounts/acme-sons").json?["name"] == "Acme & Sons")
    #expect(await harness.get("/api/v1/products/weir-pro").json?["sales_price"] == 100)
    #expect(await harness.get("/api/v1/reps/ada-bolt").json?["manager"] == "Cem Carr")
    #expect(await harness.get("/api/v1/reps/nobody").status == 404)
  }

  @Test func `a day is not visible before it opens`() async throws {
    let harness = try await Harness(Small.pipeline)
    #expect(await harness.read("opportunities", from: nil).compactMap { $0["id"]?.string } == ["A1", "C3"])
    #expect(await harness.get("/api/v1/opportunities").json?["as_of"] == "2024-03-01")
    await harness.nextDay()
    #expect(await harness.read("opportunities", from: nil).compactMap { $0["id"]?.string } == ["A1", "C3", "B2"])
    #expect(await harness.get("/api/v1/opportunities").json?["as_of"] == "2024-03-02")
  }

  @Test(arguments: [1, 7, 200])
  func `pages of any size hold each record exactly once, though days tie`(limit: Int) async throws {
    let harness = try await Harness(.generated(seed: 2, size: .init(opportunities: 400, days: 20)))
    for _ in 0..<10 { await harness.nextDay() }
    let items = await harness.read("opportunities", from: nil, limit: limit)
    let positions = items.compactMap { item in
      BusinessDay(iso: item["updated_at"]?.string ?? "").map { Position(updatedAt: $0, id: item["id"]?.string ?? "") }
    }
    #expect(positions == positions.sorted())
    #expect(Set(positions.map(\.id)).count == items.count)
    #expect(await harness.status["records"]?["opportunities"] == .integer(items.count))
    #expect(Set(positions.map(\.updatedAt)).count < items.count)
  }

  @Test func `a day without an id begins at that day's first record`() async throws {
    let harness = try await Harness(Small.pipeline)
    await harness.nextDay()
    let page = await harness.get("/api/v1/opportunities", query: ["updated_since": "2024-03-02"]).json
    #expect(page?["items"]?.array?.compactMap { $0["id"] } == ["B2"])
    #expect(page?["next"] == .null)
  }

  @Test(arguments: [
    ["limit": "0"], ["limit": "x"], ["updated_since": "3/1/2024"], ["after_id": "A1"],
  ])
  func `a senseless page is refused`(query: [String: String]) async throws {
    let harness = try await Harness(Small.pipeline)
    #expect(await harness.get("/api/v1/opportunities", query: query).status == 400)
  }

  @Test func `without the right token nothing is answered`() async throws {
    let harness = try await Harness(Small.pipeline)
    for token in ["", "Bearer x", "Bearer \(harness.crm.credentials.controlToken)"] {
      let answer = await harness.get("/api/v1/opportunities", headers: ["authorization": token])
      #expect(answer.status == 401)
      #expect(answer.json?["error"]?["code"] == "unauthorized")
    }
    let control = await harness.call("GET", "/control/status")
    #expect(control.status == 401)
    #expect(await harness.status["requests"]?["unauthorized"] == 3)
  }

  @Test(arguments: [("GET", "/", 404), ("GET", "/api/v1/leads", 404), ("DELETE", "/api/v1/opportunities/A1", 405)])
  func `a path or method that the CRM lacks is refused`(method: String, path: String, status: Int) async throws {
    let harness = try await Harness(Small.pipeline)
    #expect(await harness.call(method, path).status == status)
  }
}

@Suite struct `Business time` {
  @Test func `the next day opens only for the current one, and the last day finishes`() async throws {
    let harness = try await Harness(Small.pipeline)
    func barrier(_ day: String) async -> Answer {
      await harness.control("POST", "/control/barrier", body: ["day": .string(day)])
    }
    let early = await barrier("2024-03-02")
    #expect(early.status == 409)
    #expect(early.json?["day"] == "2024-03-01")
    #expect(await barrier("2024-03-01").json == ["day": "2024-03-02", "finished": false])
    #expect(await barrier("2024-03-01").status == 409)
    #expect(await barrier("2024-03-02").json == ["day": "2024-03-03", "finished": false])
    #expect(await barrier("2024-03-03").json == ["day": "2024-03-03", "finished": true])
    #expect(await barrier("2024-03-03").json == ["day": "2024-03-03", "finished": true])
    #expect(await barrier("soon").status == 400)
  }

  @Test func `speed only slows the days down`() async throws {
    let harness = try await Harness(Small.pipeline) { $0.daysPerSecond = 4 }
    await harness.nextDay()
    #expect(harness.clock.now == 0.25)
    harness.clock.advance(by: 10)
    await harness.nextDay()
    #expect(harness.clock.now == 10.25)
  }
}

@Suite struct `The request budget` {
  @Test func `a burst of twice the rate passes, then each request must wait`() async throws {
    let harness = try await Harness(Small.pipeline) { $0.requestsPerSecond = 2 }
    for left in [3, 2, 1, 0] {
      let answer = await harness.get("/api/v1/reps")
      #expect(answer.status == 200)
      #expect(answer.headers["X-RateLimit-Limit"] == "4")
      #expect(answer.headers["X-RateLimit-Remaining"] == .some(String(left)))
    }
    let refused = await harness.get("/api/v1/reps")
    #expect(refused.status == 429)
    #expect(refused.headers["Retry-After"] == "1")
    #expect(refused.headers["X-RateLimit-Reset"] == "2")
    harness.clock.advance(by: 0.5)
    #expect(await harness.get("/api/v1/reps").status == 200)
    #expect(await harness.status["requests"]?["throttled"] == 1)
  }

  @Test func `without a limit no budget is announced`() async throws {
    let harness = try await Harness(Small.pipeline)
    #expect(await harness.get("/api/v1/reps").headers.keys.sorted() == ["Content-Type"])
  }
}
