import Domain

/// By which column the page of connectors is sorted, and in which direction: `?sort=wait&order=asc`.
struct FlowOrder: Equatable, Sendable {
  enum Column: String, CaseIterable, Sendable {
    case instance, connector, state, records, requests
    case underWay = "under_way"
    /// How long the request has waited that waits longest now.
    case line
    case retries
    /// All that it has waited since the host began.
    case wait

    /// As a column's head says it; "#" before one of numbers.
    var head: String {
      switch self {
      case .instance: "Instance"
      case .connector: "Connector"
      case .state: "State"
      case .records: "#Records"
      case .requests: "#Requests"
      case .underWay: "#Under way"
      case .line: "In line"
      case .retries: "#Retries"
      case .wait: "Who waits, and why"
      }
    }
    /// Names begin with A, numbers with the greatest.
    var isDescendingAtFirst: Bool { ![.instance, .connector, .state].contains(self) }
  }

  let column: Column
  let isDescending: Bool

  /// Who waits longest now comes first, as with `sluice top --sort age`.
  static let usual = FlowOrder(column: .line, isDescending: true)

  init(column: Column, isDescending: Bool) {
    self.column = column
    self.isDescending = isDescending
  }

  /// - Throws: `ConsoleError.noOrder` for another column or direction than there are.
  init(_ query: [String: String]) throws {
    let (sort, order) = (query["sort"], query["order"])
    guard let column = sort.map({ Column(rawValue: $0) }) ?? Self.usual.column,
      order == nil || order == "asc" || order == "desc"
    else { throw ConsoleError.noOrder }
    self.init(column: column, isDescending: order.map { $0 == "desc" } ?? column.isDescendingAtFirst)
  }

  /// What a click on a column's head asks for: the column, or where it is sorted by already, the other direction.
  func query(by column: Column) -> [(String, String)] {
    let isDescending = column == self.column ? !self.isDescending : column.isDescendingAtFirst
    return [("sort", column.rawValue), ("order", isDescending ? "desc" : "asc")]
  }

  typealias Row = (connector: JSONValue, live: JSONValue?)

  /// Equals stay in the order in which they came.
  func sorted(_ rows: [Row]) -> [Row] {
    let keyed = rows.enumerated().map { (place: $0.offset, row: $0.element, key: key($0.element)) }
    return keyed.sorted { left, right in
      if left.key == right.key { return left.place < right.place }
      return isDescending ? left.key > right.key : left.key < right.key
    }.map(\.row)
  }

  private struct Key: Comparable {
    var number: Int64 = 0
    var text = ""
    static func < (left: Key, right: Key) -> Bool { (left.number, left.text) < (right.number, right.text) }
  }

  private func key(_ row: Row) -> Key {
    let live = row.live
    switch column {
    case .instance: return Key(text: row.connector["instance"]?.string ?? "")
    case .connector: return Key(text: row.connector["connector"]?.string ?? "")
    case .state: return Key(text: (row.connector["state"] ?? live?["state"])?.string ?? "")
    case .records: return Key(number: live?["records"]?.integer ?? 0)
    case .requests: return Key(number: live?["requests"]?.integer ?? 0)
    case .underWay: return Key(number: live?["throttle"]?["in_flight"]?.integer ?? 0)
    case .line: return Key(number: Console.oldestWaitMs(live))
    case .retries: return Key(number: live?["retries"]?.integer ?? 0)
    case .wait:
      let waits = (live?["waits"]?.object ?? [:]).values.compactMap(\.integer)
      return Key(number: waits.reduce(0) { $0.addingReportingOverflow($1).partialValue })
    }
  }
}

extension Console {
  /// The heads of the table of connectors: each sorts by its column.
  func flowHeads(_ order: FlowOrder, _ visitor: Visitor) -> [TableHead] {
    let heads = FlowOrder.Column.allCases.map { column -> TableHead in
      let isNumber = column.head.hasPrefix("#")
      let name = isNumber ? String(column.head.dropFirst()) : column.head
      let isChosen = column == order.column
      let mark = isChosen ? (order.isDescending ? " ▾" : " ▴") : ""
      let link: HTML = """
        <a href="\(visitor.link("/flow", order.query(by: column)))">\(name)<span aria-hidden="true">\(mark)</span></a>
        """
      return TableHead(
        content: link, isNumber: isNumber,
        sorted: isChosen ? (order.isDescending ? "descending" : "ascending") : nil)
    }
    return heads + [TableHead("Endpoints led elsewhere")]
  }
}
