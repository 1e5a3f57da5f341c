import Cryptography
import Domain

extension Manifest {
  /// The slot of the instance's proxy credentials: an operator's, so no manifest may have one of this name.
  package static let proxySlot = "proxy"

  static func slots(_ r: DocumentReader, _ endpoints: [Endpoint]) throws(DocumentError) -> [Slot] {
    var slots: [Slot] = []
    for (key, member) in try r.members() {
      guard key != proxySlot else {
        throw member.error(
          "a slot of this name", allowed: "another name: \"\(proxySlot)\" holds an operator's proxy login")
      }
      let name = try member["scheme"].choice(SlotScheme.Name.self)
      try member.allow(["scheme", "endpoint"] + keys(of: name))
      slots.append(
        Slot(
          name: key, scheme: try scheme(name, member, endpoints),
          endpoint: try one(of: endpoints.map(\.name), member["endpoint"])))
    }
    return slots
  }

  private static func keys(of scheme: SlotScheme.Name) -> [String] {
    switch scheme {
    case .bearer, .basic, .mtls: []
    case .header: ["header"]
    case .query: ["parameter"]
    case .hmac:
      ["algorithm", "sign", "encoding", "header", "prefix", "timestamp_header", "timestamp", "key_id_header"]
    case .clientCredentials, .refreshToken: ["token", "client_auth", "scopes", "audience"]
    case .sigv4: ["service", "region"]
    }
  }

  private static func scheme(
    _ name: SlotScheme.Name, _ r: DocumentReader, _ endpoints: [Endpoint]
  ) throws(DocumentError) -> SlotScheme {
    switch name {
    case .bearer: .bearer
    case .basic: .basic
    case .mtls: .mtls
    case .header: .header(try credentialHeader(r["header"]))
    case .query: .query(try parameter(r["parameter"]))
    case .hmac: .hmac(try signing(r))
    case .clientCredentials: .oauth2(try grant(.clientCredentials, r, endpoints))
    case .refreshToken: .oauth2(try grant(.refreshToken, r, endpoints))
    case .sigv4: .sigv4(service: try scopePart(r["service"]), region: try scopePart(r["region"]))
    }
  }

  private static func credentialHeader(_ r: DocumentReader) throws(DocumentError) -> String {
    let allowed = "a header name such as X-Api-Key, not one of the connection's"
    let name = try r.string(allowed)
    guard RequestHead.mayHoldCredential(name) else { throw r.error("\"\(name)\"", allowed: allowed) }
    return name
  }

  private static func parameter(_ r: DocumentReader) throws(DocumentError) -> String {
    let allowed = "a name of the query: letters, digits, . _ - ~"
    let name = try r.string(allowed)
    guard RequestHead.isQueryName(name) else { throw r.error("\"\(name)\"", allowed: allowed) }
    return name
  }

  private static func scopePart(_ r: DocumentReader) throws(DocumentError) -> String {
    let allowed = "lower-case letters, digits and \"-\", as AWS writes it"
    let text = try r.string(allowed)
    guard !text.isEmpty,
      text.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D })
    else { throw r.error("\"\(text)\"", allowed: allowed) }
    return text
  }

  private static func signing(_ r: DocumentReader) throws(DocumentError) -> SlotScheme.Signing {
    let names = SigningTemplate.Name.allCases.map { "{\($0.rawValue)}" }.joined(separator: ", ")
    let text = try r["sign"].string("a template of " + names)
    guard let template = SigningTemplate(text), !template.names.isEmpty else {
      throw r["sign"].error("\"\(text.prefix(60))\"", allowed: "a template of " + names)
    }
    let prefixText = r["prefix"].isPresent ? try r["prefix"].string() : ""
    guard prefixText.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }),
      let prefix = SigningTemplate(prefixText, allowed: [.keyID, .timestamp])
    else { throw r["prefix"].error("\"\(prefixText.prefix(60))\"", allowed: "a text with {key_id} and {timestamp}") }
    let timeHeader = r["timestamp_header"].isPresent ? try credentialHeader(r["timestamp_header"]) : nil
    guard !template.names.contains(.timestamp) || timeHeader != nil || prefix.names.contains(.timestamp) else {
      throw r["timestamp_header"].error(
        "missing", allowed: "a header, or {timestamp} in `prefix`: the upstream must read what was signed")
    }
    let signing = SlotScheme.Signing(
      algorithm: try r["algorithm"].choice(KeyedHash.self), text: template,
      encoding: try r["encoding"].choice(SlotScheme.Signing.Encoding.self),
      header: try credentialHeader(r["header"]), prefix: prefix, timeHeader: timeHeader,
      time: r["timestamp"].isPresent ? try r["timestamp"].choice(SlotScheme.Signing.Time.self) : .seconds,
      keyIDHeader: r["key_id_header"].isPresent ? try credentialHeader(r["key_id_header"]) : nil)
    let headers = signing.headers.map { $0.lowercased() }
    guard Set(headers).count == headers.count else {
      throw r["header"].error("given twice", allowed: "another header for each of signature, time and key id")
    }
    return signing
  }

  private static func grant(
    _ kind: SlotScheme.Grant.Kind, _ r: DocumentReader, _ endpoints: [Endpoint]
  ) throws(DocumentError) -> SlotScheme.Grant {
    try r["token"].allow(["endpoint", "path"])
    let path = try r["token"]["path"].string("a path such as /oauth/token")
    guard let template = PathTemplate(path), template.names.isEmpty else {
      throw r["token"]["path"].error("\"\(path)\"", allowed: "a path from \"/\" on, without {name}")
    }
    var scopes: [String] = []
    for item in try r["scopes"].items() {
      let allowed = "a scope without spaces and quotes (RFC 6749, 3.3)"
      let scope = try item.string(allowed)
      guard !scope.isEmpty, scope.utf8.allSatisfy({ (0x21..<0x7F).contains($0) && $0 != 0x22 && $0 != 0x5C }) else {
        throw item.error("\"\(scope)\"", allowed: allowed)
      }
      scopes.append(scope)
    }
    return SlotScheme.Grant(
      kind: kind, endpoint: try one(of: endpoints.map(\.name), r["token"]["endpoint"]), path: path,
      proof: try r["client_auth"].choice(SlotScheme.Grant.ClientProof.self), scopes: scopes,
      audience: r["audience"].isPresent ? try r["audience"].string() : nil)
  }
}
