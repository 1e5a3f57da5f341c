import Domain

/// By which column the flow page is sorted, and in which direction: `?sort=wait&order=asc`.
struct FlowOrder: Equatable, Sendable {
  enum Column: String, CaseIterable, Sendable {
    case instance, state, records, bytes, requests
    case underWay = "under_way"
    case credit
    /// How long the request has waited that waits longest now.
    case line
    /// The share of the last seconds that it waited for what it waited for most.
    case wait
    /// How long the delivery has waited that waits longest for its plugin.
    case pushed
    case drops, retries
    case deadLetters = "dead_letters"

    /// As a column's head says it; "#" before one of numbers.
    var head: String {
      switch self {
      case .instance: "Instance"
      case .state: "State"
      case .records: "#Records/s"
      case .bytes: "#KB/s"
      case .requests: "#Requests/s"
      case .underWay: "#In flight"
      case .credit: "#Credit"
      case .line: "#In line"
      case .wait: "Waits for"
      case .pushed: "#Pushed"
      case .drops: "#Drops"
      case .retries: "#Retries"
      case .deadLetters: "#Dead letters"
      }
    }
    /// Names begin with A, numbers with the greatest; credit with the least, as who has none is held back.
    var isDescendingAtFirst: Bool { ![.instance, .state, .credit].contains(self) }
  }

  let column: Column
  let isDescending: Bool

  /// Who waits most comes first, as in `sluice top`.
  static let usual = FlowOrder(column: .wait, isDescending: true)

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

  /// What asks for this order.
  var query: [(String, String)] { [("sort", column.rawValue), ("order", isDescending ? "desc" : "asc")] }

  /// What a click on a column's head asks for: the column, or where it is sorted by already, the other direction.
  func query(by column: Column) -> [(String, String)] {
    let isDescending = column == self.column ? !self.isDescending : column.isDescendingAtFirst
    return [("sort", column.rawValue), ("order", isDescending ? "desc" : "asc")]
  }

  /// Equals stay in the order in which they came.
  func sorted(_ rows: [JSONValue]) -> [JSONValue] {
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

  private func key(_ row: JSONValue) -> Key {
    func number(_ value: JSONValue?, _ name: String) -> Int64 { value?[name]?.integer ?? 0 }
    return switch column {
    case .instance: Key(text: row["instance"]?.string ?? "")
    case .state: Key(text: row["state"]?.string ?? "")
    case .records, .bytes, .requests: Key(number: number(row["recent"], column.rawValue))
    case .underWay: Key(number: number(row["throttle"], "in_flight"))
    // Without an operation there is nothing to be held back.
    case .credit: Key(number: row["credit"]?.integer ?? .max)
    case .line: Key(number: number(row["throttle"], "oldest_wait_ms"))
    // Who is parked waits for a person, and for longer than anybody.
    case .wait where row["state"]?.string?.hasPrefix("parked") == true: Key(number: .max)
    case .wait: Key(number: number(row["waits_for"]?.array?.first, "percent"))
    case .pushed: Key(number: number(row["deliveries"], "oldest_wait_ms"))
    case .drops: Key(number: number(row, "refusals") &+ number(row, "drops"))
    case .retries, .deadLetters: Key(number: number(row, column.rawValue))
    }
  }
}

extension Console {
  /// The heads of the table of connectors: each sorts by its column.
  func flowHeads(_ order: FlowOrder, _ visitor: Visitor) -> [TableHead] {
    FlowOrder.Column.allCases.map { column -> TableHead in
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
  }
}
