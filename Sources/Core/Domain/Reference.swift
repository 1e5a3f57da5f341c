/// The value of a field that names another entity: what was written, what it was taken for, and why.
package struct Reference: Equatable, Sendable {
  package enum Reason: String, Sendable, CaseIterable {
    /// The text is the entity's key.
    case key
    /// The text is its name, letter for letter.
    case name
    /// Only case and white space differ from its name or key.
    case normalizedName = "normalized_name"
    /// The text is a name it had before.
    case formerName = "former_name"
    /// Nothing is called that.
    case unknown
    /// Several things are called that; none was chosen.
    case ambiguous
  }
  package let text: String
  package let id: String?
  package let reason: Reason
  /// The keys between which `ambiguous` did not choose.
  package let candidates: [String]

  package init(text: String, id: String?, reason: Reason, candidates: [String] = []) {
    self.text = text
    self.id = id
    self.reason = reason
    self.candidates = candidates
  }

  package init?(_ value: JSONValue) {
    guard case .object(let members) = value, let text = members["text"]?.string,
      let reason = members["by"]?.string.flatMap(Reason.init)
    else { return nil }
    let candidates = members["candidates"]?.array?.compactMap(\.string) ?? []
    self.init(text: text, id: members["id"]?.string, reason: reason, candidates: candidates)
  }

  package var json: JSONValue {
    var members: [String: JSONValue] = ["text": .string(text), "by": .string(reason.rawValue)]
    if let id { members["id"] = .string(id) }
    if !candidates.isEmpty { members["candidates"] = .array(candidates.map { .string($0) }) }
    return .object(members)
  }

  /// The name under which anything is called, as far as people mean the same: case and white space left out.
  package static func normalized(_ text: String) -> String {
    guard text.utf8.allSatisfy({ $0 < 0x80 }) else { return text.lowercased().filter { !$0.isWhitespace } }
    // The same for ASCII, without asking Unicode's tables for each letter.
    let kept = text.utf8.lazy.filter { $0 != 0x20 && !(0x09...0x0D).contains($0) }
    return String(decoding: kept.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }, as: UTF8.self)
  }

  /// What it stands for: the entity's key, or `~` and the text while it stands for nothing known.
  package var key: String { id ?? "~" + text }
}
