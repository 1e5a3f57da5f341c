import Domain

extension Manifest {
  private static let webhookKeys = [
    "scheme", "slot", "tolerance_ms", "body_bytes_max", "methods", "headers", "query",
    "challenges",
  ]

  static func webhook(_ r: DocumentReader, _ kind: Kind) throws(DocumentError) -> Webhook? {
    guard r.isPresent else { return nil }
    guard kind == .source else { throw r.error("given", allowed: "no webhook, as the kind is executor") }
    let names = WebhookScheme.all.map(\.name)
    let name = try r["scheme"].string(names.joined(separator: ", "))
    guard let scheme = WebhookScheme.all.first(where: { $0.name == name }) else {
      throw r["scheme"].error("\"\(name)\"", allowed: names.joined(separator: ", "))
    }
    try r.allow(webhookKeys + scheme.keys)
    let (proof, id) = try scheme.read(r)
    let tolerance = r["tolerance_ms"]
    if !proof.hasClock, tolerance.isPresent {
      throw tolerance.error("given", allowed: "nothing, as the scheme \(name) signs no time")
    }
    return Webhook(
      scheme: name, proof: proof, id: id, slot: try receivingSlot(r["slot"], "the slot that holds its secret"),
      toleranceMs: proof.hasClock ? try tolerance.integer(in: 1_000...3_600_000) : 0,
      bodyBytesMax: try r["body_bytes_max"].integer(in: 1...(768 << 10)), kept: try kept(r, proof),
      challenges: try Challenge.list(r["challenges"]))
  }

  /// The name of a slot by which senders are known. An operator's login at a proxy is no sender's to know.
  static func receivingSlot(_ r: DocumentReader, _ allowed: String) throws(DocumentError) -> String {
    let name = try r.string(allowed)
    guard name != proxySlot else { throw r.error("\"\(name)\"", allowed: "\(allowed), which is not the proxy's") }
    return name
  }

  private static func kept(_ r: DocumentReader, _ proof: WebhookProof) throws(DocumentError) -> Webhook.Kept {
    var kept = Webhook.Kept()
    for item in try r["methods"].items() {
      let allowed = "POST, PUT or PATCH, each once"
      let method = try item.string(allowed)
      guard ["POST", "PUT", "PATCH"].contains(method), !kept.methods.contains(method) else {
        throw item.error("\"\(method)\"", allowed: allowed)
      }
      kept.methods.append(method)
    }
    // Invariant 4: what proves who sent it is not shown to a plugin.
    let secret: [WebhookProof.TokenPlace.Part] = if case .token(let place) = proof { [place.part] } else { [] }
    for item in try r["headers"].items() {
      let allowed = "a header, once, in which no credential stands"
      let name = try item.string(allowed).lowercased()
      guard RequestHead.isToken(name), !["authorization", "proxy-authorization", "cookie"].contains(name),
        !secret.contains(.header(name)), !kept.headers.contains(name), kept.headers.count < 32
      else { throw item.error("\"\(name)\"", allowed: allowed) }
      kept.headers.append(name)
    }
    for item in try r["query"].items() {
      let allowed = "a name of the query, once, in which no credential stands"
      let name = try item.string(allowed)
      guard !name.isEmpty, !secret.contains(.query(name)), !kept.query.contains(name), kept.query.count < 32 else {
        throw item.error("\"\(name)\"", allowed: allowed)
      }
      kept.query.append(name)
    }
    return kept
  }
}
