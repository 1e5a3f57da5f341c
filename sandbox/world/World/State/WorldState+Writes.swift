// What a client may change. Bound by what a careful CRM would check.
extension WorldState {
  /// - Parameter expectedVersion: from `If-Match`; `nil` takes any version.
  package mutating func patch(
    _ stream: RecordStream, id: String, with changes: [String: JSONValue], expectedVersion: Int?
  ) throws(ChangeRefusal) -> Change {
    guard let old = record(stream, id), !old.isDeleted else { throw .unknownRecord(stream: stream, id: id) }
    if let expectedVersion, expectedVersion != old.version { throw .versionMismatch(current: old.version) }
    guard !changes.isEmpty else { throw .invalid("the body names no field") }
    var checked = try FieldRule.checked(changes, of: stream)
    if stream == .opportunities { checked = try checkedDeal(checked, of: old) }
    return put(stream, id: id, fields: old.fields.merging(checked) { _, new in new })
  }

  private func checkedDeal(
    _ changes: [String: JSONValue], of old: Record
  ) throws(ChangeRefusal) -> [String: JSONValue] {
    if changes["engage_date"] != nil { throw .invalid("'engage_date' is set by the CRM") }
    for (field, stream) in [("owner", RecordStream.reps), ("product", .products), ("account", .accounts)] {
      guard let name = changes[field]?.string else { continue }
      // What the data itself writes may be written back: an alias is how this CRM has always had it.
      let isWritten = field == "product" && writtenProducts.contains(name)
      guard isWritten || live(stream).contains(where: { $0.fields["name"] == .string(name) }) else {
        throw .invalid("'\(field)': \(stream.rawValue) have no '\(name)'")
      }
    }
    return try checkedClose(changes, of: old)
  }

  /// Closing needs a value when won; reopening clears date and value; nothing else touches them.
  private func checkedClose(
    _ changes: [String: JSONValue], of old: Record
  ) throws(ChangeRefusal) -> [String: JSONValue] {
    var changes = changes
    let wasClosed = old.stage?.isClosed == true
    switch changes["stage"]?.string.flatMap(Pipeline.Stage.init) {
    case nil:
      for field in ["close_date", "close_value"] where changes[field] != nil && !wasClosed {
        throw .invalid("'\(field)' goes with a 'stage' of Won or Lost")
      }
    case .won?, .lost?:
      if wasClosed { throw .invalid("the deal is closed already") }
      if changes["close_value", default: .null] == .null {
        guard changes["stage"] == "Lost" else { throw .invalid("a deal that is Won needs a 'close_value'") }
        changes["close_value"] = 0
      }
      if changes["close_date", default: .null] == .null { changes["close_date"] = .string(day.slashed) }
    case .engaging?:
      guard wasClosed else { throw .invalid("only a closed deal can go back to Engaging") }
      changes["close_date"] = .null
      changes["close_value"] = .null
    case .prospecting?: throw .invalid("a deal cannot go back to Prospecting")
    }
    return changes
  }
}
