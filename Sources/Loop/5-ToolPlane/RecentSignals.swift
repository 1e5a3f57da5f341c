import CanonicalJSON
package import Domain

/// Keeps the last signals for `signals.list_recent`.
package struct RecentSignals: Stage {
  /// 20 digits of a running number → the signal.
  package static let signals = Space("toolplane.signal")
  static let count = Space("toolplane.signal_count")
  package static let keptMax = 2_000

  package init() {}

  package func apply(_ entry: Entry, to state: any StateTransaction) throws -> [Derived] {
    guard entry.kind == .signals else { return [] }
    var next = try state.value(Self.count, "next")?.integer ?? 0
    for signal in try JSONValue(parsing: entry.body)["signals"]?.array ?? [] {
      try state.set(Self.signals, Self.key(next), signal)
      if next >= Int64(Self.keptMax) { try state.remove(Self.signals, Self.key(next - Int64(Self.keptMax))) }
      next += 1
    }
    try state.set(Self.count, "next", .integer(next))
    return []
  }

  private static func key(_ number: Int64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: 20 - digits.utf8.count) + digits
  }

  static func list(_ arguments: JSONValue, _ view: any StateView) throws -> JSONValue {
    let countMax = Int(arguments["count_max"]?.integer ?? 20)
    let fits = { (signal: JSONValue) -> Bool in
      [
        ("kind", signal["kind"]), ("subject_type", signal["subject"]?["type"]),
        ("subject_id", signal["subject"]?["id"]),
      ]
      .allSatisfy { arguments[$0.0] == nil || arguments[$0.0] == $0.1 }
    }
    let found = try view.scan(signals, from: "", until: nil, reversed: true, countMax: keptMax).lazy.map(\.1)
      .filter(fits).prefix(countMax)
    return ReadTool.untrusted(["signals": .array(Array(found)), "kept": .integer(Int64(keptMax))])
  }
}
