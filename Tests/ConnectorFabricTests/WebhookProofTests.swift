import ConnectorFabric
import Domain
import Testing
import Vault

/// A manifest with this `webhook`, as a file of it would be read.
func webhook(_ members: [String: JSONValue]) throws -> Manifest.Webhook {
  let document: JSONValue = [
    "sluice": 1, "name": "sender", "version": "1.0.0", "summary": "Sends.", "kind": "source",
    "library": ["file": "sender.so", "sha256": .string(String(repeating: "0", count: 64)), "abi": 1],
    "streams": [["name": "events", "delivery": "replayable"]],
    "webhook": .object(members.merging(["slot": "webhook", "body_bytes_max": 1_000]) { given, _ in given }),
  ]
  let manifest = try Manifest(SourceDocument(name: "sender.yaml", value: document, marks: [:]))
  return try #require(manifest.webhook)
}

/// What a check at a time comes to: the delivery's name, or the refusal.
private func outcome(
  _ webhook: Manifest.Webhook, _ request: WebhookRequest, secret: String, nowMs: Int64 = 0
) -> String {
  do {
    try webhook.proof.check(
      request, secret: Array(secret.utf8), nowMs: nowMs, toleranceMs: webhook.toleranceMs,
      base64: (Base64.encode, Base64.decode))
    return webhook.id.name(of: request)
  } catch { return error.rawValue }
}

private let event = #"{"id":"evt_1","object":"event"}"#
private let stripeSignature = "654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543"

/// A delivery as its vendor signs it: those of Standard Webhooks, Slack and GitHub are published by them, the others were
/// signed by another program.
struct SignedDelivery: Sendable, CustomTestStringConvertible {
  let scheme: String
  var members: [String: JSONValue] = [:]
  let request: WebhookRequest
  let secret: String
  var sentMs: Int64?
  /// The header that holds the signature.
  let header: String
  let name: String
  var testDescription: String { scheme }

  var webhook: Manifest.Webhook {
    get throws {
      let clock: [String: JSONValue] = sentMs == nil ? [:] : ["tolerance_ms": 300_000]
      return try ConnectorFabricTests.webhook(["scheme": .string(scheme)].merging(clock + members) { $1 })
    }
  }

  static let all = [
    // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    SignedDelivery(
      scheme: "standard_webhooks",
      request: WebhookRequest(
        headers: [
          "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
          "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ], body: Array(#"{"test": 2432232314}"#.utf8)), secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      sentMs: 1_614_265_330_000, header: "webhook-signature", name: "msg_p5jXN8AQM9LWM0D4loKWxJek"),
    SignedDelivery(
      scheme: "stripe",
      request: WebhookRequest(
        headers: ["stripe-signature": "t=1492774577,v1=\(stripeSignature),v0=6ffbb59b2300aae63f27"],
        body: Array(event.utf8)), secret: "whsec_test_secret", sentMs: 1_492_774_577_000, header: "stripe-signature",
      name: "evt_1"),
    // https://docs.github.com/webhooks/securing
    SignedDelivery(
      scheme: "github",
      request: WebhookRequest(
        headers: [
          "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
          "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ], body: Array("Hello, World!".utf8)), secret: "It's a Secret to Everybody", header: "x-hub-signature-256",
      name: "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    // https://api.slack.com/authentication/verifying-requests-from-slack: a slash command, which has no event's id.
    SignedDelivery(
      scheme: "slack",
      request: WebhookRequest(
        headers: [
          "x-slack-request-timestamp": "1531420618",
          "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        ],
        body: Array(
          ("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
            + "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
            + "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
            + "96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c").utf8)),
      secret: "8f742231b10e8888abcd99yyyzzz85a5", sentMs: 1_531_420_618_000, header: "x-slack-signature",
      name: "sha256:"),
    SignedDelivery(
      scheme: "hubspot_v3",
      request: WebhookRequest(
        uri: "https://sluice.example.com/hooks/ab12?path=%2Fa%3ab&to=x%40y.z",
        headers: [
          "x-hubspot-request-timestamp": "1752613200000",
          "x-hubspot-signature-v3": "AiC/kvEKhgkoY10cT+qw2vUyW84mRJkwDB5sCbZwOiA=",
        ], body: Array(#"[{"eventId":1,"subscriptionType":"deal.creation"}]"#.utf8)),
      secret: "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", sentMs: 1_752_613_200_000, header: "x-hubspot-signature-v3",
      name: "sha256:"),
    SignedDelivery(
      scheme: "hmac",
      members: [
        "signature": ["header": "X-Mark", "prefix": "sig:", "encoding": "hex", "separator": " "],
        "timestamp": ["header": "X-Time", "unit": "seconds"], "signed": "{timestamp}/{method}:{body}",
        "id": ["body": "object"],
      ],
      request: WebhookRequest(
        headers: [
          "x-time": "42", "x-mark": "sig:66fe1e3c4ac7d4fe9d3bf1c15ebb28d444bad5dd8fcdef03073de8e4fbc32c65",
        ], body: Array(event.utf8)), secret: "k", sentMs: 42_000, header: "x-mark", name: "event"),
  ]
}

extension [String: JSONValue] {
  fileprivate static func + (left: Self, right: Self) -> Self { left.merging(right) { $1 } }
}

@Suite struct `A signed delivery` {
  @Test(arguments: SignedDelivery.all)
  func `is known by its vendor's own signature, and by nothing else`(delivery: SignedDelivery) throws {
    let webhook = try delivery.webhook
    let (now, secret) = (delivery.sentMs ?? 0, delivery.secret)
    let name = outcome(webhook, delivery.request, secret: secret, nowMs: now)
    #expect(name == delivery.name || delivery.name.hasPrefix("sha256:") && name.count == 71)
    var other = delivery.request
    other.body.append(UInt8(ascii: " "))
    #expect(outcome(webhook, other, secret: secret, nowMs: now) == "wrong_signature")
    #expect(outcome(webhook, delivery.request, secret: secret + "x", nowMs: now) != name)
    other = delivery.request
    other.headers[delivery.header] = nil
    #expect(outcome(webhook, other, secret: secret, nowMs: now) == "missing_headers")
    #expect(outcome(webhook, delivery.request, secret: "\n", nowMs: now) == "unusable_secret")
  }

  @Test(arguments: SignedDelivery.all.filter { $0.sentMs != nil })
  func `counts only near the time that its sender signed`(delivery: SignedDelivery) throws {
    let (webhook, sent) = (try delivery.webhook, try #require(delivery.sentMs))
    for distance in [-300_000, 300_000] as [Int64] {
      let near = outcome(webhook, delivery.request, secret: delivery.secret, nowMs: sent + distance)
      #expect(!WebhookRefusal.allCases.map(\.rawValue).contains(near))
      let far = outcome(webhook, delivery.request, secret: delivery.secret, nowMs: sent + distance + distance.signum())
      #expect(far == "outside_window")
    }
  }

  // A time that no clock shows ended the host: seconds were made milliseconds before anything else was looked at.
  @Test(arguments: [
    "9223372036854775807", "-9223372036854775808", "999999999999999", "-1", "+1", "1e3", "", " 1", "1.5", "²",
  ])
  func `with a time that nobody can tell is refused`(time: String) throws {
    for delivery in SignedDelivery.all where delivery.sentMs != nil {
      var request = delivery.request
      for (name, value) in request.headers {
        request.headers[name] = value.replacing("\(delivery.sentMs! / 1_000)", with: time)
          .replacing("\(delivery.sentMs!)", with: time)
      }
      if delivery.scheme == "hmac" { request.headers["x-time"] = time }
      let refusal = outcome(try delivery.webhook, request, secret: delivery.secret, nowMs: delivery.sentMs!)
      #expect(["missing_headers", "outside_window"].contains(refusal), "\(delivery.scheme): \(refusal)")
    }
  }

  @Test func `counts while keys are rotated, at the sender or here`() throws {
    let old = String(repeating: "0", count: 64)
    let stripe = try webhook(["scheme": "stripe", "tolerance_ms": 300_000])
    func signed(_ header: String, _ secret: String = "whsec_test_secret") -> String {
      let request = WebhookRequest(headers: ["stripe-signature": header], body: Array(event.utf8))
      return outcome(stripe, request, secret: secret, nowMs: 1_492_774_577_000)
    }
    #expect(signed("t=1492774577,v1=\(old),v1=\(stripeSignature)") == "evt_1")
    #expect(signed("t=1492774577, v1=\(stripeSignature), v1=\(old)") == "evt_1")
    #expect(signed("t=1492774577,v0=\(stripeSignature)") == "wrong_signature")
    #expect(signed("t=1492774577,v1=\(stripeSignature)", "whsec_new\nwhsec_test_secret\n") == "evt_1")
    #expect(signed("t=1492774577,v1=\(stripeSignature)", "whsec_new\r\nwhsec_test_secret\r\n") == "evt_1")
    #expect(signed("t=1492774577,v1=\(stripeSignature)", "1\n2\n3\n4\nwhsec_test_secret") == "wrong_signature")
    // Only the first time counts, and it is the one that is signed.
    #expect(signed("t=1492774500,t=1492774577,v1=\(stripeSignature)") == "wrong_signature")
  }

  @Test func `whose scheme signs the address counts only where the operator has said which one that is`() throws {
    let hubspot = try #require(SignedDelivery.all.first { $0.scheme == "hubspot_v3" })
    #expect(try hubspot.webhook.proof.needsPublicURL)
    var request = hubspot.request
    request.uri = nil
    #expect(outcome(try hubspot.webhook, request, secret: hubspot.secret, nowMs: hubspot.sentMs!) == "no_public_url")
    request.uri = "https://sluice.example.com/hooks/ab13?path=%2Fa%3ab&to=x%40y.z"
    #expect(outcome(try hubspot.webhook, request, secret: hubspot.secret, nowMs: hubspot.sentMs!) == "wrong_signature")
  }
}

@Suite struct `A sender that signs nothing` {
  @Test func `is known by a token in a header or the query`() throws {
    let inHeader = try webhook([
      "scheme": "shared_token", "token": ["header": "Authorization", "prefix": "Bearer "], "id": ["header": "X-Event"],
    ])
    func header(_ value: String?, _ secret: String = "one\ntwo") -> String {
      var request = WebhookRequest(headers: ["x-event": "e-1"])
      request.headers["authorization"] = value
      return outcome(inHeader, request, secret: secret)
    }
    #expect(header("Bearer one") == "e-1" && header("Bearer two") == "e-1")
    #expect(header("Bearer three") == "wrong_token" && header("Bearer ") == "wrong_token")
    #expect(header("one") == "missing_headers" && header(nil) == "missing_headers")
    #expect(header("Bearer one, Bearer one") == "wrong_token")
    let inQuery = try webhook(["scheme": "shared_token", "token": ["query": "to ken"]])
    func query(_ text: String) -> String {
      String(outcome(inQuery, WebhookRequest(query: text), secret: "a&b=c").prefix(7))
    }
    #expect(query("x=1&to+ken=a%26b%3Dc") == "sha256:")
    #expect(query("to%20ken=a%26b%3Dd") == "wrong_t")
    #expect(query("to+ken=a%26b%3Dc&to+ken=a%26b%3Dc") == "missing" && query("") == "missing")
  }

  @Test func `is known by the certificate that a trusted proxy has seen`() throws {
    let proof = try webhook(["scheme": "mtls"])
    // openssl req -x509 -newkey ec …; openssl x509 -fingerprint -sha256
    let printed =
      "01:A6:65:B9:3E:13:61:9C:32:32:47:BB:1E:7B:12:D4:6C:71:26:B5:8E:96:76:2F:1C:AC:D1:9B:8B:C1:37:0B"
    let der =
      "MIIBbjCCARWgAwIBAgIUA6XKRWdFtb81xh9lcu/ilf4kmjQwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBdDAgFw0yNjExMjYwMzA1MTdaGA8yMTI2"
      + "MTEwMjAzMDUxN1owDDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIQ6gerzxIYqGzb6YvRxBvoN1XD1a1AZioWi5QWhU6yb"
      + "aSk3H4xjTsnweDk81pQkeyxlZPTqtQgFr2ZyE+cqTd+jUzBRMB0GA1UdDgQWBBTro0Eo4ob3J0U7jEHys6HM+JIYfjAfBgNVHSMEGDAWgBTro0Eo"
      + "4ob3J0U7jEHys6HM+JIYfjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIBu/8Y+A/xH0FHL6UEtOHitcwjDAbgeT6CQREQrPaG/Y"
      + "AiBKLVAOzMqssktWMaLsLwJeHaE4AnQ2VypOsa2Z+aFBmw=="
    let escaped =
      "-----BEGIN%20CERTIFICATE-----%0A" + der.replacing("+", with: "%2B").replacing("=", with: "%3D")
      + "%0A-----END%20CERTIFICATE-----%0A"
    func told(_ certificate: String?, secret: String = "SHA256 Fingerprint=\(printed)\n") -> String {
      String(outcome(proof, WebhookRequest(certificate: certificate), secret: secret).prefix(7))
    }
    let digits = printed.replacing(":", with: "").lowercased()
    for certificate in [printed, digits, ":\(der):", escaped] { #expect(told(certificate) == "sha256:") }
    #expect(told(digits, secret: String(repeating: "0", count: 64) + "\n" + digits) == "sha256:")
    #expect(told(String(repeating: "0", count: 64)) == "wrong_c" && told("\(digits), \(digits)") == "missing")
    #expect(told(":\(der.dropLast(4)):") == "wrong_c" && told("") == "missing" && told(":%:") == "missing")
    #expect(told(digits, secret: "a word") == "unusabl")
    // Without the operator's proxy nobody's word counts, whatever the headers say.
    #expect(told(nil) == "no_trus")
  }
}

@Suite struct `A manifest's webhook` {
  @Test(
    arguments: [
      (["scheme": "Stripe", "tolerance_ms": 300_000], "webhook.scheme"), (["scheme": "stripe"], "webhook.tolerance_ms"),
      (["scheme": "github", "tolerance_ms": 300_000], "webhook.tolerance_ms"),
      (["scheme": "github", "token": ["query": "t"]], "webhook.token"),
      (["scheme": "shared_token", "token": ["query": "t", "header": "x"]], "webhook.token"),
      (["scheme": "shared_token", "token": ["header": "X-Token"], "headers": ["x-token"]], "webhook.headers[0]"),
      (["scheme": "shared_token", "token": ["query": "t"], "query": ["t"]], "webhook.query[0]"),
      (["scheme": "github", "headers": ["Authorization"]], "webhook.headers[0]"),
      (["scheme": "github", "headers": ["x-a", "X-A"]], "webhook.headers[1]"),
      (["scheme": "github", "methods": ["GET"]], "webhook.methods[0]"),
      (["scheme": "hmac", "signature": ["header": "x", "encoding": "octal"]], "webhook.signature.encoding"),
      (
        ["scheme": "hmac", "signature": ["header": "x", "encoding": "hex"], "signed": "{method}"], "webhook.signed"
      ),
      (
        [
          "scheme": "hmac", "signature": ["header": "x", "encoding": "hex"],
          "timestamp": ["header": "t", "unit": "seconds"], "tolerance_ms": 1_000,
        ], "webhook.signed"
      ),
      (["scheme": "hmac", "signature": ["header": "x", "encoding": "hex"], "signed": "{id}{body}"], "webhook.signed"),
      (["scheme": "hmac", "signature": ["header": "x", "encoding": "hex"], "signed": "{body}}"], "webhook.signed"),
      (["scheme": "mtls", "id": ["body": "a..b"]], "webhook.id.body"),
      (["scheme": "github", "slot": "proxy"], "webhook.slot"),
    ] as [([String: JSONValue], String)])
  func `is refused at the key that is wrong`(members: [String: JSONValue], path: String) throws {
    let error = try #require(throws: DocumentError.self) { try webhook(members) }
    #expect(error.path == path && !error.remedy.isEmpty)
  }

  @Test func `is nothing that an executor may declare`() throws {
    let error = try #require(throws: DocumentError.self) {
      try manifest { $0["webhook"] = ["scheme": "github", "slot": "hook", "body_bytes_max": 1_000] }
    }
    #expect(error.path == "webhook" && error.allowed.contains("executor"))
  }

  @Test func `keeps of a query what it declares, as it came`() {
    let query = "a=1&b%20c=%C3%A4&x&a=2&%zz=3"
    #expect(QueryText.part(of: query, named: ["a", "b c"]) == "a=1&b%20c=%C3%A4&a=2")
    #expect(QueryText.part(of: query, named: ["x"]) == "x" && QueryText.part(of: query, named: []) == "")
    #expect(QueryText.value(of: "b c", in: query) == "ä" && QueryText.value(of: "a", in: query) == nil)
  }
}

@Suite struct `A range of addresses` {
  @Test(arguments: [
    ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.1.2.3", "10.1.2.3", true),
    ("10.1.2.3/31", "10.1.2.2", true), ("0.0.0.0/0", "255.1.1.1", true), ("0.0.0.0/0", "::1", false),
    ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false), ("::1", "0:0::1", true),
    ("127.0.0.1", "::ffff:127.0.0.1", true), ("::ffff:10.0.0.0", "10.0.0.0", true), ("::/0", "1::", true),
    ("10.0.0.0/8", "10.0.0.01", false), ("10.0.0.0/8", "10.0.0", false), ("::/0", ":::1", false),
    ("::/0", "1:2:3:4:5:6:7:8:9", false), ("::/0", "1:2:3:4:5:6:7::8", false), ("::/0", "12345::", false),
  ])
  func `holds what shares its prefix`(range: String, address: String, isIn: Bool) throws {
    #expect(try #require(IPRange(range)).contains(address) == isIn)
  }

  @Test(arguments: ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "::/129", "host", "1.2.3.4/8/9", "::g"])
  func `is refused when it is none`(text: String) { #expect(IPRange(text) == nil) }
}
