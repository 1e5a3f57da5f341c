import Domain

/// An opportunity as the rules see it.
struct Deal {
  let id: String
  let stage: DealStage
  let owner: Reference?
  let product: Reference?
  let account: Reference?
  let engagedOn: BusinessDay?
  let closedOn: BusinessDay?
  let expectedCloseOn: BusinessDay?
  /// In cents.
  let value: Int64?
  let isStalled: Bool

  /// - Returns: nil when there is no such deal (any more).
  init?(id: String, _ entity: Entity?) {
    guard let entity, !entity.isDeleted else { return nil }
    let fields = entity.fields
    func day(_ name: String) -> BusinessDay? { fields[name]?.string.flatMap { BusinessDay($0) } }
    self.id = id
    stage = fields["stage"]?.string.flatMap(DealStage.init) ?? .prospecting
    owner = entity.reference("owner")
    product = entity.reference("product")
    account = entity.reference("account")
    engagedOn = day("engaged_on")
    closedOn = day("closed_on")
    expectedCloseOn = day("expected_close_on")
    value = fields["value"]?.integer
    isStalled = entity.isStalled
  }

  /// A deal that was closed and is worked on again: what was said of its age before says nothing any more.
  static func isReopened(from before: [String: JSONValue], to after: [String: JSONValue]) -> Bool {
    func isClosed(_ fields: [String: JSONValue]) -> Bool? {
      fields["stage"]?.string.flatMap { DealStage(rawValue: $0) }.map(\.isClosed)
    }
    return isClosed(before) == true && isClosed(after) == false
  }

  var isOpen: Bool { !stage.isClosed }
  /// Counts as work in progress: a prospect does not yet.
  var isInProgress: Bool { isOpen && engagedOn != nil }
  var ownerKey: String { owner?.key ?? "~" }
  var productKey: String { product?.key ?? "~" }
  /// Where it stands among the open deals of its product, by age.
  var openKey: String? {
    guard isInProgress, !isStalled, let engagedOn else { return nil }
    return RowKey.of(productKey, engagedOn.description, id)
  }
  /// Engaged deals of known accounts warm them; so does a name nobody knows, under that name.
  var accountKey: String? { account?.key }
}

extension Reference {
  /// What signals, budgets and approvers are found by.
  var subjectID: String { id ?? text }
}

/// A signal before it has its place in its day's set.
struct SignalDraft {
  let kind: SignalKind
  let subject: Subject
  let account: String?
  let owner: String?
  let evidence: [Evidence]
  let facts: [String: JSONValue]

  init(
    _ kind: SignalKind, _ subject: Subject, account: String? = nil, owner: String? = nil, evidence: [Evidence],
    facts: [String: JSONValue]
  ) {
    self.kind = kind
    self.subject = subject
    self.account = account
    self.owner = owner
    self.evidence = evidence
    self.facts = facts
  }

  init(_ kind: SignalKind, _ deal: Deal, evidence: [Evidence], facts: [String: JSONValue] = [:]) {
    var all: [String: JSONValue] = ["stage": .string(deal.stage.rawValue)]
    all["account_name"] = deal.account.map { .string($0.text) }
    all["owner_name"] = deal.owner.map { .string($0.text) }
    all["product_name"] = deal.product.map { .string($0.text) }
    all["product"] = deal.product?.id.map { .string($0) }
    all["engaged_on"] = deal.engagedOn.map { JSONValue($0) }
    all["value_cents"] = deal.value.map { .integer($0) }
    self.init(
      kind, Subject(type: EntityType.opportunity.rawValue, id: deal.id), account: deal.account?.subjectID,
      owner: deal.owner?.subjectID, evidence: evidence, facts: all.merging(facts) { $1 })
  }

  /// As in `Signal`, without id and day.
  var json: [String: JSONValue] {
    var members: [String: JSONValue] = [
      "kind": .string(kind.rawValue), "subject": ["type": .string(subject.type), "id": .string(subject.id)],
      "evidence": .array(evidence.map(\.json)), "facts": .object(facts),
    ]
    members["account"] = account.map { .string($0) }
    members["owner"] = owner.map { .string($0) }
    return members
  }

  init?(_ json: JSONValue) {
    guard let kind = json["kind"]?.string.flatMap(SignalKind.init), let type = json["subject"]?["type"]?.string,
      let id = json["subject"]?["id"]?.string, let evidence = json["evidence"]?.array, let facts = json["facts"]?.object
    else { return nil }
    self.init(
      kind, Subject(type: type, id: id), account: json["account"]?.string, owner: json["owner"]?.string,
      evidence: evidence.compactMap(Evidence.init), facts: facts)
  }
}
