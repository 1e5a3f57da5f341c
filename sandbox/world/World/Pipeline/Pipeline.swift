/// A company's pipeline as its CRM exported it: what happened, with dates, before anybody plays it back.
package struct Pipeline: Sendable, Equatable {
  package struct Account: Sendable, Equatable {
    package var name: String
    package var sector: String?
    package var yearEstablished: JSONValue
    package var revenue: JSONValue
    package var employees: JSONValue
    package var officeLocation: String?
    package var parent: String?

    package init(
      name: String, sector: String? = nil, yearEstablished: JSONValue = .null, revenue: JSONValue = .null,
      employees: JSONValue = .null, officeLocation: String? = nil, parent: String? = nil
    ) {
      self.name = name
      self.sector = sector
      self.yearEstablished = yearEstablished
      self.revenue = revenue
      self.employees = employees
      self.officeLocation = officeLocation
      self.parent = parent
    }
  }

  package struct Product: Sendable, Equatable {
    package var name: String
    package var series: String?
    package var salesPrice: JSONValue

    package init(name: String, series: String?, salesPrice: JSONValue) {
      self.name = name
      self.series = series
      self.salesPrice = salesPrice
    }
  }

  package struct Rep: Sendable, Equatable {
    package var name: String
    package var manager: String?
    package var regionalOffice: String?

    package init(name: String, manager: String?, regionalOffice: String?) {
      self.name = name
      self.manager = manager
      self.regionalOffice = regionalOffice
    }
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
    package var closeValue: JSONValue

    package init(
      id: String, owner: String, product: String, account: String?, stage: Stage, engaged: BusinessDay? = nil,
      closed: BusinessDay? = nil, closeValue: JSONValue = .null
    ) {
      self.id = id
      self.owner = owner
      self.product = product
      self.account = account
      self.stage = stage
      self.engaged = engaged
      self.closed = closed
      self.closeValue = closeValue
    }
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

  package init(accounts: [Account], products: [Product], reps: [Rep], opportunities: [Opportunity]) {
    self.accounts = accounts
    self.products = products
    self.reps = reps
    self.opportunities = opportunities
  }

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
