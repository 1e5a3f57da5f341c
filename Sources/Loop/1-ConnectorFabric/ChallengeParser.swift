import Domain

extension Challenge {
  private static let challengesMax = 8

  static func list(_ r: DocumentReader) throws(DocumentError) -> [Challenge] {
    var challenges: [Challenge] = []
    for item in try r.items() { challenges.append(try Challenge(item)) }
    guard challenges.count <= challengesMax else { throw r.error("more than \(challengesMax)", allowed: "fewer") }
    return challenges
  }

  private init(_ r: DocumentReader) throws(DocumentError) {
    try r.allow(["when", "signed", "token", "answer"])
    let when = r["when"]
    try when.allow(["method", "query", "body"])
    method = try when["method"].string("GET or POST")
    guard ["GET", "POST"].contains(method) else { throw when["method"].error("\"\(method)\"", allowed: "GET or POST") }
    var conditions: [Condition] = []
    for (name, value) in try when["query"].members() {
      conditions.append(Condition(place: .query(name), value: try Self.expected(value)))
    }
    for (path, value) in try when["body"].members() {
      conditions.append(Condition(place: .body(try value.memberPath(path)), value: try Self.expected(value)))
    }
    guard !conditions.isEmpty else { throw when.error("true of every request", allowed: "a `query` or a `body`") }
    self.conditions = conditions
    isSigned = try r["signed"].bool()
    token = r["token"].isPresent ? try Token(r["token"]) : nil
    answer = try Self.answer(r["answer"], isSigned: isSigned)
    if method == "GET", isSigned { throw r["signed"].error("true", allowed: "false, as a GET has no body to sign") }
  }

  /// A text, or `true` for any.
  private static func expected(_ r: DocumentReader) throws(DocumentError) -> String? {
    if r.value == .bool(true) { return nil }
    return try r.string("the text that must stand there, or true for any")
  }

  private static func answer(_ r: DocumentReader, isSigned: Bool) throws(DocumentError) -> Answer {
    try r.allow(["text", "json", "form"])
    guard [r["text"], r["json"], r["form"]].filter(\.isPresent).count == 1 else {
      throw r.error("not one answer", allowed: "one of `text`, `json`, `form`")
    }
    if r["text"].isPresent { return .text(try template(r["text"], isSigned)) }
    let name = r["json"].isPresent ? "json" : "form"
    var members: [String: [Part]] = [:]
    for (key, value) in try r[name].members() { members[key] = try template(value, isSigned) }
    guard !members.isEmpty else { throw r[name].error("empty", allowed: "a text for each name") }
    return name == "json" ? .json(members) : .form(members)
  }

  private static let templateAllowed =
    "text with {query.NAME}, {body.PATH}, and in a signed challenge {hmac_hex.body.PATH} or {hmac_base64.body.PATH}"

  private static func template(_ r: DocumentReader, _ isSigned: Bool) throws(DocumentError) -> [Part] {
    let text = try r.string(templateAllowed)
    let wrong = r.error("\"\(text.prefix(60))\"", allowed: templateAllowed)
    guard text.utf8.count <= 1_024, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
      let pieces = BracedText(text)?.pieces
    else { throw wrong }
    var parts: [Part] = []
    for piece in pieces {
      switch piece {
      case .text(let text): parts.append(.text(text))
      case .name(let name):
        guard let part = try part(name, r, isSigned) else { throw wrong }
        parts.append(part)
      }
    }
    return parts
  }

  /// What a name in braces stands for; nil when it stands for nothing.
  private static func part(_ name: String, _ r: DocumentReader, _ isSigned: Bool) throws(DocumentError) -> Part? {
    if let query = name.removing("query.") { return query.isEmpty ? nil : .value(.query(query)) }
    if let body = name.removing("body.") { return .value(.body(try r.memberPath(body))) }
    // Of a sender who is not known it would sign anything, deliveries included.
    guard isSigned else { return nil }
    if let body = name.removing("hmac_hex.body.") { return .hmac(.body(try r.memberPath(body)), .hex) }
    if let body = name.removing("hmac_base64.body.") { return .hmac(.body(try r.memberPath(body)), .base64) }
    return nil
  }
}

extension Challenge.Token {
  fileprivate init(_ r: DocumentReader) throws(DocumentError) {
    try r.allow(["query", "body", "slot"])
    switch (r["query"].isPresent, r["body"].isPresent) {
    case (true, false): place = .query(try r["query"].string("a name of the query"))
    case (false, true): place = .body(try r["body"].memberPath())
    default: throw r.error("not one place", allowed: "either `query` or `body`")
    }
    slot = try Manifest.receivingSlot(r["slot"], "the slot that holds the token")
  }
}

extension String {
  /// What follows `prefix`; nil when it does not begin so.
  fileprivate func removing(_ prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }
}
