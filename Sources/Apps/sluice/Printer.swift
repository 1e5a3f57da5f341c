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
        "\(name.padded(width))  \(plain(value))\n"
      }.joined()
    default: return plain(value) + "\n"
    }
  }

  private static func table(_ rows: [JSONValue]) -> String {
    var columns: [String] = []
    for row in rows {
      for key in (row.object ?? [:]).keys.sorted() where !columns.contains(key) { columns.append(key) }
    }
    let cells = rows.map { row in columns.map { plain(row[$0] ?? .null) } }
    let widths = columns.indices.map { i in ([columns[i]] + cells.map { $0[i] }).map(\.count).max() ?? 0 }
    func line(_ cells: [String]) -> String {
      zip(cells, widths).map { $0.padded($1) }.joined(separator: "  ").trimmingEnd() + "\n"
    }
    return line(columns) + cells.map(line).joined()
  }

  private static func plain(_ value: JSONValue) -> String {
    switch value {
    case .string(let text): text
    case .null: "-"
    default: value.canonicalText
    }
  }
}

extension String {
  func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
  fileprivate func trimmingEnd() -> String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
