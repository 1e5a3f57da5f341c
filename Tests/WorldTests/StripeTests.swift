import Testing
import World

private let fixtures: JSONValue = [
  "resources": .object(
    Dictionary(
      uniqueKeysWithValues: ["customer", "product", "subscription", "invoice", "charge"].map {
        ($0, ["id": .string("\($0)_0"), "object": .string($0), "created": 1_234_567_890, "status": "active"])
      }))
]

private struct Billing {
  let stripe: SimulatedStripe
  let mailbox = Mailbox()
  let clock = ManualClock()
  let credentials = Credentials(seed: 7)

  init() throws {
    stripe = try SimulatedStripe(
      fixtures: fixtures, credentials: credentials, clockwork: clock.clockwork, transport: mailbox)
  }

  func get(_ path: String, _ query: [String: String] = [:], authorization: String? = nil) async -> Answer {
    let bearer = authorization ?? "Bearer \(credentials.stripeKey)"
    return await stripe.answer(Call("GET", path, query: query, headers: ["authorization": bearer]))
  }

  @discardableResult func control(_ path: String, _ body: JSONValue) async -> Answer {
    let headers = ["authorization": "Bearer \(credentials.controlToken)"]
    return await stripe.answer(Call("POST", "/control/stripe/\(path)", headers: headers, body: body.bytes))
  }

  func change(_ type: String, _ id: String, created: Int) async {
    let object: JSONValue = ["id": .string(id), "object": "customer", "created": .integer(created)]
    await control("changes", ["type": .string(type), "object": object, "created": .integer(created)])
  }
}

@Suite struct `The Stripe face` {
  @Test func `lists its objects newest first, in pages behind an object`() async throws {
    let billing = try Billing()
    for number in 1...4 { await billing.change("customer.created", "cus_\(number)", created: 1_300_000_000 + number) }
    var found: [String] = []
    var query = ["limit": "2"]
    while true {
      let page = try #require(await billing.get("/v1/customers", query).json)
      found += (page["data"]?.array ?? []).compactMap { $0["id"]?.string }
      if page["has_more"]?.bool == false { break }
      query["starting_after"] = found.last
    }
    #expect(found == ["cus_4", "cus_3", "cus_2", "cus_1", "customer_0"])
    await billing.change("customer.deleted", "cus_2", created: 1_300_000_009)
    query["starting_after"] = "cus_2"
    let gone = await billing.get("/v1/customers", query)
    #expect(gone.status == 400 && gone.json?["error"]?["code"]?.string == "resource_missing")
    let events = await billing.get("/v1/events", ["type": "customer.*", "created[gte]": "1300000004"]).json
    #expect(events?["data"]?.array?.compactMap { $0["type"]?.string } == ["customer.deleted", "customer.created"])
    #expect(await billing.get("/v1/events", ["type": "invoice.*"]).json?["data"]?.array == [])
  }

  @Test func `opens to its key alone, as bearer or as basic's user`() async throws {
    let billing = try Billing()
    let basic = "Basic " + Digest.base64(Array("\(billing.credentials.stripeKey):".utf8))
    #expect(await billing.get("/v1/customers", authorization: basic).status == 200)
    for wrong in ["", "Bearer x", "Basic x", "Bearer \(billing.credentials.token)"] {
      #expect(await billing.get("/v1/customers", authorization: wrong).status == 401)
    }
    #expect(await billing.get("/v1/refunds").status == 404)
    #expect(await billing.get("/v1/customers", ["limit": "101"]).status == 400)
    #expect(await billing.stripe.answer(Call("POST", "/control/stripe/changes")).status == 401)
  }

  @Test func `announces each event once, signed over its time and body`() async throws {
    let billing = try Billing()
    await billing.control("webhooks", ["url": "http://127.0.0.1:1/hooks/x"])
    await billing.change("customer.updated", "customer_0", created: 1_300_000_000)
    var letters: [Mailbox.Letter] = []
    while letters.isEmpty {
      await Task.yield()
      letters = await billing.mailbox.letters
    }
    let letter = try #require(letters.first)
    let signed = Array("\(ManualClock.epoch).".utf8) + letter.body
    let signature = Digest.hex(Digest.hmac(key: Array(billing.credentials.stripeWebhookSecret.utf8), signed))
    let header = try #require(letter.headers["Stripe-Signature"])
    #expect(header.hasPrefix("t=\(ManualClock.epoch),v1=\(signature),v0="))
    let event = try #require(JSONValue(parsing: letter.body))
    #expect(event["type"]?.string == "customer.updated" && event["data"]?["object"]?["id"]?.string == "customer_0")
  }

  @Test func `refuses fixtures without what it serves`() {
    #expect(throws: SetupError.self) {
      try SimulatedStripe(
        fixtures: ["resources": [:]], credentials: Credentials(seed: 1), clockwork: ManualClock().clockwork,
        transport: Mailbox())
    }
  }
}
