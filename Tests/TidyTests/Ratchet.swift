/// What breaks a rule already, counted by place. The list may only become shorter: a new violation fails, and so does
/// an entry that is no longer needed.
enum Ratchet {
  static let known: [String: [String: Int]] = [
    "types": [
      // The class and the room are both the vault; renaming touches every room that seals.
      "Sources/Core/Vault/Vault.swift": 1
    ],
    "durable writes": [
      // It writes only a format's number, into a folder that holds nothing yet.
      "Sources/Apps/SluiceHost/DataFolder.swift": 1,
      // The points stand in LedgerPublisher, between the calls that order the writes.
      "Sources/Adapters/FileStorage/FileObjectStore.swift": 1,
    ],
    "no globals": [
      // A C factory has no context; a worker holds one library, and its entry writes these once.
      "Sources/Plugin/SluiceKit/Border/Library.swift": 3
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
