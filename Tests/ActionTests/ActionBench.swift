import Action
import CanonicalJSON
import Cryptography
import Domain
import MemoryStorage
import Policy
import TestKit

/// One tenant with policy and action stages and a journal; what they derive waits in an outbox until `drain`.
final class ActionBench {
  /// Permits what the sample executor does; a forbid stops closed deals.
  static let policies = """
    @id("alone") @sentence("Runs alone.") permit(principal is Agent, action == Action::"execute_autonomously", resource)
    when { context.tool != "crm.close_lost" };
    @id("asked") @sentence("A person may approve it.") permit(principal is Agent, action == Action::"request_approval", resource);
    @id("undo") @sentence("Ann may take it back.") permit(principal == User::"ann", action == Action::"compensate", resource);
    @id("closed") @sentence("It is closed.") forbid(principal is Agent, action, resource is Opportunity)
    when { resource has stage && resource.stage == "won" };
    """
  static let ann = UserID(unchecked: "ann")

  let store: any StateStore = MemoryStateStore()
  let policy = PolicyStage(world: { SampleWorld($0) })
  let action = ActionStage()
  private(set) var journal: [Entry] = []
  private var outbox: [(Derived, Position)] = []
  private(set) var verdicts: [Verdict] = []
  var nowMs: Int64 = 1_800_000_000_000
  /// Called after each applied entry.
  var check: ((Entry) throws -> Void)?

  init(mode: TenantMode = .act, governance: JSONValue = ["sluice": 1]) throws {
    let enabling: JSONValue = ["instance": "crm", "isEnabled": true, "manifest": Sample.manifest, "config": [:]]
    try append(
      .activation, Activation(kind: .instance, name: "crm", hash: SHA256.digest(""), document: enabling, by: nil))
    try activate(Self.policies, governance)
    try self.mode(mode)
  }

  /// With nothing in its journal: for applying another one's.
  init(empty: Void) {}

  /// Applies an entry to both stages, in one transaction, as the host does.
  func apply(_ entry: Entry) throws {
    let derived = try store.transaction { state in
      try policy.apply(entry, to: state) + action.apply(entry, to: state)
    }
    outbox += derived.map { ($0, entry.position) }
    try check?(entry)
  }

  @discardableResult
  func append(_ kind: EntryKind, _ body: some Encodable, cause: Position? = nil) throws -> Position {
    nowMs += 1
    let position = Position(UInt64(journal.count + 1))
    let entry = Entry(
      partition: .tenant(Sample.tenant), position: position,
      salt: Array(SHA256.digest("salt \(position)").bytes[..<16]),
      content: NewEntry(
        id: SHA256.digest("entry \(position)"), kind: kind, cause: cause, recordedAtMs: nowMs,
        body: try JSONValue(encoding: body).canonicalBytes))
    journal.append(entry)
    try apply(entry)
    return position
  }

  func drain() throws {
    while !outbox.isEmpty {
      let (derived, cause) = outbox.removeFirst()
      if derived.kind == .verdicts { verdicts += try derived.body.decode(VerdictSet.self).verdicts }
      try append(derived.kind, derived.body, cause: cause)
    }
  }

  // MARK: inputs

  func activate(_ text: String, _ governance: JSONValue = ["sluice": 1]) throws {
    let document = try PolicyDocument(
      files: [("p.cedar", text)], schema: nil, governance: SourceDocument(name: "g", value: governance, marks: [:]))
    try append(
      .activation, Activation(kind: .policies, name: "p", hash: document.hash, document: document.json, by: nil))
  }
  func mode(_ mode: TenantMode) throws {
    try append(
      .activation,
      Activation(
        kind: .mode, name: "mode", hash: SHA256.digest(""), document: ["mode": .string(mode.rawValue)], by: nil))
  }
  func order(_ verb: Order.Verb, _ target: String, _ argument: String? = nil, by user: UserID? = ann) throws {
    try append(.order, Order(verb: verb, target: target, argument: argument, by: user))
    try drain()
  }
  func propose(_ proposals: [Proposal], day: Int = 0, withdrawn: [Proposal] = [], drains: Bool = true) throws {
    try append(
      .proposals,
      ProposalSet(
        day: Sample.day(day), proposals: proposals,
        withdrawn: withdrawn.map { ProposalSet.Withdrawal(proposal: $0.id, reason: "The deal has closed.") }))
    if drains { try drain() }
  }
  func choose(_ choice: Choice) throws { try append(.choice, choice) }
  func answer(_ proposal: Proposal, _ answer: Choice.Answer = .approve, by user: UserID = ann) throws {
    try choose(choice(proposal, answer, by: user))
  }
  func choice(_ proposal: Proposal, _ answer: Choice.Answer = .approve, by user: UserID = ann) throws -> Choice {
    Choice(
      proposal: proposal.id, callHash: try approval(proposal)!.callHash, answer: answer, by: user, note: nil,
      through: .cli)
  }

  // MARK: the host's part

  func ready() throws -> [ReadyAction] { try store.view { try ActionStage.ready(in: $0, nowMs: nowMs) } }

  func mint(_ ready: ReadyAction, version: String? = "1") throws -> EffectStart {
    try store.view { view in
      try ready.permit(from: policy, tenant: Sample.tenant, in: view, nowMs: nowMs, targetVersion: version)
        .spend(nowMs: nowMs)
    }
  }

  /// Starts all that is ready.
  /// - Returns: The starts that may be sent.
  @discardableResult
  func execute() throws -> [EffectStart] {
    try ready().compactMap { ready in
      guard let start = try? mint(ready, version: ready.action.undoes == nil ? "1" : "2") else { return nil }
      let position = try append(.effectStarted, start)
      return try store.view { try ActionStage.mayExecute(start, at: position, in: $0) } ? start : nil
    }
  }

  func report(_ start: EffectStart, _ outcome: Receipt.Outcome, askedAtMs: Int64? = nil) throws {
    try append(
      .receipt,
      Receipt(
        permit: start.permit, proposal: start.proposal, outcome: outcome, result: ["version": 2], requests: [],
        reason: outcome == .done ? nil : "It is so.", askedAtMs: askedAtMs))
  }

  // MARK: what there is

  func approval(_ proposal: Proposal) throws -> Approval? { try store.view { try Approval.of(proposal.id, in: $0) } }
  func record(_ id: Digest) throws -> ActionRecord? { try store.view { try ActionRecord.of(id, in: $0) } }
  func state(_ proposal: Proposal) throws -> ActionState? { try record(proposal.id)?.state }
  func refused() throws -> [String] {
    try store.view { view in
      try [RefusedInput.space, ActionStage.refused].flatMap { space in
        try view.scan(space).map { try $0.1.decode(RefusedInput.self).code }
      }
    }
  }

  static let spaces = [
    "policy.rules", "policy.tool", "policy.kill", "policy.standing", "policy.budget", "policy.day", "policy.permit",
    "policy.attempt", "policy.refused", "action.action", "action.open", "action.approval", "action.answered",
    "action.refused",
  ].map { Space($0) }

  /// Every row of both rooms.
  func dump() throws -> String {
    try store.view { view in
      try Self.spaces.flatMap { space in
        try view.scan(space).map { "\(space.rawValue) \($0.0) \($0.1.canonicalText)" }
      }.joined(separator: "\n")
    }
  }
}
