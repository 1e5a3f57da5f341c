import CanonicalJSON
package import Domain

/// A tenant that is suspended: no permit is minted and no start accepted until it is resumed. Approvals stay, and run out by
/// their own rules.
package struct Suspension: Codable, Equatable, Sendable {
  /// Characters of a reason at most.
  package static let reasonLengthMax = 500

  package let by: UserID?
  /// In the words of whoever suspended it.
  package let reason: String
  /// Milliseconds since 1970, as journaled.
  package let sinceMs: Int64

  /// `tenant` → the suspension, while there is one.
  package static let space = Space("policy.suspension")
  private static let key = "tenant"

  /// - Returns: nil when the tenant is not suspended.
  package static func of(_ view: any StateView) throws -> Suspension? { try view.value(space, key)?.decode() }

  /// Of two who suspend it, the first one's word stands until it is resumed.
  static func follow(_ order: Order, _ entry: Entry, _ state: any StateTransaction) throws {
    guard order.verb == .suspendTenant else { return try state.remove(space, key) }
    guard try of(state) == nil else { return }
    let suspension = Suspension(by: order.by, reason: order.argument ?? "", sinceMs: entry.recordedAtMs)
    try state.set(space, key, try JSONValue(encoding: suspension))
  }
}
