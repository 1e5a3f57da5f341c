import CanonicalJSON
import Domain

// A write of ours comes back as a change like any other. It is known by its receipt's version where there is one, by
// its values otherwise, and it proposes nothing.
extension Work {
  /// Remembers what a started effect sets: `{"…": id, "set": {upstream field: value}}` about its subject.
  func remember(_ start: EffectStart) throws {
    guard let written = start.call.arguments["set"]?.object, let entity = try entity(start.subject),
      let instance = try instance(entity.instance), let mapping = try mapping(of: instance).streams[entity.stream],
      let fields = try? mapping.fields(written: written), !fields.isEmpty
    else { return }
    rows.set(
      .ownWrite, RowKey.of(start.subject.type, start.subject.id, start.permit.hex),
      ["fields": .object(fields)])
    rows.set(
      .permit, start.permit.hex, ["type": .string(start.subject.type), "id": .string(start.subject.id)])
  }

  func note(_ receipt: Receipt) throws {
    guard let row = try rows.get(.permit, receipt.permit.hex), let type = row["type"]?.string,
      let id = row["id"]?.string
    else { return }
    let key = RowKey.of(type, id, receipt.permit.hex)
    switch receipt.outcome {
    case .done:
      guard case .object(var write)? = try rows.get(.ownWrite, key) else { return }
      let version = receipt.result["version"]
      write["version"] = (version?.integer.map(String.init) ?? version?.string).map { .string($0) }
      rows.set(.ownWrite, key, .object(write))
    case .rejected, .notStarted: drop(key, receipt.permit.hex)
    case .unknown: break  // it may still come back
    }
  }

  /// The write of ours that this version is, if it is one.
  func linked(_ record: MappedRecord, _ after: Entity) throws -> (permit: Digest, fields: Set<String>)? {
    guard record.fields != nil, try hasOwnWrites() else { return nil }
    let prefix = RowKey.prefix(record.subject.type, record.subject.id)
    var permit: Digest?
    var fields: Set<String> = []
    for (key, write) in try rows.scan(.ownWrite, prefix: prefix) {
      guard let values = write["fields"]?.object, let hex = RowKey.parts(key).last, let digest = Digest(hex: hex) else {
        continue
      }
      let matches = values.allSatisfy { name, value in Self.agree(after.fields[name], value) }
      let version = write["version"]?.string
      let isPast = version.flatMap(UInt64.init).map { record.ordinal > $0 } ?? false
      if matches && (version == nil || version == record.sourceVersion || isPast) {
        permit = digest
        fields.formUnion(values.keys)
        if case .object(var row)? = try rows.get(.version, record.versionKey) {
          row["linked_permit"] = .string(hex)
          rows.set(.version, record.versionKey, .object(row))
        }
        drop(key, hex)
      } else if isPast {
        drop(key, hex)  // somebody changed it again before it was seen
      }
    }
    return permit.map { ($0, fields) }
  }

  /// Asked once per entry: mostly there are none.
  private func hasOwnWrites() throws -> Bool {
    if let known = ownWritesKnown { return known }
    let found = try !rows.isEmpty(.ownWrite)
    ownWritesKnown = found
    return found
  }

  private func drop(_ key: String, _ permit: String) {
    rows.set(.ownWrite, key, nil)
    rows.set(.permit, permit, nil)
  }

  private static func agree(_ value: JSONValue?, _ written: JSONValue) -> Bool {
    guard let value, !value.isNull else { return written.isNull }
    return (value["text"] ?? value) == written
  }
}
