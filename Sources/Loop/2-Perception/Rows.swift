import Domain

extension Space {
  /// instance → `Instance`.
  static let instance = Space("perception.instance")
  /// activation hash → the mapping's document.
  static let mapping = Space("perception.mapping")
  /// `current` → the thresholds document.
  static let thresholds = Space("perception.thresholds")
  /// `clock` → `BusinessClock`.
  static let clock = Space("perception.clock")
  /// instance/stream → the last day that is complete.
  static let watermark = Space("perception.watermark")
  /// instance/stream/key/ordinal → a record version that was delivered: kept whether or not it was applied.
  static let version = Space("perception.version")
  /// day/rank/instance/stream/key/ordinal → a mapped version that waits for its day's tick.
  static let pending = Space("perception.pending")
  /// type/id → `Entity`.
  static let entity = Space("perception.entity")
  /// type/normalized name/id → how the entity came by that name.
  static let name = Space("perception.name")
  /// type/normalized name/referrer's type/its id → a reference that nothing answers yet.
  static let unresolved = Space("perception.unresolved")
  /// product/engage day/deal → an open deal that is not called stalled.
  static let open = Space("perception.open")
  /// product → how many of its deals closed, and the longest age at closing.
  static let cycle = Space("perception.cycle")
  /// product/age in days → how many of its deals closed at that age.
  static let closedAge = Space("perception.closed_age")
  /// owner → open deals, team, whether called overloaded.
  static let load = Space("perception.load")
  /// owner → losses in a row.
  static let streak = Space("perception.streak")
  /// day/account → deals engaged on that day.
  static let engagement = Space("perception.engagement")
  /// account → engagements in the window and in the base before it, and when it was last called heating or cooling.
  static let heat = Space("perception.heat")
  /// day/account → its rest ends on that day.
  static let heatDue = Space("perception.heat_due")
  /// ordinal → a signal that waits for the next tick.
  static let event = Space("perception.event")
  /// unknown product name → the day of its first sight.
  static let unknownProduct = Space("perception.unknown_product")
  /// type/id/permit → a write of ours that has not come back yet.
  static let ownWrite = Space("perception.own_write")
  /// permit → the subject of a write of ours that has not come back yet.
  static let permit = Space("perception.permit")
  /// position/ordinal → a record that does not fit, with its reason.
  static let deadLetter = Space("perception.dead_letter")
  /// what/where → how many.
  static let count = Space("perception.count")
  /// signal kind → how many and the first day; `stalled_then/won|lost` → how many.
  static let tally = Space("perception.tally")
}

/// The state as one entry sees it: each row is read once and written once, when the entry is applied.
final class Rows {
  private let state: any StateTransaction
  private struct Row {
    var value: JSONValue?
    var isChanged = false
  }
  private var known: [Space: [String: Row]] = [:]
  /// The keys of rows that have to be written.
  private var changed: [Space: [String]] = [:]

  init(_ state: any StateTransaction) { self.state = state }

  func get(_ space: Space, _ key: String) throws -> JSONValue? {
    if let row = known[space]?[key] { return row.value }
    let value = try state.value(space, key)
    known[space, default: [:]][key] = Row(value: value)
    return value
  }
  func set(_ space: Space, _ key: String, _ value: JSONValue?) {
    let before = known[space, default: [:]].updateValue(Row(value: value, isChanged: true), forKey: key)
    if before?.isChanged != true { changed[space, default: []].append(key) }
  }
  func scan(_ space: Space, prefix: String) throws -> [(String, JSONValue)] {
    try flush(space)
    return try state.scan(space, prefix: prefix)
  }
  func scan(_ space: Space, from: String, until: String) throws -> [(String, JSONValue)] {
    try flush(space)
    return try state.scan(space, from: from, until: until, reversed: false, countMax: .max)
  }

  func isEmpty(_ space: Space) throws -> Bool {
    try flush(space)
    return try state.scan(space, prefix: "", countMax: 1).isEmpty
  }

  func flush() throws {
    for space in changed.keys { try flush(space) }
  }
  private func flush(_ space: Space) throws {
    guard let keys = changed.removeValue(forKey: space) else { return }
    for key in keys {
      known[space]?[key]?.isChanged = false
      if let value = known[space]?[key]?.value {
        try state.set(space, key, value)
      } else {
        try state.remove(space, key)
      }
    }
  }

  func add(_ amount: Int64, to space: Space, _ key: String) throws {
    set(space, key, .integer((try get(space, key)?.integer ?? 0) + amount))
  }
}

extension JSONValue {
  init(_ number: Int) { self = .integer(Int64(number)) }
  init(_ day: BusinessDay?) { self = day.map { .string($0.description) } ?? .null }
  init(_ text: String?) { self = text.map { .string($0) } ?? .null }
  func int(_ key: String) -> Int { Int(self[key]?.integer ?? 0) }
  func day(_ key: String) -> BusinessDay? { self[key]?.string.flatMap { BusinessDay($0) } }
}
