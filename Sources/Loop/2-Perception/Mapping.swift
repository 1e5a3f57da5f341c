package import Domain

/// How the records of an instance's streams become entities: the `mapping` of its manifest.
package struct Mapping: Sendable, Equatable {
  package let streams: [String: StreamMapping]
}

package struct StreamMapping: Sendable, Equatable {
  package let entity: EntityType
  /// Where a record says on which business day it came to be so; nil: the day it is applied.
  package let day: FieldMapping?
  package let fields: [FieldMapping]
  /// Top-level names that are known and not wanted; any other name that is not read is counted.
  package let ignored: Set<String>
  /// The top-level names that are read.
  let read: Set<String>

  init(entity: EntityType, day: FieldMapping?, fields: [FieldMapping], ignored: Set<String>) {
    self.entity = entity
    self.day = day
    self.fields = fields
    self.ignored = ignored
    read = Set((fields + (day.map { [$0] } ?? [])).map { $0.path[0] }).union(ignored)
  }
}

package struct FieldMapping: Sendable, Equatable {
  package enum Conversion: Sendable, Equatable {
    case text
    case integer
    /// Tried in order.
    case day([DateFormat])
    case money(MoneyUnit)
    /// What the source writes → the canonical value.
    case choice([String: String])
    case reference
  }
  package let name: String
  /// Member names from the record's root on.
  package let path: [String]
  package let conversion: Conversion
  package let isRequired: Bool

  package var dotted: String { path.joined(separator: ".") }
}

/// What one unit of a source's number is worth.
package enum MoneyUnit: String, Sendable, CaseIterable {
  case cents, dollars
  case thousandDollars = "thousand_dollars"
  case millionDollars = "million_dollars"

  /// Decimal places between the unit and a cent.
  var places: Int {
    switch self {
    case .cents: 0
    case .dollars: 2
    case .thousandDollars: 5
    case .millionDollars: 8
    }
  }
}

/// How a source writes a date: `m`, `d` and `Y` once each with separators between, or `rfc3339` (the day in UTC as written).
package struct DateFormat: Sendable, Hashable {
  package let text: String
  private let order: [Character]
  private let separators: [Character]

  package init?(_ text: String) {
    self.text = text
    if text == "rfc3339" {
      (order, separators) = ([], [])
      return
    }
    let characters = Array(text)
    guard characters.count == 5 else { return nil }
    order = [characters[0], characters[2], characters[4]]
    separators = [characters[1], characters[3]]
    guard Set(order) == ["m", "d", "Y"], separators.allSatisfy({ "/-. ".contains($0) }) else { return nil }
  }

  /// What distinguishes formats that read the same text differently: the separators and where the year stands.
  var shape: String {
    order.isEmpty ? text : String(separators) + String(order.map { $0 == "Y" ? "Y" : "x" })
  }

  package func read(_ text: String) -> BusinessDay? {
    guard !order.isEmpty else {
      guard text.utf8.count > 11, text.hasSuffix("Z") || text.hasSuffix("+00:00") else { return nil }
      return BusinessDay(text.prefix(10))
    }
    var parts: [Substring] = []
    var rest = text[...]
    for separator in separators {
      guard let cut = rest.firstIndex(of: separator) else { return nil }
      parts.append(rest[..<cut])
      rest = rest[rest.index(after: cut)...]
    }
    parts.append(rest)
    var numbers: [Character: Int] = [:]
    for (part, name) in zip(parts, order) {
      let lengths = name == "Y" ? 4...4 : 1...2
      guard lengths.contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      numbers[name] = Int(part)
    }
    return BusinessDay(year: numbers["Y"]!, month: numbers["m"]!, day: numbers["d"]!)
  }
}
