import Action
import CanonicalJSON
import Cryptography
import Domain
import Perception
import Policy
import WholeLoop

/// Operators and approvers, hasty and mistaken ones among them. What they say waits in the journal's queue, so that
/// what they saw may have changed when it counts.
final class SimulatedPeople {
  private let around: Surroundings
  private let files: ReviewedFiles
  private var killed: [String] = []
  private var choices: [Choice] = []
  private var isExecutorOff = false
  private var endedPlaybook: Int?
  private var governances: [[String: JSONValue]] = []

  private var chance: Chance { around.chance }
  private static let users = ["ann", "bob", "cleo"].map(UserID.init(unchecked:))

  init(_ around: Surroundings, _ files: ReviewedFiles) {
    self.around = around
    self.files = files
  }

  /// Enables both connectors and puts the rules into effect.
  func setUp() throws {
    try activate(.thresholds, "thresholds.yaml", files.thresholds)
    try policies([:])
    for (name, document) in files.playbooks { try activate(.playbooks, name, document) }
    try enable("crm", files.source)
    try enable("crm-actions", files.executor)
    try mode(around.setting.mode)
  }

  /// One of them does something.
  func act(_ host: SimulatedHost) throws {
    if isExecutorOff, chance.percent(40) { return try switchExecutor() }
    if endedPlaybook != nil, chance.percent(30) { return try changePlaybooks() }
    try chance.weighted(Self.deeds)(self, host)
  }

  private typealias Deed = @Sendable (SimulatedPeople, SimulatedHost) throws -> Void
  private static let deeds: [(weight: Int, Deed)] = [
    (46, { try $0.choose($1, .approve) }), (8, { try $0.choose($1, .reject) }), (6, { me, _ in try me.repeatChoice() }),
    (4, { me, _ in try me.kill() }), (12, { me, _ in try me.unkill() }), (6, { me, _ in try me.changeMode() }),
    (4, { me, _ in try me.changePolicies() }), (2, { me, _ in try me.changeThresholds() }),
    (2, { me, _ in try me.changePlaybooks() }), (12, { try $0.undo($1) }), (6, { try $0.resolve($1) }),
    (3, { try $0.replayDeadLetter($1) }), (3, { try $0.withdraw($1) }), (2, { me, _ in try me.switchExecutor() }),
  ]

  // MARK: - Approvals

  private func choose(_ host: SimulatedHost, _ answer: Choice.Answer) throws {
    let pending = try host.view { try ActionStage.pending(in: $0, nowMs: around.nowMs) }
    guard let (approval, _) = chance.any(of: pending) else { return }
    around.shown[approval.proposal, default: []].insert(approval.callHash)
    let by = chance.percent(4) ? UserID(unchecked: "loop") : chance.one(of: Self.users)
    let hash = chance.percent(4) ? SHA256.digest("another call") : approval.callHash
    let choice = Choice(
      proposal: approval.proposal, callHash: hash, answer: answer, by: by, note: nil, through: .api)
    choices.append(choice)
    try submit(.choice, choice)
  }

  /// Presses the button again, now or much later.
  private func repeatChoice() throws {
    if let choice = chance.any(of: choices) { try submit(.choice, choice) }
  }

  // MARK: - Orders

  private func order(_ verb: Order.Verb, _ target: String, _ argument: String? = nil) throws {
    let by: UserID? = chance.percent(3) ? nil : chance.one(of: Self.users)
    try submit(.order, Order(verb: verb, target: target, argument: argument, by: by))
  }

  private func kill() throws {
    let target = chance.one(of: [
      "all", "tool:crm.create_task", "tool:crm.fix_product", "playbook:stalled-deal", "playbook:product-alias",
      "account:a\(chance.below(5))", "owner:r\(chance.below(5))", "nonsense",
    ])
    killed.append(target)
    try order(.kill, target)
  }
  /// Stops whatever is about to start.
  func stop() throws {
    guard around.setting.hasPeople else { return }
    if chance.percent(30) { return try mode(.observe) }
    killed.append("all")
    try order(.kill, "all")
  }
  private func unkill() throws {
    guard !killed.isEmpty else { return }
    try order(.unkill, killed.remove(at: chance.below(killed.count)))
  }
  func releaseAll() throws {
    while !killed.isEmpty { try unkill() }
    if isExecutorOff { try switchExecutor() }
    try mode(.act)
  }

  func observe() throws { try mode(.observe) }

  private func action(_ host: SimulatedHost, in states: Set<ActionState>) throws -> ActionRecord? {
    let all = try host.view { try $0.scan(ActionRecord.space).map { try $0.1.decode(ActionRecord.self) } }
    return chance.any(of: chance.percent(90) ? all.filter { states.contains($0.state) } : all)
  }
  private func undo(_ host: SimulatedHost) throws {
    if let action = try action(host, in: [.done]) { try order(.undo, action.id.hex) }
  }
  private func resolve(_ host: SimulatedHost) throws {
    guard let action = try action(host, in: [.unresolved]) else { return }
    try order(.resolveUnknown, action.id.hex, chance.one(of: ["done", "failed", "failed", "perhaps"]))
  }
  private func withdraw(_ host: SimulatedHost) throws {
    if let action = try action(host, in: [.awaiting, .queued]) { try order(.withdraw, action.id.hex) }
  }
  private func replayDeadLetter(_ host: SimulatedHost) throws {
    let letters = try host.view { try DeadLetter.all(in: $0) }
    try order(.replayDeadLetter, chance.any(of: letters)?.id ?? "1-0")
  }

  // MARK: - Rules

  private func changeMode() throws {
    try mode(chance.weighted([(1, .observe), (3, .propose), (8, .act)]))
  }
  private func mode(_ mode: TenantMode) throws { try activate(.mode, "mode", ["mode": .string(mode.rawValue)]) }

  private func changePolicies() throws {
    if let earlier = chance.any(of: governances), chance.percent(40) { return try policies(earlier) }
    var governance: [String: JSONValue] = [
      "holds_per_approver_per_day": .integer(Int64(chance.within(1...10))),
      "approval_ttl_hours": .integer(Int64(chance.within(1...72))),
      "attempts_max": .integer(Int64(chance.within(1...3))), "probes_max": .integer(Int64(chance.within(1...3))),
      "budgets": [
        "autonomous_per_account_per_day": .integer(Int64(chance.within(0...8))),
        "autonomous_per_tool_per_day": .integer(Int64(chance.within(1...30))),
      ],
    ]
    if chance.percent(20) { governance["quorum"] = 2 }
    if chance.percent(20) { governance["approvers"] = ["Mel Max": ["ann"], "*": ["bob", "cleo"]] }
    governances.append(governance)
    try policies(governance)
  }
  private func policies(_ governance: [String: JSONValue]) throws {
    let document = try files.policies(governance)
    try submit(
      .activation,
      Activation(kind: .policies, name: "policies", hash: document.hash, document: document.json, by: nil))
  }
  private func changeThresholds() throws {
    try activate(
      .thresholds, "thresholds.yaml",
      files.thresholds.setting([
        ["stall", "closed_deals_min"]: .integer(Int64(chance.within(2...5))),
        ["heat", "window_days"]: .integer(Int64(chance.within(3...8))),
        ["load", "open_deals_min"]: .integer(Int64(chance.within(4...8))),
      ]))
  }
  private func changePlaybooks() throws {
    if let ended = endedPlaybook {
      endedPlaybook = nil
      return try activate(.playbooks, files.playbooks[ended].name, files.playbooks[ended].document)
    }
    let chosen = chance.below(files.playbooks.count)
    endedPlaybook = chosen
    try activate(.playbooks, files.playbooks[chosen].name, .null)
  }
  private func switchExecutor() throws {
    isExecutorOff.toggle()
    try enable("crm-actions", files.executor, isEnabled: !isExecutorOff)
  }
  private func enable(_ name: String, _ manifest: JSONValue, isEnabled: Bool = true) throws {
    let replay = around.setting.isReplaying
    try activate(
      .instance, name,
      [
        "instance": .string(name), "manifest": manifest, "config": [:],
        "settings": ["enabled": .bool(isEnabled), "replay": .bool(replay), "ticks": .bool(name == "crm")],
      ])
  }

  private func activate(_ kind: Activation.Kind, _ name: String, _ document: JSONValue) throws {
    try submit(.activation, Activation(kind, name, document, by: Self.users[0]))
  }
  private func submit(_ kind: EntryKind, _ body: some Encodable) throws {
    around.trace.note("person: \(kind.rawValue)")
    around.disk.journal.submit([try around.entry(kind, body)])
  }
}
