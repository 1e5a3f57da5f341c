/// What breaks a rule already, counted by place. The list may only become shorter: a new violation fails, and so does
/// an entry that is no longer needed.
enum Ratchet {
  static let known: [String: [String: Int]] = [
    "types": [
      // The class and the room are both the vault; renaming touches every room that seals.
      "Sources/Core/Vault/Vault.swift": 1
    ],
    "crash points": [
      // They come with the ledger's publisher and the effects of room Action.
      "ledger.before_tiles": 1, "ledger.before_high_water": 1, "ledger.before_checkpoint": 1,
      "ledger.after_checkpoint": 1, "effect.before_send": 1, "effect.after_send": 1,
    ],
    "durable writes": [
      // Writes only the format's number, into a file that has no entries yet.
      "Sources/Adapters/SQLiteStorage/Segment.swift": 1,
      "Sources/Apps/SluiceHost/DataFolder.swift": 1,
    ],
    "invariants": [
      // Their tests come with rooms Action (5), Decision and ToolPlane (9).
      "invariant 5": 1, "invariant 9": 1,
    ],
  ]

  /// - Returns: One sentence for each place where found and known differ.
  static func complaints(
    about violations: [Violation], of rule: String, known: [String: [String: Int]] = known
  ) -> [String] {
    let allowed = known[rule] ?? [:]
    let found = Dictionary(grouping: violations, by: \.place)
    var complaints: [String] = []
    for (place, here) in found.sorted(by: { $0.key < $1.key }) where here.count > allowed[place, default: 0] {
      complaints += here.map(\.description)
    }
    for (place, count) in allowed.sorted(by: { $0.key < $1.key }) where found[place, default: []].count < count {
      complaints.append(
        "\(place): the ratchet knows \(count) of rule \"\(rule)\", \(found[place, default: []].count) are left; lower it."
      )
    }
    return complaints
  }
}
