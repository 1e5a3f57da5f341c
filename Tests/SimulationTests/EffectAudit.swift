import Action
import CanonicalJSON
import Domain
import Policy

/// What must hold of effects: judged by the journal's entries in order, and by what reached the CRM. It keeps its own
/// books of verdicts, answers, switches and budgets.
struct EffectAudit {
  private let around: Surroundings
  private let host: SimulatedHost
  private let entries: [Entry]
  private var books = Books()
  /// permit → how much of the journal was durable when it was sent.
  private var sent: [Digest: Position] = [:]

  init(_ around: Surroundings, _ host: SimulatedHost) {
    self.around = around
    self.host = host
    entries = around.disk.journal.entries
  }

  mutating func check() throws {
    for (start, head) in around.sends {
      try expect(sent[start.permit] == nil, "a permit is sent once", "\(start.permit) was sent twice")
      sent[start.permit] = head
    }
    for entry in entries { try take(entry) }
    for (start, head) in around.sends {
      guard let place = books.starts[start.permit]?.place, place <= head else {
        throw Violation("no effect without a spent permit", "\(start.call.tool) left before its start was durable")
      }
    }
    try ends()
    try agreesWithTheCRM()
  }

  private func expect(_ holds: Bool, _ rule: String, _ what: @autoclosure () -> String) throws {
    if !holds { throw Violation(rule, what()) }
  }

  private func body<Body: Decodable>(_ entry: Entry, as type: Body.Type) throws -> Body {
    try JSONValue(parsing: entry.body).decode(type)
  }

  private mutating func take(_ entry: Entry) throws {
    switch entry.kind {
    case .activation: try books.take(try body(entry, as: Activation.self))
    case .order: books.take(try body(entry, as: Order.self), entry.position)
    case .proposals:
      let set = try body(entry, as: ProposalSet.self)
      books.day = max(books.day ?? set.day, set.day)
      for withdrawn in set.withdrawn { books.revived[withdrawn.proposal] = nil }
      for proposal in set.proposals { books.proposals[proposal.id] = proposal }
    case .verdicts:
      for verdict in try body(entry, as: VerdictSet.self).verdicts {
        around.trace.count("verdict \(verdict.outcome.rawValue)")
        // Judged before the host took off what an earlier judgement was: this one has its say.
        let isNewer = entry.content.cause.map { $0 < books.withdrawn[verdict.proposal] ?? .origin } ?? false
        books.revived[verdict.proposal] = isNewer && [.allow, .hold].contains(verdict.outcome) ? entry.position : nil
        books.take(verdict, atMs: entry.recordedAtMs)
      }
    case .choice: books.take(try body(entry, as: Choice.self), around.shown)
    case .effectStarted:
      around.trace.count("journaled start")
      let start = try body(entry, as: EffectStart.self)
      books.starts[start.permit] = (start, entry.position)
      // What was refused when it was applied is in the journal too, and was not sent.
      if sent[start.permit] != nil { try judge(start, entry) }
      books.begun.insert(start.proposal)
    case .receipt:
      let receipt = try body(entry, as: Receipt.self)
      books.receipts[receipt.permit, default: []].append((receipt, entry.position))
    case .intake, .delivery, .tick, .signals, .epoch: break
    }
  }

  // MARK: - A start that was sent

  private mutating func judge(_ start: EffectStart, _ entry: Entry) throws {
    around.trace.count("effect \(start.undoes != nil ? "that undoes" : start.approvedBy != nil ? "approved" : "alone")")
    let name = "\(start.call.tool) on \(start.subject), entry \(entry.position)"
    try expect(books.mode != .observe, "an observing tenant acts on nothing", name)
    try expect(
      books.mode == .act || start.approvedBy != nil, "a proposing tenant asks for everything", name)
    let playbook = start.undoes == nil ? books.proposals[start.proposal]?.playbook : nil
    let stopping = [
      "all", "tool:\(start.call.tool)", playbook.map { "playbook:\($0)" }, start.account.map { "account:\($0)" },
      start.owner.map { "owner:\($0)" },
    ].compactMap(\.self).first(where: books.killed.contains)
    try expect(stopping == nil, "a kill switch holds", "\(name) was stopped by \(stopping ?? "")")
    try comesAfterItsLikes(start, name)
    try namesTheVersionWeGave(start, entry, name)
    guard start.undoes == nil else { return try judgeUndo(start, name) }
    try hasVerdict(start, entry, name)
    if start.approvedBy == nil { try hasBudget(start, name) }
  }

  private func hasVerdict(_ start: EffectStart, _ entry: Entry, _ name: String) throws {
    guard let (verdict, judgedAtMs, governance) = books.verdicts[start.proposal] else {
      throw Violation("a verdict comes before its effect", name)
    }
    try expect(
      verdict.outcome == (start.approvedBy == nil ? .allow : .hold), "a verdict lets its effect start",
      "\(name) was judged \(verdict.outcome)")
    // A retry has the verdict of its first start; policy is asked anew for its permit.
    try expect(
      verdict.policySet == books.policySet || books.begun.contains(start.proposal),
      "the verdict is by the policies in force", name)
    guard let approver = start.approvedBy else { return }
    let people = books.approvers[start.proposal] ?? []
    try expect(people.contains(approver), "a named person approved it", name)
    try expect(people.count >= governance.quorum, "as many approve as must", "\(name): \(people.count)")
    try expect(
      entry.recordedAtMs <= judgedAtMs + governance.approvalTTLMs, "an approval holds for its time", name)
  }

  private mutating func hasBudget(_ start: EffectStart, _ name: String) throws {
    let day = books.day!
    // A retry takes from the day on which its call was started first.
    guard books.counted.insert(start.proposal).inserted, start.attempt == 1 else { return }
    let whose = start.account.map { "account/\($0)" } ?? start.owner.map { "owner/\($0)" } ?? "\(start.subject)"
    books.spent["\(day) \(whose)", default: 0] += 1
    books.spent["\(day) \(start.call.tool)", default: 0] += 1
    let budgets = books.governance.budgets
    try expect(
      books.spent["\(day) \(whose)"]! <= budgets.autonomousPerAccountPerDay, "the budget of an account holds", name)
    try expect(
      books.spent["\(day) \(start.call.tool)"]! <= budgets.perDay(tool: start.call.tool), "the budget of a tool holds",
      name)
  }

  private func judgeUndo(_ start: EffectStart, _ name: String) throws {
    let done = books.receipts[start.undoes!]?.last?.receipt.outcome
    let isResolved = books.resolved[start.proposal] == "done"
    try expect(done == .done || isResolved, "only what is done is taken back", name)
    try expect(
      books.undoOrders[start.proposal]?.contains(start.approvedBy!) == true, "a person ordered the undo", name)
  }

  /// One call, whatever its attempts: each after the one before it is known to have had no effect.
  private mutating func comesAfterItsLikes(_ start: EffectStart, _ name: String) throws {
    let call = "\(start.proposal) \(start.undoes == nil)"
    if let before = books.lastSent[call] {
      try expect(
        books.receipts[before.permit]?.last?.receipt.outcome == .notStarted,
        "a retry follows only what had no effect", name)
      try expect(before.idempotencyKey == start.idempotencyKey, "a retry bears the same key", name)
    }
    books.lastSent[call] = start
  }

  /// What a receipt said of a target's version is known, whether or not the CRM has been read again since.
  private func namesTheVersionWeGave(_ start: EffectStart, _ entry: Entry, _ name: String) throws {
    guard let named = start.call.arguments["expect_version"]?.integer else { return }
    for (permit, receipts) in books.receipts where books.starts[permit]?.start.subject == start.subject {
      for (receipt, place) in receipts
      where place < entry.position && books.starts[permit]!.start.permit != start.permit {
        let isOfTheDeal = books.starts[permit]!.start.call.arguments["set"] != nil
        guard isOfTheDeal, receipt.outcome == .done, let given = receipt.result["version"]?.integer else { continue }
        try expect(
          given <= named, "a call names no version that ours has replaced", "\(name) names \(named) after \(given)")
      }
    }
  }

  // MARK: - The end

  /// Every start ends in a receipt; where nobody knows, a person is asked.
  private func ends() throws {
    for (permit, head) in sent {
      let start = books.starts[permit]!.start
      guard let last = books.receipts[permit]?.last else {
        throw Violation("every effect ends", "\(start.call.tool), sent at \(head), has no receipt")
      }
      guard last.receipt.outcome == .unknown else { continue }
      let state = try host.view { try ActionRecord.of(start.action, in: $0)?.state }
      try expect(
        state == .unresolved || books.resolved[start.action] != nil, "what nobody knows is a person's to judge",
        "\(start.call.tool) is \(state?.rawValue ?? "gone")")
    }
    for (proposal, place) in books.revived {
      let state = try host.view { try ActionRecord.of(proposal, in: $0)?.state }
      try expect(state != .withdrawn, "a judgement on its way is not taken off", "that of entry \(place)")
    }
    let open = try host.view { try ActionRecord.open(in: [.started, .probing], $0) }
    try expect(open.isEmpty, "every effect ends", "\(open.count) are under way for ever")
  }

  /// The journal says what became of each effect, and none came about twice.
  private func agreesWithTheCRM() throws {
    for (key, times) in around.crm.applied.sorted(by: { $0.key < $1.key }) {
      try expect(times == 1, "an effect comes about once", "\(key) came about \(times) times")
      let permits = sent.keys.filter { books.starts[$0]!.start.idempotencyKey == key }
      try expect(!permits.isEmpty, "no effect without a spent permit", key)
      let last = permits.compactMap { books.receipts[$0]?.last }.max { $0.place < $1.place }
      let action = books.starts[permits[0]]!.start.action
      let isSaid = last?.receipt.outcome == .done || last?.receipt.outcome == .unknown
      try expect(
        isSaid || books.resolved[action] != nil, "what came about is not denied",
        "\(key) came about, its receipt says \(last?.receipt.outcome.rawValue ?? "nothing")")
    }
    for (permit, receipts) in books.receipts where receipts.last!.receipt.outcome == .done {
      let key = books.starts[permit]?.start.idempotencyKey ?? ""
      try expect(around.crm.applied[key] != nil, "what is said to be done is done", key)
    }
  }
}

/// What the journal said so far, kept without the product's state.
private struct Books {
  var mode = TenantMode.propose
  var governance = Governance()
  var policySet: Digest?
  var killed: Set<String> = []
  var day: BusinessDay?
  var proposals: [Digest: Proposal] = [:]
  var verdicts: [Digest: (verdict: Verdict, atMs: Int64, under: Governance)] = [:]
  /// Who approved the call that the last verdict holds, as they were shown it.
  var approvers: [Digest: Set<UserID>] = [:]
  var starts: [Digest: (start: EffectStart, place: Position)] = [:]
  var receipts: [Digest: [(receipt: Receipt, place: Position)]] = [:]
  var resolved: [Digest: String] = [:]
  /// What the host took off, and where.
  var withdrawn: [Digest: Position] = [:]
  /// What was judged anew while the host took it off, and where that is said.
  var revived: [Digest: Position] = [:]
  var undoOrders: [Digest: Set<UserID>] = [:]
  var lastSent: [String: EffectStart] = [:]
  /// Proposals with a start, sent or not.
  var begun: Set<Digest> = []
  var counted: Set<Digest> = []
  var spent: [String: Int] = [:]

  mutating func take(_ activation: Activation) throws {
    switch activation.kind {
    case .mode: mode = activation.document["mode"]?.string.flatMap(TenantMode.init) ?? mode
    case .policies:
      policySet = activation.hash
      let numbers = activation.document["governance"] ?? ["sluice": 1]
      governance = try Governance(SourceDocument(name: "governance.yaml", value: numbers, marks: [:]))
    case .instance, .thresholds, .playbooks, .routes: break
    }
  }

  mutating func take(_ verdict: Verdict, atMs: Int64) {
    let before = verdicts[verdict.proposal]?.verdict
    // Another judgement is another question; an answer to the old one does not count for it.
    if before?.outcome != verdict.outcome || before?.policySet != verdict.policySet {
      approvers[verdict.proposal] = nil
    }
    verdicts[verdict.proposal] = (verdict, atMs, governance)
  }

  mutating func take(_ choice: Choice, _ shown: [Digest: Set<Digest>]) {
    guard choice.answer == .approve, shown[choice.proposal]?.contains(choice.callHash) == true,
      choice.by.rawValue != "loop", governance.mayAnswer(choice.by, for: proposals[choice.proposal]?.approver)
    else { return }
    approvers[choice.proposal, default: []].insert(choice.by)
  }

  mutating func take(_ order: Order, _ place: Position) {
    let id = Digest(hex: order.target)
    switch order.verb {
    case .kill: if KillTarget(order.target) != nil { killed.insert(order.target) }
    case .unkill: killed.remove(order.target)
    case .resolveUnknown:
      if let id, order.by != nil, let word = order.argument, word == "done" || word == "failed" { resolved[id] = word }
    case .undo: if let id, let by = order.by { undoOrders[id, default: []].insert(by) }
    case .withdraw:
      guard let id else { return }
      revived[id] = nil
      if order.by == nil { withdrawn[id] = place }
    case .replayDeadLetter, .dropDeadLetter, .setCheckpoint, .trim, .suspendTenant, .resumeTenant, .eraseTenant,
      .setDiskQuota, .setInstanceQuota:
      break
    }
  }
}
