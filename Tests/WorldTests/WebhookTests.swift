import Foundation
import Testing
import World

@Suite struct `Webhooks` {
  private let url: JSONValue = ["url": "http://127.0.0.1:9/hook"]

  /// Plays a made-up pipeline to its end with a receiver from the first day on.
  private func play(seed: UInt64, shares: WebhookPlan.Shares) async throws -> Harness {
    let pipeline = Pipeline.generated(seed: 4, size: .init(opportunities: 300, days: 12))
    let harness = try await Harness(pipeline, webhooks: shares) {
      $0.seed = seed
      $0.daysPerSecond = 1
    }
    _ = await harness.control("POST", "/control/webhooks", body: url)
    while await harness.nextDay()["finished"] != true {}
    return harness
  }

  private func count(_ harness: Harness, _ name: String) async -> Int {
    await harness.status["webhooks"]?[name]?.integer ?? -1
  }

  @Test func `each stage change is announced with the full record, and a new lead is not`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.control("POST", "/control/webhooks", body: url)
    while await harness.nextDay()["finished"] != true {}
    let letters = await harness.mailbox.letters
    #expect(letters.map { $0.data["id"] } == ["A1", "B2", "A1"])
    #expect(letters.map { $0.data["stage"] } == ["Engaging", "Engaging", "Won"])
    #expect(JSONValue(parsing: letters[2].body)?["type"] == "opportunity.changed")
    let deal = await harness.get("/api/v1/opportunities/A1").json
    #expect(letters[2].data == deal)
  }

  @Test func `a write is announced too`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.control("POST", "/control/webhooks", body: url)
    _ = await harness.write("PATCH", "/api/v1/opportunities/C3", ["owner": "Ada Bolt"], key: "k")
    await harness.nextDay()
    let announced = await harness.mailbox.letters.map { $0.data["id"]?.string }
    #expect(announced.contains("C3"))
  }

  @Test func `the signature is that of Standard Webhooks`() async throws {
    let harness = try await Harness(Small.pipeline)
    _ = await harness.control("POST", "/control/webhooks", body: url)
    await harness.nextDay()
    let letter = try #require(await harness.mailbox.letters.first)
    let id = try #require(letter.headers["webhook-id"])
    let timestamp = try #require(letter.headers["webhook-timestamp"])
    let secret = harness.crm.credentials.webhookSecret
    #expect(secret.hasPrefix("whsec_"))
    let key = try #require(Data(base64Encoded: String(secret.dropFirst(6))))
    let signed = Array("\(id).\(timestamp).".utf8) + letter.body
    #expect(letter.headers["webhook-signature"] == "v1," + Digest.base64(Digest.hmac(key: Array(key), signed)))
  }

  @Test func `the published example is signed as published`() {
    // From the Standard Webhooks reference implementations' own tests.
    let key = Array(Data(base64Encoded: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")!)
    let webhook = Webhook(id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: Array(#"{"test": 2432232314}"#.utf8))
    let headers = webhook.headers(timestamp: 1_614_265_330, key: key)
    #expect(headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
  }

  @Test func `the seed decides which are lost, doubled and late, however the run goes`() async throws {
    let shares = WebhookPlan.Shares(lost: 0.1, doubled: 0.1, late: 0.1)
    let first = try await play(seed: 1, shares: shares)
    let again = try await play(seed: 1, shares: shares)
    let other = try await play(seed: 2, shares: shares)
    let ids = await first.mailbox.ids.sorted()
    let (sameSeed, otherSeed) = await (again.mailbox.ids.sorted(), other.mailbox.ids.sorted())
    #expect(ids == sameSeed)
    #expect(ids != otherSeed)
    let (due, lost, doubled) = await (count(first, "due"), count(first, "lost"), count(first, "doubled"))
    #expect(ids.count == due - lost + doubled)
    #expect(Set(ids).count == due - lost)
    #expect(await count(first, "sent") == ids.count)
    let lateCount = await count(first, "late")
    for share in [lost, doubled, lateCount] { #expect((due / 20...due / 5).contains(share)) }
  }

  @Test func `a late webhook comes one to three days later with the record as it was`() async throws {
    let harness = try await play(seed: 3, shares: .init(lost: 0, doubled: 0, late: 1))
    let letters = await harness.mailbox.letters
    #expect(!letters.isEmpty)
    #expect(await count(harness, "late_pending") == 0)
    let days = harness.crm.businessDays
    for letter in letters {
      let changed = try #require(letter.data["updated_at"]?.string.flatMap { BusinessDay(iso: $0) })
      let sentAt = try #require(letter.headers["webhook-timestamp"].flatMap { Int($0) })
      // A day lasts one second of the manual clock, so the timestamp tells the day of sending.
      let sentOn = sentAt - ManualClock.epoch
      let late = sentOn - (changed.number - harness.crm.firstDay.number)
      // What was due behind the last day is sent when that day ends.
      #expect((1...3).contains(late) || sentOn == days - 1)
    }
  }

  @Test func `without loss every version arrives once`() async throws {
    let harness = try await play(seed: 1, shares: .none)
    let ids = await harness.mailbox.ids
    #expect(Set(ids).count == ids.count)
    #expect(await count(harness, "due") == ids.count)
    #expect(await harness.mailbox.busyMax <= WebhookSender.concurrencyMax)
  }

  @Test(
    arguments: [
      ([500, 503, 200], 1, 0, 0, 3), ([nil, 200], 1, 0, 0, 2), ([500, nil, 500, 500], 0, 0, 1, 4), ([404], 0, 1, 0, 1),
    ] as [([Int?], Int, Int, Int, Int)])
  func `a failing receiver is asked four times at most`(
    statuses: [Int?], delivered: Int, refused: Int, failed: Int, attempts: Int
  ) async throws {
    let harness = try await Harness(Small.pipeline, mailbox: Mailbox(statuses: statuses))
    _ = await harness.control("POST", "/control/webhooks", body: url)
    await harness.nextDay()
    // The second day's only webhook is under way or done, and answered 204.
    await harness.nextDay()
    #expect(await count(harness, "sent") >= delivered + 1)
    #expect(await count(harness, "refused") == refused)
    #expect(await count(harness, "failed") == failed)
    let ids = await harness.mailbox.ids
    #expect(Set(ids.prefix(attempts)).count == 1)
    #expect(ids.count > attempts && ids[attempts] != ids[0])
  }

  @Test func `a day without a receiver counts its webhooks as unregistered`() async throws {
    let harness = try await Harness(Small.pipeline)
    await harness.nextDay()
    #expect(await count(harness, "unregistered") == 1)
    #expect(await harness.control("POST", "/control/webhooks", body: ["url": "ftp://x"]).status == 400)
  }
}
