package import Domain

/// Matching one event with patterns takes more work than one delivery may take.
package struct TooMuchWork: Error, Equatable {}

/// One event that patterns look at, and how much work they have had with it.
///
/// The bound is on steps, so that it is met at the same place on every machine: a sender who is known may still send
/// lists that are made to be long to look at.
package struct EventLook {
  /// A step is a part of a pattern or a value that is looked at, or 64 bytes of a text that is compared.
  package static let stepsMax = 4_000_000

  fileprivate let event: JSONValue
  private let stepsMax: Int
  package private(set) var steps = 0
  /// By path: whether the whole event has no value there. Found out once, and only where a pattern asks.
  private var absent: [[String]: Bool] = [:]

  package init(_ event: JSONValue, stepsMax: Int = EventLook.stepsMax) {
    self.event = event
    self.stepsMax = stepsMax
  }

  fileprivate mutating func step(_ count: Int = 1) throws(TooMuchWork) {
    steps += count
    guard steps <= stepsMax else { throw TooMuchWork() }
  }

  fileprivate mutating func isAbsent(_ path: [String]) throws(TooMuchWork) -> Bool {
    if let known = absent[path] { return known }
    let found = try !hasLeaf(path[...], event)
    absent[path] = found
    return found
  }

  private mutating func hasLeaf(_ path: ArraySlice<String>, _ value: JSONValue?) throws(TooMuchWork) -> Bool {
    for item in try flat(value) {
      guard let name = path.first else {
        if item.object == nil { return true }
        continue
      }
      if item.object != nil, try hasLeaf(path.dropFirst(), item[name]) { return true }
    }
    return false
  }

  /// The elements of a list, those of lists in it too; else the value itself.
  fileprivate mutating func flat(_ value: JSONValue?) throws(TooMuchWork) -> [JSONValue] {
    var found: [JSONValue] = []
    if let value { try add(value, to: &found) }
    return found
  }

  private mutating func add(_ value: JSONValue, to found: inout [JSONValue]) throws(TooMuchWork) {
    try step()
    guard let items = value.array else { return found.append(value) }
    for item in items { try add(item, to: &found) }
  }
}

extension EventPattern {
  package func matches(_ look: inout EventLook) throws(TooMuchWork) -> Bool {
    try Self.matches(root, look.event, &look, [])
  }

  /// - Parameter path: of the fields that lead to `value`.
  private static func matches(
    _ node: Node, _ value: JSONValue?, _ look: inout EventLook, _ path: [String]
  ) throws(TooMuchWork) -> Bool {
    try look.step()
    switch node {
    case .all(let nodes):
      for node in nodes { if try !matches(node, value, &look, path) { return false } }
      return true
    case .any(let nodes):
      for node in nodes { if try matches(node, value, &look, path) { return true } }
      return false
    case .field(let name, .values(let matchers)):
      return try holds(matchers, value?[name], &look, path + [name])
    case .field(let name, let below):
      // Within one object of a list; where there is none, as if all below were absent.
      let objects = try look.flat(value?[name]).filter { $0.object != nil }
      let path = path + [name]
      if objects.isEmpty { return try matches(below, nil, &look, path) }
      for object in objects { if try matches(below, object, &look, path) { return true } }
      return false
    case .values: return false
    }
  }

  private static func holds(
    _ matchers: [Matcher], _ value: JSONValue?, _ look: inout EventLook, _ path: [String]
  ) throws(TooMuchWork) -> Bool {
    let scalars = try look.flat(value).filter { $0.object == nil }
    for matcher in matchers {
      if matcher == .exists(false) {
        if try look.isAbsent(path) { return true }
        continue
      }
      for scalar in scalars {
        try look.step(matcher.comparisons * (1 + (scalar.string?.utf8.count ?? 0) / 64))
        if matcher.matches(scalar) { return true }
      }
    }
    return false
  }
}

extension EventPattern.Matcher {
  /// How often it may look at the whole of a text.
  fileprivate var comparisons: Int {
    switch self {
    case .anythingBut(let matchers): matchers.reduce(0) { $0 + $1.comparisons }
    case .wildcard(let wildcard): 1 + wildcard.bytes
    default: 1
    }
  }
}
