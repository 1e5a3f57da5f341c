package import Domain

/// What others may ask of perception's state.
package struct PerceptionQueries {
  private let view: any StateView
  package init(_ view: any StateView) { self.view = view }

  /// The last business day whose rules have been judged.
  package func tickedDay() throws -> BusinessDay? { BusinessClock(try view.value(.clock, "clock") ?? [:]).ticked }

  package func deadLetter(_ id: String) throws -> JSONValue? { try view.value(.deadLetter, id) }

  /// Records that did not fit, with their reasons, newest last.
  package func deadLetters(countMax: Int) throws -> [JSONValue] {
    try view.scan(.deadLetter, countMax: countMax).map { key, row in
      guard case .object(var members) = row else { return row }
      members["id"] = .string(key)
      return .object(members)
    }
  }
}
