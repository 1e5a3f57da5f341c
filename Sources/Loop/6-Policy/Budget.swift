import Domain

/// What may start without a person on one business day: counted when it is allowed and again when it starts, so what
/// is under way counts too.
enum Budget {
  /// `day/reserved/scope` and `day/started/scope` → how much.
  static let space = Space("policy.budget")
  static let currentDay = Space("policy.day")

  enum Count: String { case reserved, started }

  struct Scope {
    /// The name of the check in a verdict's reasons.
    let rule: String
    let key: String
    let amount: Int64
    let amountMax: Int64
    let sentence: String
  }

  static func scopes(of proposal: Proposal, costCents: Int64, _ budgets: Governance.Budgets) -> [Scope] {
    let tool = proposal.call?.tool ?? ""
    let whose =
      proposal.account.map { "account/\($0)" } ?? proposal.owner.map { "owner/\($0)" } ?? "subject/\(proposal.subject)"
    let (perAccount, perTool) = (budgets.autonomousPerAccountPerDay, budgets.perDay(tool: tool))
    return [
      Scope(
        rule: "budget.account_day", key: whose, amount: 1, amountMax: Int64(perAccount),
        sentence: "At most \(perAccount) calls a business day may run without a person for \(whose)."),
      Scope(
        rule: "budget.tool_day", key: "tool/\(tool)", amount: 1, amountMax: Int64(perTool),
        sentence: "At most \(perTool) calls of \(tool) a business day may run without a person."),
      Scope(
        rule: "budget.cost_day", key: "cost", amount: costCents, amountMax: Int64(budgets.costCentsPerDay),
        sentence: "Calls without a person may cost at most \(budgets.costCentsPerDay) cents a business day."),
    ]
  }

  /// The first scope that has no room for one more.
  static func exceeded(
    _ scopes: [Scope], _ count: Count, on day: BusinessDay, in view: any StateView
  ) throws -> Scope? {
    for scope in scopes {
      let used = try view.value(space, key(scope, count, day))?.integer ?? 0
      let (sum, overflow) = used.addingReportingOverflow(scope.amount)
      if overflow || sum > scope.amountMax { return scope }
    }
    return nil
  }

  static func add(
    _ scopes: [Scope], _ count: Count, on day: BusinessDay, _ state: any StateTransaction, sign: Int64 = 1
  ) throws {
    for scope in scopes {
      let key = key(scope, count, day)
      let used = try state.value(space, key)?.integer ?? 0
      try state.set(space, key, .integer(max(0, used + sign * scope.amount)))
    }
  }

  static func release(_ standing: Standing, _ state: any StateTransaction) throws {
    // A limit plays no part in which counters a call has.
    let scopes = scopes(of: standing.proposal, costCents: standing.costCents, Governance.Budgets())
    try add(scopes, .reserved, on: standing.day, state, sign: -1)
  }

  /// The business day that budgets and lists count for.
  static func day(_ view: any StateView) throws -> BusinessDay? {
    try view.value(currentDay, "current")?.string.flatMap { BusinessDay($0) }
  }

  /// Begins a later day: what was allowed and has not started takes from the new day's budget, before all others.
  static func advance(to day: BusinessDay, _ state: any StateTransaction) throws -> BusinessDay {
    if let current = try self.day(state), current >= day { return current }
    try state.set(currentDay, "current", .string(day.description))
    for (key, _) in try state.scan(space) { try state.remove(space, key) }
    for var standing in try Standing.all(state) where standing.outcome == .allow {
      guard try PermitRecord.of(standing.proposal.id, in: state) == nil else { continue }
      standing.day = day
      try standing.save(state)
      let scopes = scopes(of: standing.proposal, costCents: standing.costCents, Governance.Budgets())
      try add(scopes, .reserved, on: day, state)
    }
    return day
  }

  private static func key(_ scope: Scope, _ count: Count, _ day: BusinessDay) -> String {
    "\(day)/\(count.rawValue)/\(scope.key)"
  }
}
