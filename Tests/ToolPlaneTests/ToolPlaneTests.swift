import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import TestKit
import Testing
import ToolPlane

@Suite struct `The tool catalogue` {
  private let executor: JSONValue = [
    "isEnabled": true, "config": [:],
    "manifest": [
      "name": "crm-actions", "kind": "executor",
      "actions": [
        "reassign": [
          "summary": "Gives a deal to another rep.", "effect": "write", "compensation": "reassign", "cost_cents": 3,
          "input": ["type": "object", "required": ["opportunity"], "properties": ["opportunity": ["type": "string"]]],
        ]
      ],
    ],
  ]
  private func id(_ name: String) -> InstanceID { InstanceID(unchecked: name) }

  @Test func `holds each action of each enabled executor, and the platform's reads`() throws {
    let source: JSONValue = ["manifest": ["name": "crm-source", "kind": "source"]]
    let catalogue = try ToolCatalogue.assemble(from: [(id("crm"), executor), (id("src"), source)])
    #expect(
      catalogue.tools.map(\.name) == ["crm.reassign", "signals.list_recent", "world.account_summary", "world.deal"])
    let tool = try #require(catalogue["crm.reassign"])
    #expect(
      tool.effect == .write && tool.compensation == "crm.reassign" && tool.costCents == 3 && tool.instance == id("crm"))
    #expect(catalogue["world.deal"]?.effect == .read && catalogue["world.deal"]?.instance == nil)
    #expect(try JSONValue(encoding: tool)["cost_cents"] == 3)
  }

  @Test func `a disabled instance offers nothing`() throws {
    var document = executor.object!
    document["isEnabled"] = false
    #expect(try ToolCatalogue.assemble(from: [(id("crm"), .object(document))])["crm.reassign"] == nil)
  }

  @Test func `two instances that offer the same are refused, until one has a prefix of its own`() throws {
    #expect(throws: ToolError.duplicate(tool: "crm.reassign", instances: ["east", "west"])) {
      try ToolCatalogue.assemble(from: [(id("west"), executor), (id("east"), executor)])
    }
    var document = executor.object!
    document["config"] = ["tool_prefix": "west"]
    let catalogue = try ToolCatalogue.assemble(from: [(id("west"), .object(document)), (id("east"), executor)])
    #expect(catalogue["west.reassign"]?.compensation == "west.reassign")
    document["config"] = ["tool_prefix": "Not A Name"]
    #expect(throws: ToolError.self) { try ToolCatalogue.assemble(from: [(id("west"), .object(document))]) }
  }

  @Test func `a manifest with a schema that cannot be checked is refused by its keyword`() throws {
    let document: JSONValue = [
      "manifest": [
        "name": "x", "kind": "executor", "actions": ["y": ["effect": "write", "input": ["patternProperties": [:]]]],
      ]
    ]
    #expect(
      throws: ToolError.schemaRefused(tool: "x.y", path: "", keyword: "patternProperties", reason: "is not supported")
    ) { try ToolCatalogue.assemble(from: [(id("x"), document)]) }
  }

  @Test(
    arguments: [
      ("nobody.knows", [:], "tool.unknown"), ("world.deal", [:], "tool.arguments_refused"),
      ("world.deal", ["opportunity": "D1", "as": "admin"], "tool.arguments_refused"),
      ("signals.list_recent", ["count_max": 101], "tool.arguments_refused"),
    ] as [(String, JSONValue, String)])
  func `a call that does not fit is refused`(tool: String, arguments: JSONValue, code: String) throws {
    let catalogue = try ToolCatalogue.assemble(from: [])
    let error = #expect(throws: ToolError.self) { try catalogue.check(tool: tool, arguments: arguments) }
    #expect(error?.code == code)
  }
}

@Suite struct `The reads` {
  private final class World: WorldReading {
    let proof = EvidenceID(
      stream: StreamName(unchecked: "s"), key: "k", commitment: StableID.of("test", []))
    func deal(_ id: String) -> DealFacts? {
      guard id == "D1" else { return nil }
      return DealFacts(
        id: "D1", stage: .engaging, ownerID: "zane", ownerName: "Zane", productID: nil, productText: "GTXPro",
        accountID: "acme", accountName: "Acme", engagedOn: BusinessDay(number: 0), closedOn: nil, valueCents: nil,
        version: "2", evidence: proof)
    }
    func openDeals(ownedBy rep: String) -> [DealFacts] { [] }
    func deals(productWrittenAs text: String, countMax: Int) -> [DealFacts] { [] }
    func rep(called text: String) -> RepFacts? { nil }
    func rep(_ id: String) -> RepFacts? {
      RepFacts(id: id, name: "Zane Levy", manager: "Dustin", openDealCount: 3, evidence: proof)
    }
    func reps(managedBy manager: String) -> [RepFacts] { [] }
    func account(_ id: String) -> AccountFacts? {
      guard id == "acme" else { return nil }
      return AccountFacts(id: id, name: "Acme", parentID: nil, boughtProductIDs: ["b", "a"], evidence: proof)
    }
    func group(of account: String) -> [AccountFacts] {
      [AccountFacts(id: "bluth", name: "Bluth", parentID: "acme", boughtProductIDs: [], evidence: proof)]
    }
    func product(_ id: String) -> ProductFacts? { nil }
  }

  @Test func `answer what is believed, labelled as untrusted`() throws {
    try MemoryStateStore().view { view in
      let deal = try ReadTool.deal.answer(["opportunity": "D1"], world: World(), view: view)
      #expect(deal["label"] == "untrusted")
      #expect(deal["content"]?["owner"]?["manager"] == "Dustin")
      #expect(deal["content"]?["product"]?["written"] == "GTXPro" && deal["content"]?["product"]?["id"] == .null)
      let account = try ReadTool.accountSummary.answer(["account": "acme"], world: World(), view: view)
      #expect(account["content"]?["bought"] == ["a", "b"])
      #expect(account["content"]?["group"]?.array?.first?["id"] == "bluth")
      #expect(throws: ToolError.notFound(what: "deal", id: "D2")) {
        try ReadTool.deal.answer(["opportunity": "D2"], world: World(), view: view)
      }
    }
  }

  @Test func `list the last signals, newest first, of one kind or subject if asked, and keep no more than a bound`()
    throws
  {
    let store = MemoryStateStore()
    let count = RecentSignals.keptMax + 50
    let signals: [JSONValue] = (0..<count).map { number in
      [
        "kind": number.isMultiple(of: 2) ? "deal.won" : "deal.lost",
        "subject": ["type": "opportunity", "id": .string("D\(number)")],
      ]
    }
    let entry = Entry(
      partition: .tenant(TenantID(unchecked: "t")), position: Position(1),
      content: NewEntry(
        id: StableID.of("e", []), kind: .signals, cause: nil, recordedAtMs: 0,
        body: (["day": "2017-01-01", "signals": .array(signals)] as JSONValue).canonicalBytes))
    _ = try store.transaction { try RecentSignals().apply(entry, to: $0) }
    func ids(_ arguments: JSONValue) throws -> [String] {
      try store.view { view in
        try ReadTool.recentSignals.answer(arguments, world: World(), view: view)["content"]?["signals"]?.array?
          .compactMap { $0["subject"]?["id"]?.string } ?? []
      }
    }
    #expect(try ids(["count_max": 2]) == ["D2049", "D2048"])
    #expect(try ids([:]).count == 20)
    #expect(try ids(["kind": "deal.won", "count_max": 1]) == ["D2048"])
    #expect(try ids(["subject_type": "opportunity", "subject_id": "D50"]) == ["D50"])
    #expect(try ids(["subject_type": "opportunity", "subject_id": "D49"]) == [])
  }
}
