import Domain

/// A pattern of events in EventBridge's grammar, as AWS's event-ruler documents it: an event matches when it has, for every
/// field of the pattern, one of the values that the pattern lists.
///
/// Of a list in an event any element may match; of a list of objects one element must match all that the pattern says below
/// it. `exists: false` looks at the whole event.
package struct EventPattern: Sendable, Equatable {
  indirect enum Node: Sendable, Equatable {
    /// Every member matches.
    case all([Node])
    /// One of them does.
    case any([Node])
    case field(String, Node)
    case values([Matcher])
  }

  enum Matcher: Sendable, Equatable {
    case exact(JSONValue)
    case prefix(String)
    case suffix(String)
    case prefixIgnoringCase(String)
    case suffixIgnoringCase(String)
    case ignoringCase(String)
    case wildcard(Wildcard)
    case numeric([Comparison])
    case cidr(IPRange)
    case exists(Bool)
    /// None of them.
    case anythingBut([Matcher])
  }

  struct Comparison: Sendable, Equatable {
    enum Sign: String, CaseIterable { case equal = "=", less = "<", atMost = "<=", more = ">", atLeast = ">=" }
    let sign: Sign
    let number: Double

    func holds(for value: Double) -> Bool {
      switch sign {
      case .equal: value == number
      case .less: value < number
      case .atMost: value <= number
      case .more: value > number
      case .atLeast: value >= number
      }
    }
  }

  let root: Node
}

extension EventPattern.Matcher {
  /// - Parameter value: neither a list nor an object.
  func matches(_ value: JSONValue) -> Bool {
    switch self {
    case .exact(.string(let text)): value.string.map { $0.utf8.elementsEqual(text.utf8) } == true
    case .exact(let expected): value == expected
    case .prefix(let text): value.string?.utf8.starts(with: text.utf8) == true
    case .suffix(let text): value.string.map { $0.utf8.reversed().starts(with: text.utf8.reversed()) } == true
    case .prefixIgnoringCase(let text): value.string?.lowercased().utf8.starts(with: text.utf8) == true
    case .suffixIgnoringCase(let text):
      value.string.map { $0.lowercased().utf8.reversed().starts(with: text.utf8.reversed()) } == true
    case .ignoringCase(let text): value.string.map { Array($0.lowercased().utf8) == Array(text.utf8) } == true
    case .wildcard(let wildcard): value.string.map { wildcard.matches(Array($0.utf8)) } == true
    case .numeric(let comparisons):
      value.double.map { number in comparisons.allSatisfy { $0.holds(for: number) } } == true
    case .cidr(let range): value.string.map { range.contains($0) } == true
    case .exists(let flag): flag
    case .anythingBut(let matchers): !matchers.contains { $0.matches(value) }
    }
  }
}

/// A text with `*` for any bytes, none included; `\*` and `\\` stand for themselves.
struct Wildcard: Sendable, Equatable {
  /// What stands between the stars.
  private let pieces: [[UInt8]]

  /// - Returns: nil for two stars side by side, or a backslash before anything else.
  init?(_ text: String) {
    var pieces: [[UInt8]] = [[]]
    var bytes = Array(text.utf8)[...]
    var lastWasStar = false
    while let byte = bytes.popFirst() {
      switch byte {
      case UInt8(ascii: "*"):
        guard !lastWasStar else { return nil }
        pieces.append([])
        lastWasStar = true
        continue
      case UInt8(ascii: "\\"):
        guard let next = bytes.popFirst(), next == UInt8(ascii: "*") || next == UInt8(ascii: "\\") else { return nil }
        pieces[pieces.count - 1].append(next)
      default: pieces[pieces.count - 1].append(byte)
      }
      lastWasStar = false
    }
    self.pieces = pieces
  }

  /// At each place of a text as many bytes may be compared before they turn out to be others.
  var bytes: Int { pieces.reduce(0) { $0 + $1.count } }

  /// Each piece at the first place where it fits, the last at the end: no other choice matches more.
  func matches(_ text: [UInt8]) -> Bool {
    guard let first = pieces.first, let last = pieces.last, pieces.count > 1 else { return text == pieces[0] }
    guard text.count >= first.count + last.count, text.starts(with: first), text.suffix(last.count).elementsEqual(last)
    else { return false }
    var rest = text[first.count..<(text.count - last.count)]
    for piece in pieces.dropFirst().dropLast() {
      guard let found = rest.firstRange(of: piece) else { return false }
      rest = rest[found.upperBound...]
    }
    return true
  }
}
