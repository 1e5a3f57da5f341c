package import Domain

/// The numbers of governance: how much may happen without a person, how long things hold, who may approve.
package struct Governance: Equatable, Sendable {
  /// How much may start without a person on one business day.
  package struct Budgets: Equatable, Sendable {
    /// Per account; per owner where there is none, per subject where there is neither.
    package var autonomousPerAccountPerDay = 3
    package var autonomousPerToolPerDay = 50
    /// Tools with a number of their own.
    package var tools: [String: Int] = [:]
    /// All autonomous calls together, in cents.
    package var costCentsPerDay = 10_000

    package func perDay(tool: String) -> Int { tools[tool] ?? autonomousPerToolPerDay }
  }

  package var holdsPerApproverPerDay = 10
  package var approvalTTLHours = 72
  package var permitTTLSeconds = 120
  /// How often one call may be started.
  package var attemptsMax = 3
  /// How often an unknown outcome is probed before a person decides.
  package var probesMax = 3
  /// How many people must approve one call.
  package var quorum = 1
  /// By the approver that a proposal names, `*` for every one: the users who may answer. Nil: every user.
  package var approvers: [String: [UserID]]?
  /// People beside the source's reps who may be written to and asked, by the name that the source knows them by.
  package var people: Set<String> = []
  package var budgets = Budgets()

  package init() {}

  /// Everybody whom a person has named here: what a source calls by another name is nobody.
  package var named: Set<String> { people.union(approvers.map { Set($0.keys).subtracting(["*"]) } ?? []) }

  package var approvalTTLMs: Int64 { Int64(approvalTTLHours) * 3_600_000 }
  package var permitTTLMs: Int64 { Int64(permitTTLSeconds) * 1_000 }

  /// Whether `user` may answer what is held for `approver`.
  package func mayAnswer(_ user: UserID, for approver: String?) -> Bool {
    guard let approvers else { return true }
    let named = (approver.flatMap { approvers[$0] } ?? []) + (approvers["*"] ?? [])
    return named.contains(user)
  }
}

extension Governance {
  /// The version of the document's own format.
  package static let formatVersion = 1

  /// Reads `governance.yaml`; the first fault is thrown with its key, its line and what is allowed. Every key but
  /// `sluice` may be left out.
  package init(_ document: SourceDocument) throws(DocumentError) {
    let root = DocumentReader(document)
    let numbers: [(String, WritableKeyPath<Governance, Int>, ClosedRange<Int>)] = [
      ("holds_per_approver_per_day", \.holdsPerApproverPerDay, 0...1_000),
      ("approval_ttl_hours", \.approvalTTLHours, 1...8_760), ("permit_ttl_seconds", \.permitTTLSeconds, 1...3_600),
      ("attempts_max", \.attemptsMax, 1...100), ("probes_max", \.probesMax, 1...100), ("quorum", \.quorum, 1...20),
    ]
    try root.allow(["sluice"] + numbers.map(\.0) + ["approvers", "people", "budgets"])
    _ = try root["sluice"].integer(in: Self.formatVersion...Self.formatVersion)
    for (key, path, range) in numbers where root[key].isPresent {
      self[keyPath: path] = try root[key].integer(in: range)
    }
    if root["approvers"].isPresent { approvers = try Self.approvers(root["approvers"]) }
    for (name, role) in try root["people"].members() {
      _ = try role.string("what this person is, in words")
      people.insert(name)
    }
    if root["budgets"].isPresent { budgets = try Self.budgets(root["budgets"]) }
  }

  private static func approvers(_ reader: DocumentReader) throws(DocumentError) -> [String: [UserID]] {
    var approvers: [String: [UserID]] = [:]
    for (name, list) in try reader.members() {
      var users: [UserID] = []
      for item in try list.items() { users.append(try item.name(UserID.self)) }
      guard !users.isEmpty else { throw list.error("without a user", allowed: "a list of at least one user") }
      approvers[name] = users
    }
    return approvers
  }

  private static func budgets(_ reader: DocumentReader) throws(DocumentError) -> Budgets {
    var budgets = Budgets()
    let numbers: [(String, WritableKeyPath<Budgets, Int>, ClosedRange<Int>)] = [
      ("autonomous_per_account_per_day", \.autonomousPerAccountPerDay, 0...1_000_000),
      ("autonomous_per_tool_per_day", \.autonomousPerToolPerDay, 0...1_000_000),
      ("cost_cents_per_day", \.costCentsPerDay, 0...1_000_000_000),
    ]
    try reader.allow(numbers.map(\.0) + ["tools"])
    for (key, path, range) in numbers where reader[key].isPresent {
      budgets[keyPath: path] = try reader[key].integer(in: range)
    }
    for (tool, item) in try reader["tools"].members() { budgets.tools[tool] = try item.integer(in: 0...1_000_000) }
    return budgets
  }
}
