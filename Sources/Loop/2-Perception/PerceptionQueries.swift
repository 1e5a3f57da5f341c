package import Domain

/// Whether a version of a record was delivered before.
package enum DeliveryStanding: Sendable {
  case new
  /// It would only be counted.
  case copy
  /// With other content: it would be a dead letter.
  case conflict
}

/// What others may ask of perception's state.
package struct PerceptionQueries {
  private let view: any StateView
  package init(_ view: any StateView) { self.view = view }

  /// What would become of the record's version.
  package func standing(of record: IntakeRecord, instance: String, stream: String) throws -> DeliveryStanding {
    let key = Delivered.versionKey(record, instance: instance, stream: stream)
    guard let row = try view.value(.version, key) else { return .new }
    return row["content"]?.string == Delivered.content(of: record) ? .copy : .conflict
  }

  /// The last business day whose rules have been judged.
  package func tickedDay() throws -> BusinessDay? { BusinessClock(try view.value(.clock, "clock") ?? [:]).ticked }

  /// With everything that was kept of it; nil when there is none.
  package func deadLetter(_ id: String) throws -> JSONValue? {
    try DeadLetter.key(id: id).flatMap { try view.value(.deadLetter, $0) }.map { Self.named($0, id) }
  }

  /// Records that did not fit, with their reasons but without what they hold, newest last.
  package func deadLetters(countMax: Int) throws -> [JSONValue] {
    var found: [JSONValue] = []
    var from = ""
    while found.count < countMax {
      // A few at a time: each may hold as much as a record may.
      let countMax = min(32, countMax - found.count)
      let rows = try view.scan(.deadLetter, from: from, until: nil, reversed: false, countMax: countMax)
      for case (_, .object(var row)) in rows {
        guard let letter = DeadLetter(.object(row)) else { continue }
        (row["payload"], row["mapped"]) = (nil, nil)
        found.append(Self.named(.object(row), letter.id))
      }
      guard rows.count == countMax, let last = rows.last else { break }
      from = last.0 + "\u{0}"
    }
    return found
  }

  /// How many there are by their instance: by what was counted of them, since the letters may be many and large.
  package func deadLetterCounts() throws -> [String: Int64] {
    var counts: [String: Int64] = [:]
    for (key, value) in try view.scan(.count, prefix: "dead_letters") {
      let parts = RowKey.parts(key)
      guard parts.count > 1, let count = value.integer else { continue }
      counts[parts[1], default: 0] += parts[0] == "dead_letters" ? count : -count
    }
    return counts.filter { $0.value != 0 }
  }

  private static func named(_ row: JSONValue, _ id: String) -> JSONValue {
    guard case .object(var members) = row else { return row }
    members["id"] = .string(id)
    return .object(members)
  }

  /// Which versions of each record of a stream have been delivered, in order of the records' keys.
  /// - Parameter after: Only records behind this one.
  package func versions(
    instance: String, stream: String, after key: String?, countMax: Int
  ) throws -> [(key: String, ordinals: [UInt64])] {
    let all = RowKey.prefix(instance, stream)
    var from = key.flatMap { prefixEnd(RowKey.prefix(instance, stream, $0)) } ?? all
    var found: [(key: String, ordinals: [UInt64])] = []
    while found.count <= countMax {
      let rows = try view.scan(.version, from: from, until: prefixEnd(all), reversed: false, countMax: 500)
      for (row, _) in rows {
        let parts = RowKey.parts(row)
        guard parts.count == 4, let ordinal = UInt64(parts[3]) else { continue }
        if found.last?.key != parts[2] { found.append((parts[2], [])) }
        found[found.count - 1].ordinals.append(ordinal)
      }
      guard rows.count == 500, let last = rows.last else { break }
      from = last.0 + "\u{0}"
    }
    return Array(found.prefix(countMax))
  }
}
