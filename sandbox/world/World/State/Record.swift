/// A kind of record that the CRM serves and lists.
package enum RecordStream: String, Sendable, CaseIterable {
  case accounts, products, reps, opportunities
}

/// One record as it stands: its fields, and the business day of its last change.
package struct Record: Sendable, Equatable {
  package let id: String
  package var fields: [String: JSONValue]
  package var updatedAt: BusinessDay
  package var version: Int
  package var isDeleted = false

  /// What the API answers. Of a deleted record only the tombstone is left.
  package var json: JSONValue {
    var json = isDeleted ? ["deleted": true] : fields
    json["id"] = .string(id)
    json["updated_at"] = .day(updatedAt)
    json["version"] = .integer(version)
    return .object(json)
  }

  package var position: Position { Position(updatedAt: updatedAt, id: id) }

  package var stage: Pipeline.Stage? { fields["stage"]?.string.flatMap(Pipeline.Stage.init) }
}

/// Where a record stands in its stream. Days tie on purpose; then the id decides.
package struct Position: Hashable, Comparable, Sendable {
  package let updatedAt: BusinessDay
  package let id: String

  package init(updatedAt: BusinessDay, id: String) {
    self.updatedAt = updatedAt
    self.id = id
  }

  package static func < (left: Self, right: Self) -> Bool {
    left.updatedAt != right.updatedAt ? left.updatedAt < right.updatedAt : left.id < right.id
  }

  package var json: JSONValue { ["updated_at": .day(updatedAt), "id": .string(id)] }
}

/// Which records a page starts with.
package enum PageStart: Sendable, Equatable {
  case beginning
  /// Every record changed on that day or later.
  case day(BusinessDay)
  /// Every record behind this position.
  case after(Position)
}

package struct Page: Sendable, Equatable {
  package let items: [Record]
  /// The last item's position, when more records follow it.
  package let next: Position?
}

/// The records of one stream, by id and in order of change.
struct RecordTable: Sendable {
  private var byID: [String: Record] = [:]
  private var order: [Position] = []
  private(set) var versions = 0

  var count: Int { byID.count }
  var live: some Sequence<Record> { byID.values.lazy.filter { !$0.isDeleted } }

  subscript(id: String) -> Record? { byID[id] }
  var newestVersions: [String: Int] { byID.mapValues(\.version) }

  /// Stores a new version of a record.
  mutating func put(_ record: Record) {
    if let old = byID.updateValue(record, forKey: record.id) {
      order.remove(at: firstIndex { $0 >= old.position })
    }
    order.insert(record.position, at: firstIndex { $0 >= record.position })
    versions += 1
  }

  func page(from start: PageStart, limit: Int) -> Page {
    let from =
      switch start {
      case .beginning: 0
      case .day(let day): firstIndex { $0.updatedAt >= day }
      case .after(let position): firstIndex { $0 > position }
      }
    let to = min(from + limit, order.count)
    let items = order[from..<to].compactMap { byID[$0.id] }
    return Page(items: items, next: to < order.count ? items.last?.position : nil)
  }

  /// The first position that matches, when all behind it match too.
  private func firstIndex(where matches: (Position) -> Bool) -> Int {
    var low = 0
    var high = order.count
    while low < high {
      let middle = (low + high) / 2
      if matches(order[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
