package import Domain

/// What may be asked of the platform itself. A read changes nothing, and its answer is labelled as untrusted wherever
/// it repeats what a source wrote.
package enum ReadTool: String, CaseIterable, Sendable {
  case accountSummary = "world.account_summary"
  case deal = "world.deal"
  case recentSignals = "signals.list_recent"

  package static let signalsMax = 100

  package static func descriptions() throws(ToolError) -> [ToolDescription] {
    var tools: [ToolDescription] = []
    for read in allCases {
      tools.append(
        try ToolDescription(
          name: read.rawValue, summary: read.summary, effect: .read, input: read.input, compensation: nil, costCents: 0,
          instance: nil))
    }
    return tools
  }

  private var summary: String {
    switch self {
    case .accountSummary: "One account: its name, its group, and what it has bought."
    case .deal: "One deal as it is believed now, with its owner and product."
    case .recentSignals: "The last signals, newest first, of one kind or one subject if asked."
    }
  }

  private var input: JSONValue {
    func object(_ properties: JSONValue, required: [JSONValue]) -> JSONValue {
      ["type": "object", "properties": properties, "required": .array(required), "additionalProperties": false]
    }
    let id: JSONValue = ["type": "string", "minLength": 1, "maxLength": 200]
    return switch self {
    case .accountSummary: object(["account": id], required: ["account"])
    case .deal: object(["opportunity": id], required: ["opportunity"])
    case .recentSignals:
      object(
        [
          "kind": id, "subject_type": id, "subject_id": id,
          "count_max": ["type": "integer", "minimum": 1, "maximum": .integer(Int64(Self.signalsMax))],
        ], required: [])
    }
  }

  /// Answers a call whose arguments fit the schema.
  package func answer(
    _ arguments: JSONValue, world: any WorldReading, view: any StateView
  ) throws -> JSONValue {
    switch self {
    case .accountSummary: try Self.account(arguments["account"]?.string ?? "", world)
    case .deal: try Self.deal(arguments["opportunity"]?.string ?? "", world)
    case .recentSignals: try RecentSignals.list(arguments, view)
    }
  }

  private static func account(_ id: String, _ world: any WorldReading) throws -> JSONValue {
    guard let account = try world.account(id) else { throw ToolError.notFound(what: "account", id: id) }
    let group = try world.group(of: id).map { member -> JSONValue in
      ["id": .string(member.id), "name": .string(member.name), "bought": names(member.boughtProductIDs)]
    }
    return untrusted([
      "id": .string(account.id), "name": .string(account.name), "parent": account.parentID.map { .string($0) } ?? .null,
      "bought": names(account.boughtProductIDs), "group": .array(group), "evidence": evidence([account.evidence]),
    ])
  }

  private static func deal(_ id: String, _ world: any WorldReading) throws -> JSONValue {
    guard let deal = try world.deal(id) else { throw ToolError.notFound(what: "deal", id: id) }
    let owner = try deal.ownerID.flatMap { try world.rep($0) }
    let product = try deal.productID.flatMap { try world.product($0) }
    return untrusted([
      "id": .string(deal.id), "stage": .string(deal.stage.rawValue), "version": .string(deal.version),
      "owner": [
        "written": .string(deal.ownerName), "id": text(owner?.id), "name": text(owner?.name),
        "manager": text(owner?.manager),
      ],
      "product": [
        "written": .string(deal.productText), "id": text(product?.id), "name": text(product?.name),
        "list_price_cents": product.map { .integer($0.listPriceCents) } ?? .null,
      ],
      "account": ["id": text(deal.accountID), "written": text(deal.accountName)],
      "engaged_on": text(deal.engagedOn?.description), "closed_on": text(deal.closedOn?.description),
      "value_cents": deal.valueCents.map { .integer($0) } ?? .null,
      "evidence": evidence([deal.evidence, owner?.evidence, product?.evidence].compactMap { $0 }),
    ])
  }

  /// Invariant: what came from outside keeps its label.
  static func untrusted(_ content: JSONValue) -> JSONValue { ["label": "untrusted", "content": content] }

  private static func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
  private static func names(_ values: Set<String>) -> JSONValue { .array(values.sorted().map { .string($0) }) }
  private static func evidence(_ ids: [EvidenceID]) -> JSONValue {
    .array(
      ids.map { id in
        ["stream": .string(id.stream.rawValue), "key": .string(id.key), "commitment": .string(id.commitment.hex)]
      })
  }
}
