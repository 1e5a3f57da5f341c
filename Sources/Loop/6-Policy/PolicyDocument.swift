import CanonicalJSON
import Cryptography
package import Domain

/// Policies, their schema and the numbers of governance, in force together and named by one hash: the document of an
/// activation of kind `policies`.
///
///     {"files": [{"name": "autonomous.cedar", "text": "…"}], "schema": "…", "governance": {"sluice": 1, …}}
package struct PolicyDocument: Sendable {
  package let policies: Cedar.PolicySet
  package let governance: Governance
  /// As it goes into the activation.
  package let json: JSONValue
  /// SHA-256 of the canonical form of `json`: what verdicts and approvals name.
  package let hash: Digest

  /// Nothing is permitted, and the numbers are the default ones: what holds before the first activation.
  // `try!`: no text is read, so nothing can be refused.
  package static let none = try! PolicyDocument(files: [], schema: nil, governance: nil)

  /// - Parameters:
  ///   - files: Cedar texts with their names.
  ///   - schema: With one, every name in the policies must be in it.
  ///   - governance: Nil takes the default numbers.
  ///   - validates: False for a document that was validated when it was activated.
  /// - Throws: `PolicyError`, `PolicyFinding` or `DocumentError`: the first fault with file, line and column.
  package init(
    files: [(name: String, text: String)], schema: String?, governance: SourceDocument?, validates: Bool = true
  ) throws {
    policies = try Cedar.PolicySet(parsing: files)
    if validates, let schema {
      let parsed = try Cedar.Schema(parsing: schema, name: "schema.cedarschema")
      if let finding = policies.validate(against: parsed).first { throw finding }
    }
    self.governance = try governance.map { document throws in try Governance(document) } ?? Governance()
    var members: [String: JSONValue] = [
      "files": .array(files.map { .object(["name": .string($0.name), "text": .string($0.text)]) })
    ]
    members["schema"] = schema.map(JSONValue.string)
    members["governance"] = governance?.value
    json = .object(members)
    hash = SHA256.digest(json.canonicalBytes)
  }

  /// Reads the document of an activation.
  package init(_ document: JSONValue, validates: Bool = true) throws {
    guard let members = document.object else {
      throw PolicyError.valueInvalid(path: "policies", reason: "the document must be an object")
    }
    for key in members.keys.sorted() where !["files", "schema", "governance"].contains(key) {
      throw PolicyError.valueInvalid(path: "policies", reason: "there is no member \(Cedar.quoted(key))")
    }
    guard let items = members["files"]?.array else {
      throw PolicyError.valueInvalid(path: "policies.files", reason: "it must be an array")
    }
    let files = try items.enumerated().map { index, item in
      guard let name = item["name"]?.string, let text = item["text"]?.string, item.object?.count == 2 else {
        throw PolicyError.valueInvalid(path: "policies.files[\(index)]", reason: "it must be {\"name\", \"text\"}")
      }
      return (name: name, text: text)
    }
    if let schema = members["schema"], schema.string == nil {
      throw PolicyError.valueInvalid(path: "policies.schema", reason: "it must be a text")
    }
    try self.init(
      files: files, schema: members["schema"]?.string,
      governance: members["governance"].map { SourceDocument(name: "governance.yaml", value: $0, marks: [:]) },
      validates: validates)
  }
}
