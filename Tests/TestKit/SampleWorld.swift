import Cryptography
package import Domain

/// A world in which a deal is open unless a row of the state says otherwise.
package final class SampleWorld: WorldReading {
  package static let stages = Space("test.stage")
  private let view: any StateView
  package init(_ view: any StateView) { self.view = view }

  package func deal(_ id: String) throws -> DealFacts? {
    let stage = try view.value(Self.stages, id)?.string.flatMap(DealFacts.Stage.init) ?? .engaging
    return DealFacts(
      id: id, stage: stage, ownerID: nil, ownerName: "", productID: nil, productText: "", accountID: nil,
      accountName: nil, engagedOn: nil, closedOn: nil, valueCents: 100, version: "1",
      evidence: EvidenceID(
        stream: StreamName(unchecked: "opportunities"), key: id, commitment: SHA256.digest("deal \(id)")))
  }
  package func openDeals(ownedBy rep: String) throws -> [DealFacts] { [] }
  package func deals(productWrittenAs text: String, countMax: Int) throws -> [DealFacts] { [] }
  package func rep(called text: String) -> RepFacts? { nil }
  package func rep(_ id: String) throws -> RepFacts? { nil }
  package func reps(managedBy manager: String) throws -> [RepFacts] { [] }
  package func account(_ id: String) throws -> AccountFacts? { nil }
  package func group(of account: String) throws -> [AccountFacts] { [] }
  package func product(_ id: String) throws -> ProductFacts? { nil }
}
