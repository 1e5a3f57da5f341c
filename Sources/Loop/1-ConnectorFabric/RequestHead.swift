/// Which headers and query a plugin's request may have, and which the host sets: the manifest's list decides, and what
/// would change who asks, for what, or which request it is, is never the plugin's.
enum RequestHead {
  /// Allowed in every request.
  private static let common: Set<String> = ["accept", "content-type"]

  /// Credentials, the connection's own, where it came from, the method by another way, and what the host binds to the
  /// permit (RFC 9110, 7.6.1 and 13.1; draft-ietf-httpapi-idempotency-key-header).
  private static let reserved: Set<String> = [
    "authorization", "cookie", "host", "connection", "keep-alive", "content-length", "transfer-encoding", "upgrade",
    "te", "trailer", "expect", "forwarded", "via", "user-agent", "idempotency-key", "if-match", "if-unmodified-since",
    "x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url",
  ]
  private static let reservedPrefixes = ["proxy-", "x-forwarded-"]

  static func mayBeDeclared(_ name: String, slotHeaders: [String]) -> Bool {
    let lower = name.lowercased()
    return isToken(lower) && !isReserved(lower) && !slotHeaders.contains(lower)
  }

  /// Whether a slot's credential may go there: `Authorization`, `Cookie`, or a header that is not the host's own.
  static func mayHoldCredential(_ name: String) -> Bool {
    let lower = name.lowercased()
    return isToken(lower) && (lower == "authorization" || lower == "cookie" || !isReserved(lower))
      && !common.contains(lower)
  }

  private static func isReserved(_ name: String) -> Bool {
    reserved.contains(name) || reservedPrefixes.contains(where: name.hasPrefix)
  }

  /// The plugin's headers, when all of them may be sent.
  static func admit(
    _ headers: [PluginRequest.Header], _ declared: Manifest.Request, slotHeaders: [String]
  ) throws(RequestRules.Refusal) {
    var seen: Set<String> = []
    for header in headers {
      let name = header.name.lowercased()
      guard isToken(name), header.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
        throw .badHeader("The header \"\(shown(header.name))\" holds characters that headers cannot hold.")
      }
      let isHosts =
        isReserved(name) || slotHeaders.contains(name) || name == declared.idempotencyHeader?.lowercased()
      guard !isHosts else {
        throw .reservedHeader("The header \"\(shown(name))\" of \(declared.id) is set by the host alone.")
      }
      guard common.contains(name) || declared.headers.contains(name) else {
        throw .undeclaredHeader("The header \"\(shown(name))\" is not declared for the request \(declared.id).")
      }
      guard seen.insert(name).inserted else {
        throw .badHeader("The header \"\(shown(name))\" of \(declared.id) is given twice.")
      }
    }
  }

  /// Each name of the query is declared, and given once: an upstream may read the first or the last of two.
  static func admit(
    query: String, _ declared: Manifest.Request, hostQuery: String?
  ) throws(RequestRules.Refusal) {
    guard !query.isEmpty else { return }
    guard query.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
      throw .undeclaredQuery("The query of \(declared.id) is not percent-encoded.")
    }
    if let hostQuery, names(in: query).contains(where: { spells($0, hostQuery) }) {
      throw .reservedQuery("\"\(hostQuery)\" in the query of \(declared.id) is set by the host alone.")
    }
    if declared.effect == .read, declared.query.isEmpty { return }
    var seen: Set<Substring> = []
    for part in query.split(separator: "&", omittingEmptySubsequences: false) {
      let name = part.prefix { $0 != "=" }
      guard declared.query.contains(String(name)), !part.utf8.contains(UInt8(ascii: ";")) else {
        throw .undeclaredQuery(
          "\"\(shown(String(name)))\" in the query is not declared for the request \(declared.id).")
      }
      guard seen.insert(name).inserted else {
        throw .undeclaredQuery("\"\(name)\" is given twice in the query of \(declared.id).")
      }
    }
  }

  /// The names in a query, also where an upstream may take ";" for a separator.
  private static func names(in query: String) -> [[UInt8]] {
    query.utf8.split { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: ";") }.map { part in
      PercentEncoding.decode(Array(part.prefix { $0 != UInt8(ascii: "=") }))
    }
  }

  /// Whether an upstream may read `name` as `own`: in other case, as a list's name, or after blanks.
  private static func spells(_ name: [UInt8], _ own: String) -> Bool {
    let text = String(decoding: name, as: UTF8.self).lowercased().drop { $0 == " " || $0 == "+" }
    return text.prefix { $0 != "[" && $0 != "\0" } == own.lowercased()
  }

  /// As it is compared: no plugin can spell it in another way.
  static func isQueryName(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~".utf8.contains(byte)
        }
      }
  }

  /// Whether a body with this type is read as JSON.
  static func isJSON(_ contentType: String) -> Bool {
    let type = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
    return type == "application/json" || (type.hasPrefix("application/") && type.hasSuffix("+json"))
  }

  /// Whether a body with this type is read as a form, in the one encoding of its characters.
  static func isForm(_ contentType: String) -> Bool {
    let type = contentType.lowercased().filter { $0 != " " }
    return type == formType || type == formType + ";charset=utf-8"
  }
  static let formType = "application/x-www-form-urlencoded"

  /// A strong entity tag (RFC 9110, 8.8.3); nil when the version cannot stand in one.
  static func entityTag(_ version: String) -> String? {
    let isPlain = version.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }
    return isPlain && !version.isEmpty ? "\"\(version)\"" : nil
  }

  static func isToken(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy {
        (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || "-_.!#$%&'*+^`|~".utf8.contains($0)
      }
  }

  private static func shown(_ text: String) -> String { String(text.prefix(60)) }
}
