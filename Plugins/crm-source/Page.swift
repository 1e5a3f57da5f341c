import SluiceKit

/// One page of a list: `{"items":[…],"next":{"id","updated_at"}|null,"as_of":DAY}`.
struct Page {
  struct Cursor: Equatable {
    let day: Day
    let id: String
  }
  let items: [Item]
  /// The cursor behind this page; nil on the last one.
  let next: Cursor?
  let asOf: Day

  /// - Throws: ``JSONError`` for what is no such page.
  init(parsing body: [UInt8]) throws {
    var reader = JSONReader(body)
    var items: [Item]?
    var next: JSON?
    var asOf: Day?
    try reader.object { name, reader in
      switch name {
      case "items":
        var found: [Item] = []
        try reader.array { found.append(try Item(&$0)) }
        items = found
      case "next": next = try reader.value()
      case "as_of": asOf = try reader.value().string.flatMap { Day(iso: $0) }
      default: _ = try reader.value()
      }
    }
    try reader.end()
    guard let items, let next, let asOf else {
      throw JSONError(offset: 0, reason: "an object without `items`, `next` or `as_of`")
    }
    self.items = items
    self.next = try Page.cursor(next)
    self.asOf = asOf
  }

  private static func cursor(_ json: JSON) throws -> Cursor? {
    if json == .null { return nil }
    guard let id = json["id"]?.string, let day = json["updated_at"]?.string.flatMap({ Day(iso: $0) }) else {
      throw JSONError(offset: 0, reason: "a `next` without `id` or `updated_at`")
    }
    return Cursor(day: day, id: id)
  }
}

/// One record as the CRM wrote it.
struct Item: Equatable {
  let id: String
  let version: UInt64
  let updatedAt: Day
  let isDeleted: Bool
  /// The bytes as received.
  let payload: [UInt8]

  /// Reads one object and keeps its bytes.
  init(_ reader: inout JSONReader) throws {
    let start = reader.start()
    let json = try reader.value()
    guard let id = json["id"]?.string, (1...1024).contains(id.utf8.count),
      let version = json["version"]?.integer.flatMap({ UInt64(exactly: $0) }),
      let updatedAt = json["updated_at"]?.string.flatMap({ Day(iso: $0) })
    else { throw JSONError(offset: start, reason: "a record without `id`, `version` or `updated_at`") }
    self.id = id
    self.version = version
    self.updatedAt = updatedAt
    isDeleted = json["deleted"]?.bool ?? false
    payload = Array(reader.bytes[start..<reader.position])
  }

  var record: Record {
    Record(
      key: id, operation: isDeleted ? .delete : .upsert, payload: payload, eventTimeMs: updatedAt.startMs,
      sourceOrdinal: version, sourceVersion: String(version))
  }
}

/// A webhook's body: `{"type":…,"data":{record}}`.
enum Announcement: Equatable {
  case opportunity(Item)
  case other(type: String)

  /// - Throws: ``Failure`` of class permanent: what was delivered does not change.
  init(parsing body: [UInt8]) throws {
    do {
      guard let type = try JSON(parsing: body)["type"]?.string else {
        throw JSONError(offset: 0, reason: "an object without `type`")
      }
      guard ["opportunity.changed", "opportunity.deleted"].contains(type) else {
        self = .other(type: type)
        return
      }
      self = .opportunity(try Self.data(of: body))
    } catch let error as JSONError {
      throw Failure.permanent("crm.bad_delivery", "A delivery is no announcement of the CRM: \(error).")
    }
  }

  private static func data(of body: [UInt8]) throws -> Item {
    var reader = JSONReader(body)
    var item: Item?
    try reader.object { name, reader in
      if name == "data" { item = try Item(&reader) } else { _ = try reader.value() }
    }
    guard let item else { throw JSONError(offset: 0, reason: "an object without `data`") }
    return item
  }
}
