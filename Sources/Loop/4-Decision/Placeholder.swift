package import Domain

/// What a template may ask for: a closed list. A name that is not here is refused when the playbook is read.
package enum Placeholder: Hashable, Sendable {
  case dealID, dealVersion, dealVersionNumber, signalSubject, accountID, productID, day, dayUS
  case ownerName, ownerManager, targetName
  case productName, alias
  case dealOwner, dealProduct, dealAccount, dealEngagedOn, dealStage, dealValue, dealAge
  case accountName, buyerName, listPrice, ratePercent, rateTrials, rateOpen, rateInterval, rateDays
  case ownerOpenDeals, targetOpenDeals
  /// A number that the signal measured.
  case fact(Fact)

  /// The numbers that signals carry. Those in cents are shown as money.
  package enum Fact: String, CaseIterable, Sendable {
    case age_days, limit_days, closed_deals, list_cents, value_cents, share_milli, open_deals, team_median_milli
    case losses, engaged_recently, engaged_before, window_days, base_days, from_cents, to_cents, days
    var isMoney: Bool { rawValue.hasSuffix("_cents") }
    var isMilli: Bool { rawValue.hasSuffix("_milli") }
  }

  /// Where a placeholder may stand. Untrusted text never chooses a tool, a recipient or an amount.
  package enum Use: Sendable {
    /// As a whole argument: an id, a version, a day, a name of the catalogue.
    case exact
    /// As a whole argument that names a person: only people whom the world knows as reps.
    case person
    /// Only inside a sentence, quoted.
    case prose
  }

  package static let named: [(name: String, placeholder: Placeholder, use: Use)] = [
    ("deal.id", .dealID, .exact), ("deal.version", .dealVersion, .exact),
    ("deal.version_number", .dealVersionNumber, .exact), ("signal.subject", .signalSubject, .exact),
    ("account.id", .accountID, .exact), ("product.id", .productID, .exact), ("day", .day, .exact),
    ("day.us", .dayUS, .exact), ("product.name", .productName, .exact), ("alias", .alias, .exact),
    ("owner.name", .ownerName, .person), ("owner.manager", .ownerManager, .person),
    ("target.name", .targetName, .person), ("deal.owner_name", .dealOwner, .prose),
    ("deal.product_name", .dealProduct, .prose), ("deal.account_name", .dealAccount, .prose),
    ("deal.engaged_on", .dealEngagedOn, .prose), ("deal.stage", .dealStage, .prose),
    ("deal.value", .dealValue, .prose), ("deal.age_days", .dealAge, .prose), ("account.name", .accountName, .prose),
    ("buyer.name", .buyerName, .prose), ("product.list_price", .listPrice, .prose),
    ("rate.percent", .ratePercent, .prose), ("rate.trials", .rateTrials, .prose), ("rate.open", .rateOpen, .prose),
    ("rate.days", .rateDays, .prose),
    ("rate.interval", .rateInterval, .prose), ("owner.open_deals", .ownerOpenDeals, .prose),
    ("target.open_deals", .targetOpenDeals, .prose),
  ]

  package init?(_ name: String) {
    if name.hasPrefix("fact.") {
      guard let fact = Fact(rawValue: String(name.dropFirst(5))) else { return nil }
      self = .fact(fact)
    } else if let found = Self.named.first(where: { $0.name == name }) {
      self = found.placeholder
    } else {
      return nil
    }
  }

  package var name: String {
    if case .fact(let fact) = self { return "fact.\(fact.rawValue)" }
    return Self.named.first { $0.placeholder == self }!.name
  }
  package var use: Use { Self.named.first { $0.placeholder == self }?.use ?? .prose }

  /// All names with one of these uses, for messages.
  package static func names(_ uses: [Use]) -> String {
    var names = named.filter { entry in uses.contains { $0 == entry.use } }.map(\.name)
    if uses.contains(where: { $0 == .prose }) { names += Fact.allCases.map { "fact.\($0.rawValue)" } }
    return names.map { "{\($0)}" }.joined(separator: ", ")
  }
}

/// A sentence with placeholders. It is filled in one pass: what a value contains is never read as a placeholder.
package struct Prose: Equatable, Sendable {
  package enum Part: Equatable, Sendable {
    case text(String)
    case value(Placeholder)
  }
  package let parts: [Part]
}

/// An argument, as a playbook writes it.
package indirect enum Template: Equatable, Sendable {
  case literal(JSONValue)
  /// The value itself, and nothing beside it.
  case exact(Placeholder)
  case prose(Prose)
  case object([String: Template])
  case array([Template])
}
