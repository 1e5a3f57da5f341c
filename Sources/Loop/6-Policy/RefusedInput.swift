import CanonicalJSON
package import Domain

/// An input that was journaled and changed nothing, with the reason: nothing is dropped silently.
package struct RefusedInput: Codable, Equatable, Sendable {
  /// The entry's kind.
  package let kind: EntryKind
  package let code: String
  package let message: String
  package let remedy: String?
  /// The action, target or document it was about.
  package let about: String
  package let by: UserID?
  package let atMs: Int64

  /// position of the entry → what Policy refused of it.
  package static let space = Space("policy.refused")

  /// Records it in a room's own space.
  package static func record(
    _ error: any OperatorError, _ entry: Entry, about: String, by: UserID? = nil, ordinal: Int = 0,
    in space: Space = space, _ state: any StateTransaction
  ) throws {
    let refused = RefusedInput(
      kind: entry.kind, code: error.code, message: error.message, remedy: error.remedy, about: about, by: by,
      atMs: entry.recordedAtMs)
    try state.set(
      space, "\(padded(entry.position.number))/\(padded(UInt64(ordinal)))", try JSONValue(encoding: refused))
  }

  /// 20 digits, so that numbers sort as text.
  private static func padded(_ number: UInt64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: 20 - digits.utf8.count) + digits
  }
}
