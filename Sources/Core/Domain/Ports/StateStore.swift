/// One tenant's projection: an ordered map of JSON values, changed only by applying journal entries.
///
/// Rooms own spaces (`perception.deal`, `world.node`); keys are ordered by their UTF-8 bytes. One transaction holds all
/// that a group of entries changed, so position, state and outbox can never disagree.
package protocol StateStore: Sendable {
  /// Runs `body` and commits what it changed; nothing is changed when it throws.
  func transaction<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result
  /// Reads a consistent view without changing anything.
  func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result
  /// The same for what takes long: where the store can, transactions go on meanwhile.
  func viewApart<Result>(_ body: (any StateView) throws -> Result) throws -> Result
}

extension StateStore {
  package func viewApart<Result>(_ body: (any StateView) throws -> Result) throws -> Result { try view(body) }
}

/// A consistent view of a tenant's state.
package protocol StateView: AnyObject {
  func value(_ space: Space, _ key: String) throws -> JSONValue?
  /// Pairs with `from <= key < until` in key order (or the reverse), at most `countMax`.
  func scan(_ space: Space, from: String, until: String?, reversed: Bool, countMax: Int) throws -> [(String, JSONValue)]
  /// How many of a space's first `countMax` rows have each text as this member, the empty one for none. It lays out no row:
  /// many large ones take no memory.
  func tally(_ space: Space, by member: String, countMax: Int) throws -> [String: Int]
  /// How many keys begin with `prefix`; at most so many are counted. It reads no value.
  func count(_ space: Space, prefix: String, countMax: Int) throws -> Int
  /// Every space that holds a row, in order of their names.
  func spaces() throws -> [Space]
}

package protocol StateTransaction: StateView {
  func set(_ space: Space, _ key: String, _ value: JSONValue) throws
  func remove(_ space: Space, _ key: String) throws
}

/// A named part of a tenant's state, owned by one room. Raw values are persisted.
package struct Space: Hashable, Sendable, RawRepresentable {
  package let rawValue: String
  package init(rawValue: String) { self.rawValue = rawValue }
  package init(_ name: String) { rawValue = name }
}

extension StateView {
  /// Every pair whose key begins with `prefix`, in key order.
  package func scan(_ space: Space, prefix: String = "", countMax: Int = .max) throws -> [(String, JSONValue)] {
    try scan(space, from: prefix, until: prefixEnd(prefix), reversed: false, countMax: countMax)
  }
  /// The pair with the greatest key that begins with `prefix`.
  package func last(_ space: Space, prefix: String) throws -> (String, JSONValue)? {
    try scan(space, from: prefix, until: prefixEnd(prefix), reversed: true, countMax: 1).first
  }
}

/// The first key after all that begin with `prefix`; nil when there is none.
package func prefixEnd(_ prefix: String) -> String? {
  var scalars = Array(prefix.unicodeScalars)
  while let last = scalars.popLast() {
    let next = last.value == 0xD7FF ? 0xE000 : last.value + 1
    if let scalar = Unicode.Scalar(next) {
      scalars.append(scalar)
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      return String(text)
    }
  }
  return nil
}
