/// A company's pipeline as its CRM exported it: what happened, with dates, before anybody plays it back.
package struct Pipeline: Sendable, Equatable {
  package struct Account: Sendable, Equatable {
    package var name: String
    package var sector: String?
    package var yearEstablished: JSONValue = .null
    package var revenue: JSONValue = .null
    package var employees: JSONValue = .null
    package var officeLocation: String?
    package var parent: String?
  }

  package struct Product: Sendable, Equatable {
    package var name: String
    package var series: String?
    package var salesPrice: JSONValue
  }

  package struct Rep: Sendable, Equatable {
    package var name: String
    package var manager: String?
    package var regionalOffice: String?
  }

  package struct Opportunity: Sendable, Equatable {
    package var id: String
    package var owner: String
    /// As typed by whoever typed it: it may name no product of the catalogue.
    package var product: String
    package var account: String?
    package var stage: Stage
    package var engaged: BusinessDay?
    package var closed: BusinessDay?
    package var closeValue: JSONValue = .null
  }

  package enum Stage: String, Sendable, CaseIterable {
    case prospecting = "Prospecting"
    case engaging = "Engaging"
    case won = "Won"
    case lost = "Lost"

    package var isClosed: Bool {
      switch self {
      case .won, .lost: true
      case .prospecting, .engaging: false
      }
    }
  }

  package var accounts: [Account]
  package var products: [Product]
  package var reps: [Rep]
  package var opportunities: [Opportunity]

  /// The first engage date, when business time starts. `nil` when no opportunity was ever engaged.
  package var firstDay: BusinessDay? { opportunities.compactMap(\.engaged).min() }
  /// The last date of the data, when business time ends.
  package var lastDay: BusinessDay? { opportunities.flatMap { [$0.engaged, $0.closed] }.compactMap(\.self).max() }
}

/// Why the world does not start. `description` is the one line on stderr.
package struct SetupError: Error, Equatable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
