import CanonicalJSON
import Cryptography
import Decision
import Domain
import Foundation
import MemoryStorage
import TestKit
import ToolPlane
import YAMLFiles

/// The reviewed files, as data with the line of each value.
enum Shipped {
  static let names = [
    "missing-account", "overloaded-owner", "price-exception", "product-alias", "stalled-deal", "white-space",
  ]

  static func text(_ name: String) throws -> String { try file("playbooks/\(name).yaml") }

  static func file(_ path: String) throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  static func document(_ text: String, name: String) throws -> SourceDocument {
    try YAMLFile.document(text, name: name)
  }

  static func playbook(_ name: String) throws -> Playbook {
    try Playbook(try document(try text(name), name: "\(name).yaml"))
  }
}

/// A world that is what a test says it is.
final class FakeWorld: WorldReading {
  var deals: [String: DealFacts] = [:]
  var reps: [String: RepFacts] = [:]
  var accounts: [String: AccountFacts] = [:]
  var products: [String: ProductFacts] = [:]

  func deal(_ id: String) -> DealFacts? { deals[id] }
  func openDeals(ownedBy rep: String) -> [DealFacts] {
    deals.values.filter { $0.ownerID == rep && $0.stage == .engaging }.sorted { $0.id < $1.id }
  }
  func deals(productWrittenAs text: String, countMax: Int) -> [DealFacts] {
    Array(deals.values.filter { $0.productText == text }.sorted { $0.id < $1.id }.prefix(countMax))
  }
  func rep(_ id: String) -> RepFacts? { reps[id] }
  func rep(called text: String) -> RepFacts? {
    let found = reps.values.filter { $0.id == text || $0.name == text }
    return found.count == 1 ? found[0] : nil
  }
  func reps(managedBy manager: String) -> [RepFacts] {
    reps.values.filter { $0.manager == manager }.sorted { $0.id < $1.id }
  }
  func account(_ id: String) -> AccountFacts? { accounts[id] }
  func group(of account: String) -> [AccountFacts] {
    guard let root = accounts[account]?.parentID ?? accounts[account]?.id else { return [] }
    return accounts.values.filter { $0.id != account && ($0.id == root || $0.parentID == root) }.sorted {
      $0.id < $1.id
    }
  }
  func product(_ id: String) -> ProductFacts? { products[id] }

  /// Two reps of one manager, one product, a group of three companies.
  static func ordinary() -> FakeWorld {
    let world = FakeWorld()
    for (id, name, open) in [("zane", "Zane Levy", 40), ("moses", "Moses Frase", 12), ("anna", "Anna Snelling", 12)] {
      world.reps[id] = RepFacts(
        id: id, name: name, manager: "Dustin Brinkmann", openDealCount: open, evidence: evidence("reps", id))
    }
    world.products["gtx-pro"] = ProductFacts(
      id: "gtx-pro", name: "GTX Pro", listPriceCents: 482_100, evidence: evidence("products", "gtx-pro"))
    for (id, name, parent) in [("acme", "Acme", nil), ("bluth", "Bluth", "acme"), ("cody", "Cody", "acme")] {
      world.accounts[id] = AccountFacts(
        id: id, name: name, parentID: parent, boughtProductIDs: [], evidence: evidence("accounts", id))
    }
    return world
  }

  func add(
    _ id: String, stage: DealFacts.Stage = .engaging, owner: String? = "zane", product: String = "GTX Pro",
    account: String? = "bluth", engaged: BusinessDay? = day(0), version: String = "2"
  ) {
    deals[id] = DealFacts(
      id: id, stage: stage, ownerID: owner, ownerName: owner.flatMap { reps[$0]?.name } ?? "Nobody",
      productID: "gtx-pro", productText: product, accountID: account,
      accountName: account.flatMap { accounts[$0]?.name },
      engagedOn: engaged, closedOn: nil, valueCents: nil, version: version, evidence: evidence("opportunities", id))
  }
}

func day(_ number: Int) -> BusinessDay { BusinessDay(year: 2017, month: 1, day: 1)!.advanced(byDays: number) }

func evidence(_ stream: String, _ key: String) -> EvidenceID {
  EvidenceID(stream: StreamName(unchecked: stream), key: key, commitment: StableID.of("test", [stream, key]))
}

func signal(
  _ kind: String, _ type: String = "opportunity", _ id: String, on number: Int, account: String? = nil,
  owner: String? = nil, _ facts: [String: JSONValue] = [:]
) -> Signal {
  Signal(
    id: StableID.of("signal", [kind, type, id, day(number).description]), kind: kind, day: day(number),
    subject: Subject(type: type, id: id), account: account, owner: owner, evidence: [evidence(kind, id)], facts: facts)
}

func closing(_ id: String, won: Bool, age: Int, on number: Int, product: String? = "gtx-pro") -> Signal {
  var facts: [String: JSONValue] = ["age_days": .integer(Int64(age))]
  facts["product"] = product.map { .string($0) }
  return signal(won ? "deal.won" : "deal.lost", "opportunity", id, on: number, facts)
}

func stalled(_ id: String, on number: Int) -> Signal {
  signal(
    "deal.stalled", "opportunity", id, on: number, account: "bluth", owner: "zane",
    ["age_days": 139, "limit_days": 138])
}

/// The tools of the CRM's executor, by its reviewed manifest.
func crmTools() throws -> ToolCatalogue {
  let path = "manifests/crm-actions.yaml"
  let manifest = try Shipped.document(try Shipped.file(path), name: path).value
  return try ToolCatalogue.assemble(from: [(InstanceID(unchecked: "crm-actions"), ["manifest": manifest])])
}

/// One tenant's decisions over entries that a test gives.
final class Run {
  let store = MemoryStateStore()
  let world: FakeWorld
  var stage = DecisionStage()
  var catalogue: ToolCatalogue
  var people: Set<String> = ["Dustin Brinkmann"]
  private var position = Position.origin

  /// - Parameter rate: What a playbook's `rate` is instead of the shipped one; nil for that.
  init(
    _ world: FakeWorld = .ordinary(), playbooks: [String] = Shipped.names,
    rate: String? = "{of: won_of_reached, trials_min: 30}"
  ) throws {
    self.world = world
    catalogue = try crmTools()
    for name in playbooks {
      var text = try Shipped.text(name)
      if let rate { text = text.replacing(try Regex("(?m)^rate: .*$"), with: "rate: \(rate)") }
      try activate(name, try Shipped.document(text, name: name).value)
    }
  }

  func activate(_ name: String, _ document: JSONValue) throws {
    try apply(
      .activation,
      Activation(
        kind: .playbooks, name: name, hash: SHA256.digest(document.canonicalBytes), document: document, by: nil))
  }

  @discardableResult func apply(_ kind: EntryKind, _ body: some Encodable) throws -> [Derived] {
    position = position.next
    let entry = Entry(
      partition: .tenant(TenantID(unchecked: "acme")), position: position,
      content: NewEntry(
        id: StableID.of("entry", ["\(position)"]), kind: kind, cause: nil, recordedAtMs: 0,
        body: try JSONValue(encoding: body).canonicalBytes))
    return try store.transaction { try stage.apply(entry, to: $0, world: world, catalogue: catalogue, people: people) }
  }

  @discardableResult func day(_ number: Int, _ signals: [Signal] = []) throws -> ProposalSet? {
    let derived = try apply(.signals, SignalSet(day: DecisionTests.day(number), signals: signals))
    precondition(derived.count <= 1 && derived.allSatisfy { $0.kind == .proposals })
    return try derived.first?.body.decode()
  }

  func verdict(_ outcome: Verdict.Outcome, _ proposals: [Proposal]) throws {
    try apply(
      .verdicts,
      VerdictSet(
        day: DecisionTests.day(0),
        verdicts: proposals.map {
          Verdict(proposal: $0.id, outcome: outcome, reasons: [], policySet: StableID.of("set", []))
        }))
  }

  /// A person's answer that counted.
  func settle(_ proposal: Proposal, as answer: Choice.Answer) throws {
    try store.transaction { try stage.settle(proposal.id, as: answer, $0) }
  }

  func execute(_ proposal: Proposal, _ outcome: Receipt.Outcome = .done) throws {
    let permit = StableID.of("permit", [proposal.id.hex])
    try apply(
      .effectStarted,
      EffectStart(
        permit: permit, proposal: proposal.id, call: proposal.call!, subject: proposal.subject, account: nil,
        owner: nil,
        idempotencyKey: "k", undoes: nil, approvedBy: nil, attempt: 1))
    try apply(
      .receipt,
      Receipt(permit: permit, proposal: proposal.id, outcome: outcome, result: [:], requests: [], reason: nil))
  }

  func state(_ proposal: Proposal) throws -> ProposalRecord.State? {
    try store.view { try DecisionStage.record(proposal.id, in: $0)?.state }
  }

  /// `won` of `total` closings at an age, on day 0.
  func closings(won: Int, of total: Int, age: Int = 125, on number: Int = 0) throws {
    try day(
      number,
      (0..<total).map { closing("C\(number)-\($0)", won: $0 < won, age: age, on: number) })
  }
}
