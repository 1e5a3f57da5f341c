/// Everything that Perception can notice. Raw values are persisted and are what playbooks name.
package enum SignalKind: String, Sendable, CaseIterable {
  case dealEngaged = "deal.engaged"
  case dealWon = "deal.won"
  case dealLost = "deal.lost"
  /// Open longer than any closed deal of its product ever was. Once per deal.
  case dealStalled = "deal.stalled"
  case dealBelowList = "deal.below_list"
  case dealOwnerChanged = "deal.owner_changed"
  case dealValueDropped = "deal.value_dropped"
  case dealCloseSlipped = "deal.close_slipped"
  case missingAccount = "opportunity.missing_account"
  /// A product name that is in no catalogue, letter for letter. Once per name.
  case productUnknown = "product.unknown"
  case losingStreak = "owner.losing_streak"
  case ownerOverloaded = "owner.overloaded"
  case accountHeating = "account.heating"
  case accountCooling = "account.cooling"
}
