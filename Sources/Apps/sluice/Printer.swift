import CanonicalJSON
import Domain

/// Answers as people read them: a list of rows as a table, one thing as lines of name and value.
enum Printer {
  static func text(_ value: JSONValue, asJSON: Bool) -> String {
    if asJSON { return value.canonicalText + "\n" }
    switch value {
    case .array(let rows): return rows.isEmpty ? "Nothing.\n" : table(rows)
    case .object(let members):
      let width = members.keys.map(\.count).max() ?? 0
      return members.sorted { $0.key < $1.key }.map { name, value in
        switch value {
        case .array(let rows) where rows.contains { $0.object != nil }: "\(name)\n\(indented(table(rows)))"
        case .array(let items) where items.contains { $0.string?.contains(" ") == true }:
          "\(name)\n\(indented(items.map { plain($0) + "\n" }.joined()))"
        case .object(let inner) where !inner.isEmpty: "\(name)\n\(indented(text(value, asJSON: false)))"
        case .string(let lines) where lines.contains("\n"): "\(name)\n\(indented(lines.harmlessLines + "\n"))"
        default: "\(name.padded(width))  \(plain(value))\n"
        }
      }.joined()
    default: return plain(value) + "\n"
    }
  }

  private static func indented(_ lines: String) -> String {
    lines.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { "    \($0)\n" }.joined()
  }

  private static func table(_ rows: [JSONValue]) -> String {
    var columns: [String] = []
    for row in rows {
      for key in (row.object ?? [:]).keys.sorted() where !columns.contains(key) { columns.append(key) }
    }
    // What a row is comes first, whatever else is told of it.
    let leading = ["id", "name", "instance", "day", "kind", "state"].filter(columns.contains)
    columns = leading + columns.filter { !leading.contains($0) }
    let cells = rows.map { row in columns.map { plain(row[$0] ?? .null) } }
    let widths = columns.indices.map { i in ([columns[i]] + cells.map { $0[i] }).map(\.count).max() ?? 0 }
    func line(_ cells: [String]) -> String {
      zip(cells, widths).map { $0.padded($1) }.joined(separator: "  ").trimmingEnd() + "\n"
    }
    return line(columns) + cells.map(line).joined()
  }

  private static func plain(_ value: JSONValue) -> String {
    switch value {
    case .string(let text): text.harmless
    case .null, .array([]): "-"
    default: value.canonicalText.harmless
    }
  }
}

extension JSONValue {
  /// With each of its texts as `String.harmless` gives it.
  var harmless: JSONValue {
    switch self {
    case .string(let text): .string(text.harmless)
    case .array(let items): .array(items.map(\.harmless))
    case .object(let members):
      .object(Dictionary(members.map { ($0.key.harmless, $0.value.harmless) }, uniquingKeysWith: { first, _ in first }))
    default: self
    }
  }
}

extension String {
  /// Without what a terminal obeys, or what makes text read otherwise than it stands there: most of what is printed was
  /// written by somebody else. Each such character is shown by its number.
  var harmless: String {
    guard unicodeScalars.contains(where: Self.isObeyed) else { return self }
    return unicodeScalars.reduce(into: "") { text, scalar in
      if Self.isObeyed(scalar) {
        text += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }

  /// The same, line by line.
  var harmlessLines: String {
    split(separator: "\n", omittingEmptySubsequences: false).map { String($0).harmless }.joined(separator: "\n")
  }

  private static func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    case .format: scalar != "\u{200D}"  // joins the parts of one sign
    default: false
    }
  }

  func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
  fileprivate func trimmingEnd() -> String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
