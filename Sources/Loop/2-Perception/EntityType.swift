/// What records become. Closed: a mapping maps to these and their fields, so that rules and queries know what they get.
package enum EntityType: String, Sendable, CaseIterable {
  case rep, product, account, opportunity

  /// How the value of a canonical field is kept.
  package enum FieldKind: Equatable, Sendable {
    case text
    case integer
    /// `YYYY-MM-DD`.
    case day
    /// Cents.
    case money
    case stage
    /// See `Reference`.
    case reference(EntityType)
  }

  package var fields: [String: FieldKind] {
    switch self {
    case .rep: ["name": .text, "manager": .text, "region": .text]
    case .product: ["name": .text, "series": .text, "list_price": .money]
    case .account:
      [
        "name": .text, "sector": .text, "founded": .integer, "revenue": .money, "employees": .integer, "office": .text,
        "parent": .reference(.account),
      ]
    case .opportunity:
      [
        "owner": .reference(.rep), "product": .reference(.product), "account": .reference(.account), "stage": .stage,
        "engaged_on": .day, "closed_on": .day, "expected_close_on": .day, "value": .money,
      ]
    }
  }

  /// Entities are applied in this order within a day, so that what a deal names is there before the deal.
  var rank: Int { EntityType.allCases.firstIndex(of: self)! }
}

/// Where an opportunity stands. Raw values are persisted.
package enum DealStage: String, Sendable, CaseIterable {
  case prospecting, engaging, won, lost
  package var isClosed: Bool {
    switch self {
    case .won, .lost: true
    case .prospecting, .engaging: false
    }
  }
}
