import Domain

/// The schemes by which senders of webhooks prove who they are. To add one is to add an entry to `all`.
package struct WebhookScheme: Sendable {
  /// As manifests name it.
  package let name: String
  /// Keys of `webhook` that only this scheme has.
  let keys: [String]
  let read: @Sendable (DocumentReader) throws(DocumentError) -> (proof: WebhookProof, id: DeliveryName)

  package static let all: [WebhookScheme] = [
    // https://github.com/standard-webhooks/standard-webhooks: `v1,` and base64 over `id.timestamp.body`.
    signed(
      "standard_webhooks", id: .header("webhook-id"),
      SignatureRecipe(
        header: "webhook-signature", separator: " ", prefix: "v1,", encoding: .base64,
        clock: .header("webhook-timestamp", .seconds),
        signed: [.id("webhook-id"), .text("."), .timestamp, .text("."), .body], key: .standardWebhooks)),
    // https://docs.stripe.com/webhooks: `t=…,v1=…,v1=…` over `timestamp.body`; other versions count for nothing.
    signed(
      "stripe", id: .body(["id"]),
      SignatureRecipe(
        header: "stripe-signature", separator: ",", prefix: "v1=", clock: .element("t=", .seconds),
        signed: [.timestamp, .text("."), .body])),
    // https://docs.github.com/webhooks/securing: `sha256=…` over the body. GitHub signs no time.
    signed(
      "github", id: .header("x-github-delivery"),
      SignatureRecipe(header: "x-hub-signature-256", prefix: "sha256=", signed: [.body])),
    // https://api.slack.com/authentication/verifying-requests-from-slack: `v0=…` over `v0:timestamp:body`.
    signed(
      "slack", id: .body(["event_id"]),
      SignatureRecipe(
        header: "x-slack-signature", prefix: "v0=", clock: .header("x-slack-request-timestamp", .seconds),
        signed: [.text("v0:"), .timestamp, .text(":"), .body])),
    // https://developers.hubspot.com/docs/api/webhooks/validating-requests: base64 over method, address, body, time.
    signed(
      "hubspot_v3", id: .digest,
      SignatureRecipe(
        header: "x-hubspot-signature-v3", encoding: .base64,
        clock: .header("x-hubspot-request-timestamp", .milliseconds),
        signed: [.method, .hubSpotURI, .body, .timestamp])),
    WebhookScheme(name: "hmac", keys: ["signature", "timestamp", "signed", "id"], read: readHMAC),
    WebhookScheme(name: "shared_token", keys: ["token", "id"], read: readToken),
    WebhookScheme(name: "mtls", keys: ["id"]) { r throws(DocumentError) in (.certificate, try readName(r["id"])) },
  ]

  private init(
    name: String, keys: [String],
    read: @escaping @Sendable (DocumentReader) throws(DocumentError) -> (proof: WebhookProof, id: DeliveryName)
  ) {
    self.name = name
    self.keys = keys
    self.read = read
  }

  private static func signed(_ name: String, id: DeliveryName, _ recipe: SignatureRecipe) -> WebhookScheme {
    WebhookScheme(name: name, keys: []) { _ in (.signature(recipe), id) }
  }
}

// What the manifest says of the schemes that are nobody's in particular.
extension WebhookScheme {
  private static func readHMAC(_ r: DocumentReader) throws(DocumentError) -> (proof: WebhookProof, id: DeliveryName) {
    let signature = r["signature"]
    try signature.allow(["header", "prefix", "separator", "encoding"])
    var recipe = SignatureRecipe(header: try readHeader(signature["header"]), signed: [])
    if signature["prefix"].isPresent { recipe.prefix = try signature["prefix"].string("what stands before it") }
    if signature["separator"].isPresent {
      let text = try signature["separator"].string("one character")
      guard text.count == 1 else { throw signature["separator"].error("\"\(text)\"", allowed: "one character") }
      recipe.separator = text.first
    }
    recipe.encoding = try signature["encoding"].choice(SignatureRecipe.Encoding.self)
    let clock = r["timestamp"]
    if clock.isPresent {
      try clock.allow(["header", "unit"])
      recipe.clock = .header(try readHeader(clock["header"]), try clock["unit"].choice(SignatureRecipe.Unit.self))
    }
    let id = try readName(r["id"])
    recipe.signed = try readSigned(r["signed"], id)
    // What is not signed, anybody may write.
    guard recipe.signed.contains(.timestamp) == recipe.hasClock else {
      throw r["signed"].error(
        recipe.hasClock ? "without {timestamp}" : "with {timestamp}",
        allowed: "{timestamp} if, and only if, `timestamp` says where it stands")
    }
    return (.signature(recipe), id)
  }

  private static func readSigned(
    _ r: DocumentReader, _ id: DeliveryName
  ) throws(DocumentError) -> [SignatureRecipe.Part] {
    guard r.isPresent else { return [.body] }
    let allowed = "texts and {timestamp}, {id}, {method}, {uri}, with {body} once"
    let text = try r.string(allowed)
    var parts: [SignatureRecipe.Part] = []
    for piece in BracedText(text)?.pieces ?? [] {
      switch (piece, id) {
      case (.text(let text), _): parts.append(.text(text))
      case (.name("body"), _): parts.append(.body)
      case (.name("timestamp"), _): parts.append(.timestamp)
      case (.name("method"), _): parts.append(.method)
      case (.name("uri"), _): parts.append(.uri)
      case (.name("id"), .header(let name)): parts.append(.id(name))
      case (.name("id"), _): throw r.error("with {id}", allowed: "that only with `id: {header: NAME}`")
      case (.name, _): throw r.error("\"\(text)\"", allowed: allowed)
      }
    }
    guard parts.filter({ $0 == .body }).count == 1 else { throw r.error("\"\(text)\"", allowed: allowed) }
    return parts
  }

  private static func readToken(_ r: DocumentReader) throws(DocumentError) -> (proof: WebhookProof, id: DeliveryName) {
    let token = r["token"]
    try token.allow(["header", "query", "prefix"])
    let prefix = token["prefix"].isPresent ? try token["prefix"].string("what stands before the token") : ""
    let part: WebhookProof.TokenPlace.Part
    switch (token["header"].isPresent, token["query"].isPresent) {
    case (true, false): part = .header(try readHeader(token["header"]))
    case (false, true): part = .query(try token["query"].string("a name of the query"))
    default: throw token.error("not one place", allowed: "either `header` or `query`")
    }
    return (.token(.init(part: part, prefix: prefix)), try readName(r["id"]))
  }

  static func readName(_ r: DocumentReader) throws(DocumentError) -> DeliveryName {
    guard r.isPresent else { return .digest }
    try r.allow(["header", "body"])
    switch (r["header"].isPresent, r["body"].isPresent) {
    case (true, false): return .header(try readHeader(r["header"]))
    case (false, true): return .body(try r["body"].memberPath())
    default: throw r.error("not one place", allowed: "either `header` or `body`")
    }
  }

  static func readHeader(_ r: DocumentReader) throws(DocumentError) -> String {
    let name = try r.string("a header name").lowercased()
    guard RequestHead.isToken(name) else { throw r.error("\"\(name)\"", allowed: "a header name") }
    return name
  }
}
