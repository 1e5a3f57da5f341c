/// The Stripe face of the world: a company's billing, as Stripe's published fixtures have it. Comes in: requests to `/v1` and
/// to its control side. Goes out: lists, errors in Stripe's form, signed webhooks.
package actor SimulatedStripe {
  /// The lists that it serves, by the name of their objects.
  static let lists = ["customer", "product", "subscription", "invoice", "charge"]
  static let pageMax = 100

  struct Object {
    let id: String
    let created: Int
    var json: JSONValue
  }

  let credentials: Credentials
  private let clockwork: Clockwork
  private let sender: WebhookSender
  /// Of each list the objects, newest first.
  private(set) var objects: [String: [Object]] = [:]
  /// Newest first.
  private(set) var events: [Object] = []
  private var requests = 0

  /// - Parameter fixtures: `{"resources":{"customer":{…},…}}`, as stripe-mock has them.
  package init(
    fixtures: JSONValue, credentials: Credentials, clockwork: Clockwork, transport: any WebhookTransport
  ) throws {
    guard let resources = fixtures["resources"] else { throw SetupError("no object with 'resources'") }
    for name in Self.lists {
      guard let object = Self.object(resources[name] ?? .null) else {
        throw SetupError("'resources' has no '\(name)' with 'id' and 'created'")
      }
      objects[name] = [object]
    }
    self.credentials = credentials
    self.clockwork = clockwork
    sender = WebhookSender(transport: transport, clockwork: clockwork) { webhook, timestamp in
      Self.headers(of: webhook, timestamp: timestamp, secret: credentials.stripeWebhookSecret)
    }
  }

  private static func object(_ json: JSONValue) -> Object? {
    guard let id = json["id"]?.string, let created = json["created"]?.integer else { return nil }
    return Object(id: id, created: created, json: json)
  }

  /// https://docs.stripe.com/webhooks: the endpoint's whole secret is the key.
  static func headers(of webhook: Webhook, timestamp: Int, secret: String) -> [String: String] {
    let signature = Digest.hmac(key: Array(secret.utf8), Array("\(timestamp).".utf8) + webhook.body)
    return [
      "Content-Type": "application/json; charset=utf-8",
      "Stripe-Signature": "t=\(timestamp),v1=\(Digest.hex(signature)),v0=\(String(repeating: "0", count: 64))",
    ]
  }

  /// Answers one request to `/v1` or `/control/stripe`.
  package func answer(_ call: Call) async -> Answer {
    if call.parts.first == "control" { return await control(call) }
    requests += 1
    let given = Array((call.headers["authorization"] ?? "").utf8)
    let key = credentials.stripeKey
    let basic = "Basic " + Digest.base64(Array("\(key):".utf8))
    guard Digest.same(given, Array("Bearer \(key)".utf8)) || Digest.same(given, Array(basic.utf8)) else {
      return Self.error(401, nil, "Invalid API Key provided")
    }
    guard call.method == "GET", call.parts.count == 2, let list = list(named: call.parts[1]) else {
      return Self.error(404, nil, "Unrecognized request URL (\(call.method): \(call.path)).")
    }
    return page(of: list, call)
  }

  private func list(named name: String) -> [Object]? {
    name == "events" ? events : name.hasSuffix("s") ? objects[String(name.dropLast())] : nil
  }

  // MARK: - Control

  private func control(_ call: Call) async -> Answer {
    let isHarness = Digest.same(
      Array((call.headers["authorization"] ?? "").utf8), Array("Bearer \(credentials.controlToken)".utf8))
    guard isHarness else { return .error(401, "unauthorized", "a valid control token is needed") }
    let body = JSONValue(parsing: call.body) ?? .null
    switch (call.method, call.parts.dropFirst(2).joined(separator: "/")) {
    case ("GET", "status"):
      return Answer(200, ["requests": .integer(requests), "webhooks": await sender.outcomes.json])
    case ("POST", "webhooks"):
      guard let url = body["url"]?.string else { return .error(400, "bad_request", "the body must be {\"url\":…}") }
      await sender.register(url)
      return Answer(200, ["url": .string(url)])
    case ("POST", "changes"):
      do { return Answer(200, ["event": try await change(body)]) } catch {
        return .error(422, "invalid", "\(error)")
      }
    default: return .error(404, "not_found", "the control side has no \(call.method) '\(call.path)'")
    }
  }

  /// Makes, changes or deletes an object, tells it as an event, and announces that unless it is lost on the way.
  ///
  /// - Parameter change: `{"type":"customer.updated","object":{…},"created":SECONDS,"webhook":false}`.
  private func change(_ change: JSONValue) async throws(SetupError) -> JSONValue {
    guard let type = change["type"]?.string, let json = change["object"], let object = Self.object(json),
      let name = json["object"]?.string, objects[name] != nil
    else { throw SetupError("'type' and an 'object' of a list, with 'id', 'object' and 'created', are needed") }
    let created = change["created"]?.integer ?? clockwork.wall()
    objects[name]?.removeAll { $0.id == object.id }
    if type != "\(name).deleted" || name == "subscription" { Self.insert(object, into: &objects[name, default: []]) }
    let id = "evt_" + Digest.hex(Array(Digest.sha256(Array("\(events.count)/\(type)/\(object.id)".utf8)).prefix(12)))
    let event: JSONValue = [
      "api_version": "2019-12-03", "created": .integer(created), "data": ["object": json], "id": .string(id),
      "livemode": .bool(false), "object": "event", "pending_webhooks": .integer(1),
      "request": ["id": .null, "idempotency_key": .null], "type": .string(type),
    ]
    Self.insert(Object(id: id, created: created, json: event), into: &events)
    if change["webhook"]?.bool != false { await sender.send([Webhook(id: id, body: event.bytes)]) }
    return event
  }

  private static func insert(_ object: Object, into list: inout [Object]) {
    list.insert(object, at: list.firstIndex { $0.created <= object.created } ?? list.count)
  }
}
