import CanonicalJSON
import Decision
import Domain
import MemoryStorage
import TestKit
import Testing

@Suite struct `A malformed playbook` {
  private func fault(_ text: String) -> DocumentError? {
    do {
      _ = try Playbook(try Shipped.document(text, name: "p.yaml"), signalKinds: ["deal.stalled"])
      return nil
    } catch {
      return error as? DocumentError
    }
  }

  @Test(arguments: [
    ("on: deal.stalled", "on: deal.staled", "on", "deal.stalled"),
    ("about: deal\n", "about: everything\n", "about", "deal, owners_newest_deal"),
    ("trials_min: 30", "trials_min: 29", "rate.trials_min", "an integer from 30"),
    ("kind: abstain", "kind: guess", "steps[0].kind", "act, draft, ask, wait, escalate, abstain"),
    ("rate_known: false", "rate_knwn: false", "steps[0].when.rate_knwn", "rate_known"),
    ("tool: crm.close_lost", "tool: \"{signal.subject}\"", "steps[1].call.tool", "without placeholders"),
    ("set: {stage: Lost", "set: {stage: \"{tool}\"", "steps[1].call.arguments.set.stage", "{deal.id}"),
    ("{fact.limit_days}. {rate", "{fact.limit_dayz}. {rate", "steps[0].stop", "{fact.limit_days}"),
    (
      "assignee: \"{owner.name}\"", "assignee: \"{deal.owner_name}\"", "steps[2].call.arguments.task.assignee",
      "{owner.name}"
    ),
    ("assignee: \"{owner.name}\"", "assignee: \"{deal.id}\"", "steps[2].call.arguments.task.assignee", "{owner.name}"),
    (
      "opportunity: \"{deal.id}\"\n        set: {stage: Lost", "opportunity: \"x{deal.id}\"\n        set: {stage: Lost",
      "steps[1].call.arguments.opportunity", "alone"
    ),
    ("value: list_price_times_miss", "value: much", "steps[1].value", "value_gap"),
    ("ends_when: [deal_closed,", "ends_when: [never,", "ends_when[0]", "deal_closed"),
  ])
  func `is refused with its key, its line and what is allowed`(
    old: String, new: String, path: String, allowed: String
  ) throws {
    let text = try Shipped.text("stalled-deal")
    let broken = text.replacing(old, with: new, maxReplacements: 1)
    try #require(broken != text)
    let error = try #require(fault(broken))
    #expect(error.path == path)
    #expect(error.allowed.contains(allowed))
    let line = try #require(error.line)
    let key = path.split(separator: ".").last!.split(separator: "[").first!
    #expect(broken.split(separator: "\n", omittingEmptySubsequences: false)[line - 1].contains(key))
  }

  @Test func `a document that is no playbook changes nothing and is listed with its reason`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    let before = try run.store.view { try DecisionStage.active(in: $0) }
    try run.activate("stalled-deal", ["sluice": 1, "name": "stalled-deal"])
    try run.store.view { view in
      #expect(try DecisionStage.active(in: view) == before)
      let refused = try view.value(DecisionStage.refusedPlaybooks, "stalled-deal")
      #expect(refused?["reason"]?.string?.contains("`summary` is missing") == true)
    }
  }

  @Test func `a second file of the same name is refused`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    try run.activate("copy", try Shipped.document(try Shipped.text("stalled-deal"), name: "copy").value)
    try run.store.view { view in
      #expect(try DecisionStage.active(in: view).count == 1)
      let reason = try view.value(DecisionStage.refusedPlaybooks, "copy")?["reason"]?.string
      #expect(reason?.contains("as in stalled-deal") == true)
    }
  }

  @Test func `a null document ends its playbook`() throws {
    let run = try Run(playbooks: ["stalled-deal"])
    try run.activate("stalled-deal", .null)
    run.world.add("D1")
    #expect(try run.day(139, [stalled("D1", on: 139)]) == nil)
  }
}
