import CanonicalJSON
import Cryptography
import Domain
import Foundation
import Policy
import YAMLFiles

/// The project's manifests, playbooks and policies, with numbers small enough for a small world.
struct ReviewedFiles {
  let source: JSONValue
  let executor: JSONValue
  let thresholds: JSONValue
  let playbooks: [(name: String, document: JSONValue)]
  private let cedar: [(name: String, text: String)]
  private let schema: String

  init() throws {
    source = try Self.document("manifests/crm.yaml")
    executor = try Self.document("manifests/crm-actions.yaml")
    thresholds = try Self.document("policies/thresholds.yaml").setting([
      ["stall", "closed_deals_min"]: 3, ["load", "open_deals_min"]: 5, ["streak", "losses"]: 2, ["heat", "up_min"]: 2,
      ["heat", "down_min"]: 2, ["heat", "window_days"]: 5, ["heat", "base_days"]: 10, ["heat", "rest_days"]: 3,
    ])
    playbooks = try Self.names(in: "playbooks", ending: ".yaml").map { name in
      (name, try Self.document("playbooks/\(name)"))
    }
    cedar = try Self.names(in: "policies", ending: ".cedar").map { (name: $0, text: try Self.text("policies/\($0)")) }
    schema = try Self.text("policies/schema.cedarschema")
  }

  /// The policies under other numbers of governance.
  func policies(_ governance: [String: JSONValue]) throws -> PolicyDocument {
    let numbers = JSONValue.object(governance.merging(["sluice": 1]) { $1 })
    return try PolicyDocument(
      files: cedar, schema: schema,
      governance: SourceDocument(name: "governance.yaml", value: numbers, marks: [:]), validates: false)
  }

  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }
  private static func document(_ path: String) throws -> JSONValue {
    try YAMLFile.document(text(path), name: path).value
  }
  private static func names(in folder: String, ending: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
      .filter { $0.hasSuffix(ending) }.sorted()
  }
}

extension JSONValue {
  /// With these members, by their path, set to other values.
  func setting(_ values: [[String]: JSONValue]) -> JSONValue {
    values.reduce(self) { $0.setting($1.key[...], to: $1.value) }
  }
  private func setting(_ path: ArraySlice<String>, to value: JSONValue) -> JSONValue {
    guard let first = path.first else { return value }
    var members = object ?? [:]
    members[first] = (members[first] ?? [:]).setting(path.dropFirst(), to: value)
    return .object(members)
  }
}

extension Activation {
  init(_ kind: Kind, _ name: String, _ document: JSONValue, by user: UserID? = nil) {
    self.init(
      kind: kind, name: name, hash: SHA256.digest(document.canonicalBytes), document: document, by: user)
  }
}
