import Cryptography
import Domain
import WholeLoop

/// A made-up CRM: what people write there, in an order that depends on its own chance alone, and what effects change.
final class SimulatedCRM {
  struct Version {
    let stream: String
    let key: String
    let number: Int
    let day: BusinessDay
    let isDeleted: Bool
    let fields: [String: JSONValue]
  }
  struct Record {
    var stream: String
    var number: Int
    var isDeleted = false
    var fields: [String: JSONValue]
    /// Whether a mapping takes it.
    var isSound: Bool { fields["stage"] != "Weird" }
  }

  static let streams = ["accounts", "products", "reps", "opportunities"]
  static let firstDay = BusinessDay("2027-03-01")!

  private(set) var today = SimulatedCRM.firstDay
  /// Every version of every record, in the order in which they were written.
  private(set) var log: [Version] = []
  private(set) var records: [String: Record] = [:]
  let chance: Chance
  var deals: [String] { records.keys.filter { $0.hasPrefix("D") }.sorted() }

  init(chance: Chance) {
    self.chance = chance
    found()
  }

  func nextDay() { today = today.advanced(byDays: 1) }

  /// Writes a new version of a record.
  func put(_ stream: String, _ key: String, _ fields: [String: JSONValue]) {
    var record = records[key] ?? Record(stream: stream, number: 0, fields: [:])
    record.number += 1
    record.fields.merge(fields) { $1 }
    record.isDeleted = false
    records[key] = record
    log(key, record)
  }

  func delete(_ key: String) {
    guard var record = records[key], !record.isDeleted else { return }
    record.number += 1
    record.isDeleted = true
    records[key] = record
    log(key, record)
  }

  private func log(_ key: String, _ record: Record) {
    let shown: [String: JSONValue] = [
      "id": .string(key), "version": .integer(Int64(record.number)), "updated_at": .string(today.description),
    ]
    let fields = record.isDeleted ? shown : record.fields.merging(shown) { $1 }
    log.append(
      Version(
        stream: record.stream, key: key, number: record.number, day: today, isDeleted: record.isDeleted, fields: fields)
    )
  }

  // MARK: - Effects

  /// key → how often a write under it changed something.
  private(set) var applied: [String: Int] = [:]
  private var answers: [String: JSONValue] = [:]
  private var landings: [(atMs: Int64, write: () -> Void)] = []
  /// A repeated key gives the first answer and changes nothing.
  var isIdempotent = true

  /// Applies a write.
  /// - Returns: nil when the CRM refuses it.
  func write(_ key: String, _ call: ToolCall) -> JSONValue? {
    if isIdempotent, let answer = answers[key] { return answer }
    var answer: JSONValue = ["id": .string(key), "version": 1]
    if let set = call.arguments["set"]?.object {
      guard let id = call.arguments["opportunity"]?.string, let record = records[id], !record.isDeleted else {
        return nil
      }
      if let expected = call.arguments["expect_version"]?.integer, expected != Int64(record.number) { return nil }
      put(record.stream, id, set)
      answer = ["id": .string(id), "version": .integer(Int64(records[id]!.number))]
    }
    applied[key, default: 0] += 1
    answers[key] = answer
    return answer
  }

  /// Whether a write is refused because the record has another version than it names.
  func isOutdated(_ key: String, _ call: ToolCall) -> Bool {
    guard let expected = call.arguments["expect_version"]?.integer, answers[key] == nil,
      let record = call.arguments["opportunity"]?.string.flatMap({ records[$0] }), !record.isDeleted
    else { return false }
    return expected != Int64(record.number)
  }

  /// The write arrives later than its answer was waited for.
  func land(atMs: Int64, _ key: String, _ call: ToolCall) {
    landings.append((atMs, { [unowned self] in _ = write(key, call) }))
  }

  func advance(toMs now: Int64) {
    let due = landings.filter { $0.atMs <= now }
    landings.removeAll { $0.atMs <= now }
    for landing in due { landing.write() }
  }

  /// What the CRM says of a key.
  func answer(to key: String) -> JSONValue? { answers[key] }
}
