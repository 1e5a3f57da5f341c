package import Domain

/// What others may ask of perception's state.
package struct PerceptionQueries {
  private let view: any StateView
  package init(_ view: any StateView) { self.view = view }

  /// The last business day whose rules have been judged.
  package func tickedDay() throws -> BusinessDay? { BusinessClock(try view.value(.clock, "clock") ?? [:]).ticked }

  /// With everything that was kept of it; nil when there is none.
  package func deadLetter(_ id: String) throws -> JSONValue? {
    try DeadLetter.key(id: id).flatMap { try view.value(.deadLetter, $0) }.map { Self.named($0, id) }
  }

  /// Records that did not fit, with their reasons, newest last.
  package func deadLetters(countMax: Int) throws -> [JSONValue] {
    try view.scan(.deadLetter, countMax: countMax).compactMap { _, row in
      DeadLetter(row).map { Self.named(row, $0.id) }
    }
  }

  private static func named(_ row: JSONValue, _ id: String) -> JSONValue {
    guard case .object(var members) = row else { return row }
    members["id"] = .string(id)
    return .object(members)
  }
}
