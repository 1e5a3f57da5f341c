import CanonicalJSON
package import Domain

/// Which sets of rules are in force, and every one that ever was, by the hash of its document.
package enum SetsInForce {
  /// kind/name → `Row`.
  static let inForce = Space("policy.in_force")
  /// hash → `Row` of its first activation, so that an earlier set can be found and activated again.
  static let known = Space("policy.known_set")

  package struct Row: Codable, Equatable, Sendable {
    package let kind: Activation.Kind
    /// The file's name.
    package let name: String
    /// SHA-256 of the document's canonical form.
    package let hash: Digest
    /// The activation's entry.
    package let position: Position
    package let by: UserID?
  }

  static func record(_ activation: Activation, at position: Position, _ state: any StateTransaction) throws {
    let key = RowKey.of(activation.kind.rawValue, activation.name)
    guard !activation.document.isNull else { return try state.remove(inForce, key) }
    let row = try JSONValue(
      encoding: Row(
        kind: activation.kind, name: activation.name, hash: activation.hash, position: position, by: activation.by))
    try state.set(inForce, key, row)
    if try state.value(known, activation.hash.hex) == nil { try state.set(known, activation.hash.hex, row) }
  }

  /// By kind and name.
  package static func all(in view: any StateView) throws -> [Row] { try view.scan(inForce).map { try $0.1.decode() } }

  /// Sets that were in force once and are not now, by hash: each can be activated again.
  package static func earlier(in view: any StateView) throws -> [Row] {
    let now = Set(try all(in: view).map(\.hash))
    return try view.scan(known).map { try $0.1.decode(Row.self) }.filter { !now.contains($0.hash) }
  }

  /// The set of this hash, whether or not it is in force now.
  package static func known(_ hash: Digest, in view: any StateView) throws -> Row? {
    try view.value(known, hash.hex)?.decode()
  }
}
