import Domain

// Templates are read once, when the playbook is: what a placeholder may be and where it may stand is settled then.
extension Playbook {
  /// Arguments that say who is asked, told or given something: only a person whom the world knows, or a fixed name.
  static let recipients: Set<String> = ["to", "assignee", "owner"]
  /// Arguments that are read by people: sentences, in which values are quoted.
  static let sentences: Set<String> = ["text"]

  static func template(_ r: DocumentReader) throws(DocumentError) -> Template {
    guard r.value?.object != nil else { throw r.error("no mapping", allowed: "a mapping of arguments") }
    return try template(r, key: "")
  }

  private static func template(_ r: DocumentReader, key: String) throws(DocumentError) -> Template {
    switch r.value {
    case .object?:
      var members: [String: Template] = [:]
      for (name, member) in try r.members() { members[name] = try template(member, key: name) }
      return .object(members)
    case .array?:
      var items: [Template] = []
      for item in try r.items() { items.append(try template(item, key: key)) }
      return .array(items)
    case .string(let text)?:
      if sentences.contains(key) { return .prose(try prose(r)) }
      return try argument(text, key: key, r)
    default: return .literal(r.value ?? .null)
    }
  }

  private static func argument(_ text: String, key: String, _ r: DocumentReader) throws(DocumentError) -> Template {
    let parts = try parts(text, r)
    let placeholders = parts.compactMap { if case .value(let placeholder) = $0 { placeholder } else { nil } }
    guard let placeholder = placeholders.first else { return .literal(.string(text)) }
    let allowed = recipients.contains(key) ? [Placeholder.Use.person] : [.exact, .person]
    guard parts.count == 1, allowed.contains(where: { $0 == placeholder.use }) else {
      throw r.error("\"\(text.prefix(60))\"", allowed: "a fixed text or one of \(Placeholder.names(allowed)), alone")
    }
    return .exact(placeholder)
  }

  static func prose(_ r: DocumentReader) throws(DocumentError) -> Prose {
    Prose(parts: try parts(try r.string("a sentence"), r))
  }

  /// Splits at `{name}`. There is no escape: a sentence holds no other braces.
  private static func parts(_ text: String, _ r: DocumentReader) throws(DocumentError) -> [Prose.Part] {
    var parts: [Prose.Part] = []
    var rest = text[...]
    while let open = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
      if open > rest.startIndex { parts.append(.text(String(rest[..<open]))) }
      guard rest[open] == "{", let close = rest[open...].firstIndex(of: "}") else {
        throw r.error("a text with a single brace", allowed: "{name} as a whole")
      }
      let name = String(rest[rest.index(after: open)..<close])
      guard let placeholder = Placeholder(name) else {
        throw r.error(
          "a text with the unknown placeholder {\(name.prefix(40))}",
          allowed: Placeholder.names([.exact, .person, .prose]))
      }
      parts.append(.value(placeholder))
      rest = rest[rest.index(after: close)...]
    }
    if !rest.isEmpty { parts.append(.text(String(rest))) }
    return parts
  }
}
