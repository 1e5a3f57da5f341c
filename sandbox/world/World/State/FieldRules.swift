/// Why a change to a record was refused; `status` is the HTTP status of the answer.
package enum ChangeRefusal: Error, Equatable, CustomStringConvertible {
  case unknownRecord(stream: RecordStream, id: String)
  case alreadyThere(stream: RecordStream, id: String)
  case versionMismatch(current: Int)
  case invalid(String)

  package var status: Int {
    switch self {
    case .unknownRecord: 404
    case .alreadyThere: 409
    case .versionMismatch: 412
    case .invalid: 422
    }
  }

  package var code: String {
    switch self {
    case .unknownRecord: "not_found"
    case .alreadyThere: "already_exists"
    case .versionMismatch: "version_mismatch"
    case .invalid: "invalid"
    }
  }

  package var description: String {
    switch self {
    case .unknownRecord(let stream, let id): "\(stream.rawValue) has no record '\(id)'"
    case .alreadyThere(let stream, let id): "\(stream.rawValue) already has a record '\(id)'"
    case .versionMismatch(let current): "the record is at version \(current)"
    case .invalid(let why): why
    }
  }
}

/// What a field may hold. Dates are read as `2017-03-01` or `3/1/2017` and kept as the exports write them.
enum FieldRule {
  case text, optionalText, numeric, optionalDate

  static func of(_ stream: RecordStream) -> [String: FieldRule] {
    switch stream {
    case .accounts:
      [
        "name": .text, "sector": .optionalText, "year_established": .numeric, "revenue": .numeric,
        "employees": .numeric, "office_location": .optionalText, "subsidiary_of": .optionalText,
      ]
    case .products: ["name": .text, "series": .optionalText, "sales_price": .numeric]
    case .reps: ["name": .text, "manager": .optionalText, "regional_office": .optionalText]
    case .opportunities:
      [
        "owner": .text, "product": .text, "account": .optionalText, "stage": .text, "engage_date": .optionalDate,
        "close_date": .optionalDate, "close_value": .numeric, "expected_close_date": .optionalDate,
      ]
    }
  }

  /// Fields of a stream when nothing else is known of a record.
  static func blank(_ stream: RecordStream) -> [String: JSONValue] {
    var fields = of(stream).mapValues { _ in JSONValue.null }
    if stream == .opportunities { fields["stage"] = .string(Pipeline.Stage.prospecting.rawValue) }
    return fields
  }

  /// - Returns: the fields as they are stored.
  static func checked(
    _ changes: [String: JSONValue], of stream: RecordStream
  ) throws(ChangeRefusal) -> [String: JSONValue] {
    let rules = of(stream)
    var checked: [String: JSONValue] = [:]
    for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
      guard let rule = rules[name] else {
        throw .invalid("\(stream.rawValue) have no field '\(name)' that can be changed")
      }
      guard let stored = rule.stored(value) else { throw .invalid("'\(name)' cannot be \(value.text)") }
      checked[name] = stored
    }
    if let stage = checked["stage"]?.string, Pipeline.Stage(rawValue: stage) == nil {
      throw .invalid("'stage' cannot be \"\(stage)\"")
    }
    return checked
  }

  private func stored(_ value: JSONValue) -> JSONValue? {
    switch self {
    case .text: value.string.map { !$0.isEmpty } == true ? value : nil
    case .optionalText: value == .null || value.string != nil ? value : nil
    case .numeric: value == .null || value.isNumeric ? value : nil
    case .optionalDate:
      if value == .null {
        value
      } else if let day = value.string.flatMap({ BusinessDay(iso: $0) ?? BusinessDay(slashed: $0) }) {
        .string(day.slashed)
      } else {
        nil
      }
    }
  }
}
