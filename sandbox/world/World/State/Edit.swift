/// What somebody does to a record in the CRM behind everybody's back.
package struct Edit: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    case set([String: JSONValue])
    case add([String: JSONValue])
    case delete
  }
  package let stream: RecordStream
  package let id: String
  package let kind: Kind

  package init(stream: RecordStream, id: String, kind: Kind) {
    self.stream = stream
    self.id = id
    self.kind = kind
  }

  /// Reads `{"stream":…,"id":…,"set":{…}|"add":{…}|"delete":true}`.
  package init(json: JSONValue) throws {
    guard let stream = json["stream"]?.string.flatMap(RecordStream.init) else {
      throw SetupError("'stream' must be one of \(RecordStream.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard let id = json["id"]?.string, !id.isEmpty else { throw SetupError("'id' must be a text") }
    let known: Set = ["day", "stream", "id", "set", "add", "delete"]
    if let odd = json.object?.keys.sorted().first(where: { !known.contains($0) }) {
      throw SetupError("'\(odd)' is no part of an edit")
    }
    let kinds: [Kind] = [
      json["set"]?.object.map(Kind.set), json["add"]?.object.map(Kind.add),
      json["delete"] == .bool(true) ? .delete : nil,
    ].compactMap(\.self)
    guard kinds.count == 1, let kind = kinds.first else {
      throw SetupError("exactly one of 'set' {…}, 'add' {…} and 'delete' true is needed")
    }
    self.init(stream: stream, id: id, kind: kind)
    switch kind {
    case .set(let fields), .add(let fields):
      do { _ = try FieldRule.checked(fields, of: stream) } catch { throw SetupError(error.description) }
    case .delete: break
    }
  }

  /// Reads the edits file: a list of edits, each with its `day`.
  package static func byDay(
    json: JSONValue, within days: ClosedRange<BusinessDay>
  ) throws -> [BusinessDay: [Edit]] {
    guard let list = json.array else { throw SetupError("a JSON list of edits is expected") }
    var edits: [BusinessDay: [Edit]] = [:]
    for (index, item) in list.enumerated() {
      do {
        guard let day = item["day"]?.string.flatMap({ BusinessDay(iso: $0) }) else {
          throw SetupError("'day' must be a date (YYYY-MM-DD)")
        }
        guard days.contains(day) else {
          throw SetupError("'day' \(day.iso) is outside \(days.lowerBound.iso)…\(days.upperBound.iso)")
        }
        edits[day, default: []].append(try Edit(json: item))
      } catch let error as SetupError {
        throw SetupError("item \(index + 1): \(error)")
      }
    }
    return edits
  }

  package var json: JSONValue {
    var json: [String: JSONValue] = ["stream": .string(stream.rawValue), "id": .string(id)]
    switch kind {
    case .set(let fields): json["set"] = .object(fields)
    case .add(let fields): json["add"] = .object(fields)
    case .delete: json["delete"] = true
    }
    return .object(json)
  }
}

extension WorldState {
  /// Unlike a client's write, an edit is bound only by the type of each field: whoever sits at the CRM can do more.
  mutating func changed(by edit: Edit) throws(ChangeRefusal) -> Change {
    let old = record(edit.stream, edit.id)
    switch edit.kind {
    case .set(let changes):
      guard let old, !old.isDeleted else { throw .unknownRecord(stream: edit.stream, id: edit.id) }
      let checked = try FieldRule.checked(changes, of: edit.stream)
      return put(edit.stream, id: edit.id, fields: old.fields.merging(checked) { _, new in new })
    case .add(let changes):
      if old != nil { throw .alreadyThere(stream: edit.stream, id: edit.id) }
      let checked = try FieldRule.checked(changes, of: edit.stream)
      return put(edit.stream, id: edit.id, fields: FieldRule.blank(edit.stream).merging(checked) { _, new in new })
    case .delete:
      guard let old, !old.isDeleted else { throw .unknownRecord(stream: edit.stream, id: edit.id) }
      return put(edit.stream, id: edit.id, fields: old.fields, deleted: true)
    }
  }
}
