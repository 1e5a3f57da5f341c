import Domain

/// Why an entry cannot be applied at all. What is wrong with single records is a `RecordFault` instead.
package enum PerceptionError: OperatorError, Equatable {
  case unreadable(kind: String, position: UInt64, reason: String)
  case damagedRow(space: String, key: String)

  package var code: String {
    switch self {
    case .unreadable: "perception.unreadable_entry"
    case .damagedRow: "perception.damaged_row"
    }
  }
  package var message: String {
    switch self {
    case .unreadable(let kind, let position, let reason):
      "Entry \(position) (\(kind)) cannot be read: \(reason)"
    case .damagedRow(let space, let key): "The row \(key) of \(space) is not what Perception writes."
    }
  }
  package var remedy: String {
    switch self {
    case .unreadable: "Run `sluice doctor --deep`; restore the journal from a backup if it names this entry."
    case .damagedRow: "Run `sluice doctor --deep`, which rebuilds the tenant's state from the journal."
    }
  }
}
