import CanonicalJSON
import Domain
import Foundation
import Testing

@testable import SluiceHost

/// What the project says of its metrics outside the sources.
private enum Said {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }
  static let known = Set(Metrics.catalogue.map(\.name))

  static func names(in text: String) -> Set<String> {
    Set(text.matches(of: /sluice_[a-z_]+/).map { String($0.output) })
  }

  /// Every member of that name, however deep.
  static func texts(_ name: String, in value: JSONValue) -> [String] {
    switch value {
    case .object(let members):
      members.flatMap { key, member in
        (key == name ? [member.string].compactMap(\.self) : []) + texts(name, in: member)
      }
    case .array(let items): items.flatMap { texts(name, in: $0) }
    default: []
    }
  }
}

@Suite struct `The metrics` {
  @Test func `are documented each, with type and help as the host says them, and no others are`() throws {
    let rows = try Said.text("docs/metrics.md").split(separator: "\n").filter { $0.hasPrefix("| `sluice_") }
    let documented = rows.map { row in
      let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      return cells.count == 4 ? [cells[0].filter { $0 != "`" }, cells[1], cells[3]] : ["malformed", String(row)]
    }
    #expect(documented == Metrics.catalogue.map { [$0.name, $0.type, $0.help] })
    #expect(Said.names(in: try Said.text("docs/metrics.md")).subtracting(Said.known) == [])
  }

  @Test func `show a label's value with its quotes, backslashes and ends of lines as Prometheus reads them`() {
    let metrics = Metrics()
    metrics.add("sluice_signals_total", 3, [("tenant", "a"), ("kind", "x\"y\\z\r\n.")])
    #expect(metrics.text().contains("sluice_signals_total{tenant=\"a\",kind=\"x\\\"y\\\\z\r\\n.\"} 3\n"))
  }

  @Test func `of the dashboard and of each alert exist`() throws {
    let board = try JSONValue(parsing: Array(Said.text("deploy/grafana/sluice.json").utf8))
    let asked = Said.texts("expr", in: board)
    let alerts = try Said.text("deploy/prometheus/alerts.yml").split(separator: "\n").filter { $0.contains(" expr: ") }
    #expect(asked.count > 10 && alerts.count > 5)
    for expression in asked + alerts.map(String.init) {
      let names = Said.names(in: expression)
      #expect(!names.isEmpty && names.subtracting(Said.known) == [], "\(expression)")
    }
  }

  @Test func `that the sources count are in the catalogue, and everything in it is counted`() throws {
    let folder = Said.root.appendingPathComponent("Sources/Apps/SluiceHost")
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)!.compactMap { $0 as? URL }
    var counted: Set<String> = []
    for file in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      // `add("…"`, `set("…"` and their like, perhaps on the next line.
      let counts = /(?:add\(|set\(|put\(|replace\(|Key\(\s*name:)\s*"(sluice_[a-z_]+)"/
      counted.formUnion(text.matches(of: counts).map { String($0.output.1) })
    }
    #expect(counted == Said.known)
  }

  @Test func `of a tenant are replaced whole, and another's, or of another name, are left`() {
    let metrics = Metrics()
    for key in ["demo/a", "demo/b", "demo-2/a"] { metrics.set("sluice_dead_letters", 5, [("instance", key)]) }
    metrics.set("sluice_instances_parked", 1, [("instance", "demo/a")])
    metrics.replace(
      "sluice_dead_letters", of: TenantID(rawValue: "demo")!, with: [([("instance", "demo/b")], 7)])
    #expect(metrics.sums("sluice_dead_letters", by: "instance") == ["demo/b": 7, "demo-2/a": 5])
    #expect(metrics.sum("sluice_instances_parked", where: ("instance", "demo/a")) == 1)
  }
}
