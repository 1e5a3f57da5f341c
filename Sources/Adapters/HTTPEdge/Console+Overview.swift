import Domain

/// What waits for the visitor, and what has happened, in numbers.
extension Console {
  private static let countedMax = 5_000

  func overview(_ visitor: Visitor) async throws -> EdgeResponse {
    let tenant = try? await call("tenant.show", visitor)
    let waiting = try? await call("approval.list", visitor).array
    let signals = await counts("signal.list", by: "kind", visitor)
    let decisions = await counts("decision.list", by: "state", visitor)
    let actions = await counts("action.list", by: "state", visitor)
    return respond(
      200, "Overview", for: visitor, section: "/",
      """
      \(tenant.map(standing) ?? .nothing)
      \(section("Waits for a person", waitingPart(waiting, visitor)))
      <div class="columns">
      \(section("Signals", countsPart(signals, of: "Kind", "/signals", "All signals", visitor)))
      \(section("Decisions", countsPart(decisions, of: "State", "/decisions", "All decisions", visitor)))
      \(section("Actions", countsPart(actions, of: "State", "/actions", "All actions", visitor)))
      </div>
      <p>How data flows and who waits: <a href="\(visitor.link("/flow"))">Flow</a>. What can be proved of all this: \
      <a href="\(visitor.link("/ledger"))">Ledger</a>.</p>
      """)
  }

  /// Whether the tenant rests, and what it takes of the disk.
  private func standing(_ tenant: JSONValue) -> HTML {
    var notice = HTML.nothing
    if let suspended = tenant["suspended"], !suspended.isNull {
      notice = """
        <p class="notice bad" role="alert">This tenant is suspended since \(suspended["since_ms"]?.integer.map { Words.moment(ms: $0) } ?? Words.missing) by \
        \(suspended["by"]?.string ?? "the host"): \(suspended["reason"]?.string ?? Words.missing). Nothing is taken in \
        and nothing is done until it is resumed; everything can be read.</p>
        """
    } else if let pause = tenant["intake_pauses"]?.string {
      notice = "<p class=\"notice bad\" role=\"alert\">\(pause)</p>"
    }
    guard let used = tenant["disk_bytes"]?.integer else { return notice }
    let quota = tenant["disk_quota_bytes"]?.integer.map { " of \(Words.number($0)) that it may" } ?? ""
    return """
      \(notice)
      <p>This tenant takes \(Words.number(used)) bytes of the disk\(quota).</p>
      """
  }

  private func waitingPart(_ waiting: [JSONValue]?, _ visitor: Visitor) -> HTML {
    guard let waiting else { return "<p>Approvals cannot be read just now: –</p>" }
    guard !waiting.isEmpty else { return "<p class=\"empty\">Nothing waits for approval.</p>" }
    let value = waiting.reduce(Int64(0)) { sum, item in
      let (next, overflow) = sum.addingReportingOverflow(item["expected_value_cents"]?.integer ?? 0)
      return overflow ? sum : next
    }
    return """
      <p class="lead"><a href="\(visitor.link("/approvals"))">\
      \(Words.count(waiting.count, "call waits", "calls wait")) for approval</a>, \
      with an expected value of \(Words.money(cents: value)) together.</p>
      \(approvalTable(Array(ranked(waiting).prefix(5)), caption: "The first by expected value", visitor))
      """
  }

  private func counts(_ command: String, by name: String, _ visitor: Visitor) async -> [(String, Int)]? {
    guard let items = try? await call(command, visitor, ["limit": .integer(Int64(Self.countedMax))]).array else {
      return nil
    }
    let groups = Dictionary(grouping: items) { $0[name]?.string ?? Words.missing }
    return groups.map { ($0.key, $0.value.count) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
  }

  private func countsPart(
    _ counts: [(String, Int)]?, of what: String, _ path: String, _ name: String, _ visitor: Visitor
  ) -> HTML {
    guard let counts else { return "<p>Cannot be read just now: –</p>" }
    let total = counts.reduce(0) { $0 + $1.1 }
    let more = total >= Self.countedMax ? " or more" : ""
    let rows = counts.map { word, count -> [HTML] in [data(Words.spaced(word)), data(Words.number(Int64(count)))] }
    return """
      <p class="figure">\(Words.number(Int64(total)))\(more)</p>
      \(rows.isEmpty ? .nothing : table("Counted by \(what)", [what, "#Count"], rows))
      <p><a href="\(visitor.link(path))">\(name)</a></p>
      """
  }
}
