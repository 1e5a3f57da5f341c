import CanonicalJSON
import ConnectorFabric
import Domain
import TestKit
import Testing
import Vault

/// What a request gets from the first challenge that it asks, as `type: body`; nil when it asks none.
private func reply(
  _ challenges: [JSONValue], _ request: WebhookRequest, secret: String = "key", token: String? = nil
) throws -> String? {
  let webhook = try webhook(["scheme": "github", "challenges": .array(challenges)])
  let question = Challenge.Question(request)
  guard let challenge = webhook.challenges.first(where: { $0.isAsked(by: question) }) else { return nil }
  do {
    let reply = try challenge.reply(
      to: question, secret: Array(secret.utf8), token: token.map { Array($0.utf8) },
      base64: (Base64.encode, Base64.decode))
    return "\(reply.type.prefix { $0 != ";" }): \(String(decoding: reply.body, as: UTF8.self))"
  } catch { return error.rawValue }
}

private func post(_ body: String, query: String = "") -> WebhookRequest {
  WebhookRequest(query: query, body: Array(body.utf8))
}

@Suite struct `A challenge` {
  // https://api.slack.com/events/url_verification
  private static let slack: JSONValue = [
    "when": ["method": "POST", "body": ["type": "url_verification"]], "signed": true,
    "answer": ["text": "{body.challenge}"],
  ]
  // https://www.dropbox.com/developers/reference/webhooks
  private static let dropbox: JSONValue = [
    "when": ["method": "GET", "query": ["challenge": true]], "signed": false, "answer": ["text": "{query.challenge}"],
  ]
  // https://developers.facebook.com/docs/graph-api/webhooks/getting-started
  private static let meta: JSONValue = [
    "when": ["method": "GET", "query": ["hub.mode": "subscribe"]], "signed": false,
    "token": ["query": "hub.verify_token", "slot": "verify"], "answer": ["text": "{query.hub.challenge}"],
  ]

  @Test func `is answered as its template says`() throws {
    let asked = post(
      #"{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#)
    #expect(try reply([Self.slack], asked) == "text/plain: 3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P")
    let graph: JSONValue = [
      "when": ["method": "POST", "query": ["validationToken": true]], "signed": false,
      "answer": ["text": "{query.validationToken}"],
    ]
    let validation = post("", query: "validationToken=Validation%3A+Testing+client+application+reachability")
    #expect(try reply([graph], validation) == "text/plain: Validation: Testing client application reachability")
    var form = Self.slack.object!
    form["answer"] = ["form": ["challenge": "{body.challenge}", "a b": "c&d"]]
    let short = post(#"{"challenge":"a b=c","type":"url_verification"}"#)
    #expect(try reply([.object(form)], short) == "application/x-www-form-urlencoded: a%20b=c%26d&challenge=a%20b%3Dc")
    // A Zoom endpoint proves that it knows the secret: openssl dgst -sha256 -hmac key
    form["answer"] = [
      "json": ["plainToken": "{body.challenge}", "encryptedToken": "{hmac_hex.body.challenge}"]
    ]
    let code = "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab"
    let plain = post(#"{"challenge":"abc","type":"url_verification"}"#)
    #expect(try reply([.object(form)], plain) == #"application/json: {"encryptedToken":"\#(code)","plainToken":"abc"}"#)
  }

  @Test func `is asked by what it names and by nothing else`() throws {
    let challenge = WebhookRequest(method: "GET", query: "challenge=abc123")
    #expect(try reply([Self.slack, Self.dropbox], challenge) == "text/plain: abc123")
    for request in [
      post("", query: "challenge=abc123"), WebhookRequest(method: "GET", query: "challenge"),
      WebhookRequest(method: "GET", query: "challenge=a&challenge=b"), post(#"{"type":"event_callback"}"#),
      post(#"{"type":["url_verification"]}"#), post("type=url_verification"), post(""),
    ] where try reply([Self.slack, Self.dropbox], request) != nil {
      let answer = try reply([Self.slack, Self.dropbox], request)
      #expect(answer == "bad_challenge" && request.query == "challenge")
    }
    let endless = #"{"type":"url_verification","challenge":"a","more":"\#(String(repeating: "m", count: 16_384))"}"#
    #expect(try reply([Self.slack], post(endless)) == nil)
  }

  @Test func `whose sender must know a token is answered to who knows it`() throws {
    func asked(_ token: String) -> WebhookRequest {
      WebhookRequest(method: "GET", query: "hub.mode=subscribe&hub.challenge=115&hub.verify_token=\(token)")
    }
    #expect(try reply([Self.meta], asked("secret"), token: "old\nsecret\n") == "text/plain: 115")
    #expect(try reply([Self.meta], asked("other"), token: "secret") == "wrong_token")
    #expect(try reply([Self.meta], asked("secret"), token: nil) == "wrong_token")
    #expect(try reply([Self.meta], asked(""), token: "\n") == "wrong_token")
    #expect(try webhook(["scheme": "github", "challenges": [Self.meta]]).challenges[0].token?.slot == "verify")
  }

  @Test(arguments: [
    "", "<script>", "a&b", "a\"b", "a'b", "a`b", "a\\b", "a\nb", "a\u{1B}[31m", "\u{202E}abc", "ä", "a\u{0}",
    String(repeating: "a", count: 1_025),
  ])
  func `repeats nothing that is more than short and plain text`(value: String) throws {
    let body = JSONValue.object(["type": "url_verification", "challenge": .string(value)]).canonicalText
    #expect(try reply([Self.slack], post(body)) == "bad_challenge")
  }

  @Test func `never answers with a byte that its template or plain text did not bring`() throws {
    var random = SplitMix64(seed: 7)
    for _ in 0..<2_000 {
      let query = String(
        decoding: (0..<Int.random(in: 0..<40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) },
        as: UTF8.self)
      let asked = WebhookRequest(method: "GET", query: "challenge=" + query)
      guard let answer = try reply([Self.dropbox], asked), answer != "bad_challenge" else { continue }
      #expect(
        answer.hasPrefix("text/plain: ")
          && answer.utf8.allSatisfy { (0x20...0x7E).contains($0) && !"<>&\"'`".utf8.contains($0) })
    }
  }

  @Test(
    arguments: [
      (["when": ["method": "PUT", "query": ["a": true]], "signed": false, "answer": ["text": "x"]], "when.method"),
      (["when": ["method": "GET"], "signed": false, "answer": ["text": "x"]], "when"),
      (["when": ["method": "GET", "query": ["a": true]], "answer": ["text": "x"]], "signed"),
      (["when": ["method": "GET", "query": ["a": true]], "signed": true, "answer": ["text": "x"]], "signed"),
      (["when": ["method": "GET", "query": ["a": true]], "signed": false, "answer": ["html": "x"]], "answer.html"),
      (
        ["when": ["method": "GET", "query": ["a": true]], "signed": false, "answer": ["text": "{query.a"]],
        "answer.text"
      ),
      (
        ["when": ["method": "GET", "query": ["a": true]], "signed": false, "answer": ["text": "{header.a}"]],
        "answer.text"
      ),
      // To who is not known the host would sign whatever it is sent.
      (
        ["when": ["method": "POST", "body": ["a": true]], "signed": false, "answer": ["text": "{hmac_hex.body.a}"]],
        "answer.text"
      ),
      (
        [
          "when": ["method": "GET", "query": ["a": true]], "signed": false, "answer": ["text": "x"],
          "token": ["query": "t", "slot": "proxy"],
        ], "token.slot"
      ),
      (["when": ["method": "GET", "query": ["a": true]], "signed": false, "answer": ["text": "a}"]], "answer.text"),
      (
        ["when": ["method": "POST", "body": ["a..b": true]], "signed": false, "answer": ["text": "x"]], "when.body.a..b"
      ),
    ] as [(JSONValue, String)])
  func `is refused at the key that is wrong`(challenge: JSONValue, path: String) throws {
    let error = try #require(throws: DocumentError.self) {
      try webhook(["scheme": "github", "challenges": [challenge]])
    }
    #expect(error.path == "webhook.challenges[0].\(path)")
  }
}
