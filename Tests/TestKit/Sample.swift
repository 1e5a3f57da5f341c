import Cryptography
package import Domain

/// A tenant, an executor and proposals that use it.
package enum Sample {
  package static let tenant = TenantID(unchecked: "acme")
  package static let manifest: JSONValue = [
    "name": "crm-actions", "kind": "executor",
    "actions": [
      "close_lost": ["effect": "write", "compensation": "reopen", "settle_ms": 30_000, "cost_cents": 0],
      "reopen": ["effect": "write", "settle_ms": 30_000],
      "fix_product": ["effect": "write", "compensation": "fix_product", "settle_ms": 30_000, "cost_cents": 10],
      "create_task": ["effect": "notify", "settle_ms": 30_000, "cost_cents": 5],
      "create_note": ["effect": "notify", "settle_ms": 30_000],
      "unpriced": ["effect": "write"],
    ],
  ]

  package static func day(_ number: Int) -> BusinessDay { BusinessDay(number: 20_000 + number) }

  package static func proposal(
    _ name: String, tool: String? = "crm.create_task", kind: Proposal.Kind = .act, value: Int64 = 100,
    account: String? = nil, owner: String? = nil, approver: String? = "Dustin", undo: String? = nil,
    version: String? = "1", type: String = "opportunity"
  ) -> Proposal {
    let call = tool.map {
      ToolCall(
        tool: $0, arguments: ["opportunity": .string(name)], targetVersion: version, current: [:],
        undo: undo.map { ToolCall.Undo(tool: $0, arguments: ["opportunity": .string(name)]) })
    }
    return Proposal(
      id: StableID.of("proposal", [name]), day: day(0), kind: kind, playbook: "stalled",
      subject: Subject(type: type, id: name),
      account: account, owner: owner, approver: approver, call: call, signals: [],
      evidence: [
        EvidenceID(
          stream: StreamName(unchecked: "opportunities"), key: name, commitment: SHA256.digest("evidence \(name)"))
      ], confidence: nil, expectedValueCents: value, uncertain: [], stopReason: "One call is enough.")
  }
  package static func fix(_ name: String, value: Int64 = 100, account: String? = nil) -> Proposal {
    proposal(name, tool: "crm.fix_product", value: value, account: account, undo: "crm.fix_product")
  }
  package static func close(_ name: String, value: Int64 = 100, approver: String? = "Dustin") -> Proposal {
    proposal(name, tool: "crm.close_lost", kind: .draft, value: value, approver: approver, undo: "crm.reopen")
  }
}
