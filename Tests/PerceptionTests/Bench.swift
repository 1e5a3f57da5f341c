import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import Perception
import TestKit
import WorldModel

let manifestText = """
  {"kind": "source", "streams": [{"name": "accounts"}, {"name": "products"}, {"name": "reps"}, {"name": "deals"}],
   "mapping": {"streams": {
     "accounts": {"entity": "account", "changed_on": {"path": "on", "type": "date", "format": "Y-m-d", "required": true},
       "fields": {"name": {"path": "name", "type": "text", "required": true},
                  "revenue": {"path": "figures.revenue", "type": "money", "unit": "million_dollars"},
                  "parent": {"path": "parent", "type": "reference", "to": "account"}}},
     "products": {"entity": "product", "changed_on": {"path": "on", "type": "date", "format": "Y-m-d", "required": true},
       "fields": {"name": {"path": "name", "type": "text", "required": true},
                  "list_price": {"path": "price", "type": "money", "unit": "dollars"}}},
     "reps": {"entity": "rep", "changed_on": {"path": "on", "type": "date", "format": "Y-m-d", "required": true},
       "fields": {"name": {"path": "name", "type": "text", "required": true}, "manager": {"path": "boss", "type": "text"}}},
     "deals": {"entity": "opportunity", "changed_on": {"path": "on", "type": "date", "format": "Y-m-d", "required": true},
       "ignore": ["note"],
       "fields": {"owner": {"path": "owner", "type": "reference", "to": "rep"},
                  "product": {"path": "product", "type": "reference", "to": "product"},
                  "account": {"path": "account", "type": "reference", "to": "account"},
                  "stage": {"path": "stage", "type": "choice", "required": true,
                    "values": {"Lead": "prospecting", "Open": "engaging", "Won": "won", "Lost": "lost"}},
                  "engaged_on": {"path": "engaged", "type": "date", "format": ["m/d/Y", "Y-m-d"]},
                  "closed_on": {"path": "closed", "type": "date", "format": ["m/d/Y", "Y-m-d"]},
                  "expected_close_on": {"path": "expected", "type": "date", "format": ["m/d/Y", "Y-m-d"]},
                  "value": {"path": "value", "type": "money", "unit": "dollars"}}}}}}
  """

let start = BusinessDay("2024-03-01")!
func day(_ offset: Int) -> BusinessDay { start.advanced(byDays: offset) }

/// Perception and WorldModel over one store, with a journal to feed them from.
final class Bench {
  let store = MemoryStateStore()
  let perception = PerceptionStage()
  let world = WorldModelStage()
  var journal = MemoryJournalLine()
  var changes: [EntityChange] = []
  var sets: [SignalSet] = []
  static let streams = ["accounts", "products", "reps", "deals"]

  /// - Parameter isReplaying: nil: nothing is activated yet.
  init(replay isReplaying: Bool? = true) throws {
    if let isReplaying { try activate(replay: isReplaying) }
  }

  func activate(
    replay: Bool = true, ticks: Bool = true, as name: String = "crm", _ change: (inout JSONValue) -> Void = { _ in }
  ) throws {
    var manifest = try JSONValue(parsing: manifestText)
    change(&manifest)
    let document: JSONValue = ["manifest": manifest, "settings": ["replay": .bool(replay), "ticks": .bool(ticks)]]
    try apply(
      journal.append(
        .activation,
        Activation(
          kind: .instance, name: name, hash: SHA256.digest(document.canonicalBytes), document: document, by: nil)))
  }

  /// Applies an entry and what follows from it.
  func apply(_ entry: Entry) throws {
    var waiting = [entry]
    while !waiting.isEmpty {
      let entry = waiting.removeFirst()
      for derived in try applyOnly(entry) { waiting.append(journal.append(derived)) }
    }
  }

  func applyOnly(_ entry: Entry) throws -> [Derived] {
    try store.transaction { state in
      let (derived, changes) = try perception.apply(entry, to: state)
      try world.apply(changes, to: state)
      try world.apply(entry, to: state)
      self.changes += changes
      if entry.kind == .signals { sets.append(try JSONValue(parsing: entry.body).decode()) }
      return derived
    }
  }

  static func batch(
    _ stream: String, _ records: [IntakeRecord], completing day: BusinessDay? = nil, pushed: Bool = false,
    as name: String = "crm"
  ) -> IntakeBatch {
    IntakeBatch(
      header: .init(
        instance: InstanceID(unchecked: name), stream: StreamName(unchecked: stream),
        origin: pushed ? .delivery(.origin) : .pull,
        checkpoint: day.map { .init(stateHex: "", stateVersion: 1, watermarkMs: $0.endMs) }), records: records)
  }

  func take(_ stream: String, _ records: [IntakeRecord], pushed: Bool = false, as name: String = "crm") throws {
    try apply(journal.append(Self.batch(stream, records, pushed: pushed, as: name)))
  }

  /// Every stream has reached the end of the day.
  func complete(_ day: BusinessDay, as name: String = "crm") throws {
    for stream in Self.streams { try apply(journal.append(Self.batch(stream, [], completing: day, as: name))) }
  }

  /// The usual catalogue, on the first day.
  func stock() throws {
    try take("accounts", [account("isdom", "Isdom"), account("acme", "Acme Corp")])
    try take("products", [product("gtx", "GTX Pro", 1000), product("mg", "MG Special", 50)])
    try take("reps", [rep("ann", "Ann", "Boss"), rep("bob", "Bob", "Boss")])
  }

  func signals(_ offset: Int) -> [Signal] { sets.filter { $0.day == day(offset) }.flatMap(\.signals) }
  func kinds(_ offset: Int) -> [String] { signals(offset).map(\.kind) }
  func value(_ space: String, _ key: String) throws -> JSONValue? {
    try store.view { try $0.value(Space(space), key) }
  }
  func rows(_ space: String) throws -> [(String, JSONValue)] { try store.view { try $0.scan(Space(space)) } }
  func deal(_ id: String) throws -> [String: JSONValue]? {
    try value("perception.entity", "opportunity/\(id)")?["fields"]?.object
  }
}

func account(_ key: String, _ name: String, version: Int = 1, on offset: Int = 0, parent: String? = nil) -> IntakeRecord
{
  IntakeRecord(
    key: key, version: version,
    [
      "name": .string(name), "on": .string(day(offset).description), "figures": ["revenue": .double(12.34)],
      "parent": parent.map { .string($0) } ?? .null,
    ])
}
func product(_ key: String, _ name: String, _ price: Int64) -> IntakeRecord {
  IntakeRecord(
    key: key, version: 1,
    ["name": .string(name), "on": .string(start.description), "price": .integer(price)])
}
func rep(_ key: String, _ name: String, _ boss: String) -> IntakeRecord {
  IntakeRecord(
    key: key, version: 1, ["name": .string(name), "on": .string(start.description), "boss": .string(boss)])
}
/// A deal engaged on the first day, changed on day `offset`.
func deal(
  _ key: String, version: Int = 1, on offset: Int = 0, _ changes: [String: JSONValue] = [:], salt: String = ""
) -> IntakeRecord {
  let fields: [String: JSONValue] = [
    "owner": "Ann", "product": "GTX Pro", "account": "Isdom", "stage": "Open",
    "engaged": .string(start.description), "on": .string(day(offset).description),
  ]
  return IntakeRecord(key: key, version: version, fields.merging(changes) { $1 }, salt: salt)
}
