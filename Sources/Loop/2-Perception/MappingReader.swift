import CanonicalJSON
package import Domain

/// Why a record does not fit its mapping. It becomes a dead letter with this reason; the others go on.
package enum RecordFault: OperatorError, Equatable {
  case notJSON
  case notAnObject
  case unmappedStream(stream: String)
  case missing(path: String)
  case wrongType(path: String, wanted: String, found: String)
  case notADate(path: String, found: String, formats: String)
  case notInCents(path: String, found: String)
  case unknownChoice(path: String, found: String, known: String)
  /// Two different contents claim to be one version.
  case versionConflict(version: String)
  /// The entity is delivered by another instance.
  case claimed(by: String)

  package var code: String {
    switch self {
    case .notJSON: "record.not_json"
    case .notAnObject: "record.not_an_object"
    case .unmappedStream: "record.unmapped_stream"
    case .missing: "record.missing_field"
    case .wrongType: "record.wrong_type"
    case .notADate: "record.not_a_date"
    case .notInCents: "record.not_in_cents"
    case .unknownChoice: "record.unknown_choice"
    case .versionConflict: "record.version_conflict"
    case .claimed: "record.claimed"
    }
  }
  package var message: String {
    switch self {
    case .notJSON: "The payload is no JSON that can be kept."
    case .notAnObject: "The payload is no JSON object."
    case .unmappedStream(let stream): "The mapping says nothing of stream `\(stream)`."
    case .missing(let path): "The record has no value at `\(path)`, which the mapping requires."
    case .wrongType(let path, let wanted, let found): "The value at `\(path)` is \(found), not \(wanted)."
    case .notADate(let path, let found, let formats): "The value at `\(path)`, \"\(found)\", is no date as \(formats)."
    case .notInCents(let path, let found): "The value at `\(path)`, \(found), is no amount in whole cents."
    case .unknownChoice(let path, let found, let known): "The value at `\(path)`, \"\(found)\", is none of \(known)."
    case .versionConflict(let version): "Version \(version) was delivered before with other content."
    case .claimed(let source): "The entity is delivered by \(source) already."
    }
  }
  package var remedy: String {
    switch self {
    case .notJSON, .notAnObject: "Look at the connector; then replay or drop the dead letter."
    case .unmappedStream, .missing, .wrongType, .notADate, .notInCents, .unknownChoice:
      "Correct the mapping or the record at its source, then replay or drop the dead letter."
    case .versionConflict: "The source must give each content its own version; drop the dead letter."
    case .claimed: "Disable one of the two instances, then replay or drop the dead letter."
    }
  }
}

extension StreamMapping {
  /// The canonical fields of a record; a field without a value is left out.
  package func fields(of record: JSONValue) throws(RecordFault) -> [String: JSONValue] {
    guard record.object != nil else { throw .notAnObject }
    var fields: [String: JSONValue] = [:]
    for field in self.fields {
      if let value = try field.value(in: record) { fields[field.name] = value }
    }
    return fields
  }

  package func day(of record: JSONValue) throws(RecordFault) -> BusinessDay? {
    guard let day, let value = try day.value(in: record)?.string else { return nil }
    return BusinessDay(value)
  }

  /// The canonical fields that a write of these upstream fields sets; `.null` for one that it clears.
  package func fields(written: [String: JSONValue]) throws(RecordFault) -> [String: JSONValue] {
    var fields: [String: JSONValue] = [:]
    for field in self.fields {
      guard field.path.count == 1, let value = written[field.path[0]] else { continue }
      fields[field.name] = value.isNull ? .null : try field.convert(value) ?? .null
    }
    return fields
  }
}

extension FieldMapping {
  func value(in record: JSONValue) throws(RecordFault) -> JSONValue? {
    var value: JSONValue? = record
    for name in path { value = value?[name] }
    let converted: JSONValue? = if let value, !value.isNull { try convert(value) } else { nil }
    if converted == nil, isRequired { throw .missing(path: dotted) }
    return converted
  }

  /// - Returns: nil for a text that is empty.
  func convert(_ value: JSONValue) throws(RecordFault) -> JSONValue? {
    switch conversion {
    case .text:
      return try text(value).map { .string($0) }
    case .reference:
      // What it stands for is resolved when it is applied, by what is known then.
      return try text(value).map { .string($0) }
    case .integer:
      guard let number = value.integer else { throw wrongType("an integer", value) }
      return .integer(number)
    case .day(let formats):
      guard let text = try text(value) else { return nil }
      for format in formats {
        if let day = format.read(text) { return .string(day.description) }
      }
      throw .notADate(
        path: dotted, found: String(text.prefix(40)), formats: formats.map(\.text).joined(separator: " or "))
    case .money(let unit):
      return .integer(try cents(value, unit))
    case .choice(let values):
      guard let text = try text(value) else { return nil }
      guard let canonical = values[text] else {
        throw .unknownChoice(
          path: dotted, found: String(text.prefix(40)), known: values.keys.sorted().joined(separator: ", "))
      }
      return .string(canonical)
    }
  }

  private func text(_ value: JSONValue) throws(RecordFault) -> String? {
    guard let text = value.string else { throw wrongType("a text", value) }
    return text.isEmpty ? nil : text
  }

  /// Exact decimal arithmetic on the number as it is written; nothing is rounded.
  private func cents(_ value: JSONValue, _ unit: MoneyUnit) throws(RecordFault) -> Int64 {
    let written: String
    switch value {
    case .integer(let number): written = String(number)
    case .double(let number): written = number.description
    case .string(let text): written = text
    case .null, .bool, .array, .object: throw wrongType("a number", value)
    }
    guard let cents = decimal(written, places: unit.places) else {
      throw .notInCents(path: dotted, found: String(written.prefix(40)))
    }
    return cents
  }

  private func wrongType(_ wanted: String, _ value: JSONValue) -> RecordFault {
    .wrongType(path: dotted, wanted: wanted, found: value.kind)
  }
}

/// A decimal number such as `-1100.04`, times 10^places; nil when that is no integer that JSON can hold.
func decimal(_ text: String, places: Int) -> Int64? {
  var digits = text[...]
  let isNegative = digits.first == "-"
  if isNegative { digits = digits.dropFirst() }
  let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
  guard (1...2).contains(parts.count),
    parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
  else { return nil }
  var fraction = parts.count == 2 ? String(parts[1]) : ""
  while fraction.last == "0" { fraction.removeLast() }
  guard fraction.count <= places else { return nil }
  fraction += String(repeating: "0", count: places - fraction.count)
  guard let value = Int64(parts[0] + fraction), value <= (1 << 53) - 1 else { return nil }
  return isNegative ? -value : value
}
