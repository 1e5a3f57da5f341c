/// What a decision may know: what is believed now, by the entries applied so far, and nothing later.
///
/// Ids are the source's own; names are what people call them. Money is in cents.
package protocol WorldReading {
  func deal(_ id: String) throws -> DealFacts?
  /// Open (engaging) deals of a rep, by id.
  func openDeals(ownedBy rep: String) throws -> [DealFacts]
  /// Deals in any stage whose product was written as `text`, by id, at most `countMax`.
  func deals(productWrittenAs text: String, countMax: Int) throws -> [DealFacts]
  func rep(_ id: String) throws -> RepFacts?
  /// The rep with exactly this key or name; nil for none, and for more than one: nobody is guessed.
  func rep(called text: String) throws -> RepFacts?
  /// Reps of one manager, by id.
  func reps(managedBy manager: String) throws -> [RepFacts]
  func account(_ id: String) throws -> AccountFacts?
  /// Accounts of the same group: the parent and all its subsidiaries, without the account itself, by id.
  func group(of account: String) throws -> [AccountFacts]
  func product(_ id: String) throws -> ProductFacts?
}

package struct DealFacts: Equatable, Sendable {
  package enum Stage: String, Sendable, Codable, CaseIterable { case prospecting, engaging, won, lost }
  package var id: String
  package var stage: Stage
  package var ownerID: String?
  package var ownerName: String
  package var productID: String?
  /// The product as the source wrote it, which may be an alias.
  package var productText: String
  package var accountID: String?
  package var accountName: String?
  package var engagedOn: BusinessDay?
  package var closedOn: BusinessDay?
  package var valueCents: Int64?
  /// The source's version, as a write must name it.
  package var version: String
  /// The version that a write of our own gave it and that the source has not delivered yet: until it does, the rest of
  /// what is said here is older than the deal. Nil when nothing is under way.
  package var writtenVersion: String?
  package var evidence: EvidenceID

  /// The version that a write must name now.
  package var latestVersion: String { writtenVersion ?? version }

  package init(
    id: String, stage: Stage, ownerID: String?, ownerName: String, productID: String?, productText: String,
    accountID: String?, accountName: String?, engagedOn: BusinessDay?, closedOn: BusinessDay?, valueCents: Int64?,
    version: String, writtenVersion: String? = nil, evidence: EvidenceID
  ) {
    self.id = id
    self.stage = stage
    self.ownerID = ownerID
    self.ownerName = ownerName
    self.productID = productID
    self.productText = productText
    self.accountID = accountID
    self.accountName = accountName
    self.engagedOn = engagedOn
    self.closedOn = closedOn
    self.valueCents = valueCents
    self.version = version
    self.writtenVersion = writtenVersion
    self.evidence = evidence
  }
}

package struct RepFacts: Equatable, Sendable {
  package var id: String
  package var name: String
  package var manager: String
  package var openDealCount: Int
  package var evidence: EvidenceID
  package init(id: String, name: String, manager: String, openDealCount: Int, evidence: EvidenceID) {
    self.id = id
    self.name = name
    self.manager = manager
    self.openDealCount = openDealCount
    self.evidence = evidence
  }
}

package struct AccountFacts: Equatable, Sendable {
  package var id: String
  package var name: String
  package var parentID: String?
  /// Products it has won, by product id.
  package var boughtProductIDs: Set<String>
  package var evidence: EvidenceID
  package init(id: String, name: String, parentID: String?, boughtProductIDs: Set<String>, evidence: EvidenceID) {
    self.id = id
    self.name = name
    self.parentID = parentID
    self.boughtProductIDs = boughtProductIDs
    self.evidence = evidence
  }
}

package struct ProductFacts: Equatable, Sendable {
  package var id: String
  package var name: String
  package var listPriceCents: Int64
  package var evidence: EvidenceID
  package init(id: String, name: String, listPriceCents: Int64, evidence: EvidenceID) {
    self.id = id
    self.name = name
    self.listPriceCents = listPriceCents
    self.evidence = evidence
  }
}
