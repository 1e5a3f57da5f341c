import Domain

/// The pages that list what the loop has done.
extension Console {
  static let listMax = 200

  func decisions(_ visitor: Visitor) async throws -> EdgeResponse {
    let rows = try await list("decision.list", visitor).reversed().map { item -> [HTML] in
      [
        day(item["day"]), data(item["playbook"]), data(item["kind"]), data(Words.subject(item["subject"])),
        data(item["account"]), data(item["owner"]), badge(item["state"]),
        data(Words.money(item["expected_value_cents"])), data(item["stop_reason"]),
      ]
    }
    return listed(
      "Decisions", "/decisions", visitor, "What the playbooks proposed, and where it stands; the newest first.",
      [
        "Day", "Playbook", "Kind", "About", "Account", "Owner", "State", "#Expected value",
        "Why deciding ended here",
      ], rows, empty: "Nothing has been decided yet.")
  }

  func signals(_ visitor: Visitor) async throws -> EdgeResponse {
    let rows = try await list("signal.list", visitor).map { item -> [HTML] in
      [
        day(item["day"]), data(item["kind"]), data(Words.subject(item["subject"])), data(item["account"]),
        data(item["owner"]), facts(item["facts"]),
      ]
    }
    return listed(
      "Signals", "/signals", visitor, "Changes worth noticing, with what was measured.",
      ["Day", "Kind", "About", "Account", "Owner", "Measured"], rows, empty: "No signals yet.")
  }

  func actions(_ visitor: Visitor) async throws -> EdgeResponse {
    let rows = try await list("action.list", visitor).reversed().map { item -> [HTML] in
      [
        day(item["day"]), data(item["tool"]), data(Words.subject(item["subject"])), badge(item["state"]),
        data(item["attempts"]), data(item["approved_by"]),
        data(Words.money(item["expected_value_cents"])), data(item["reason"]),
      ]
    }
    return listed(
      "Actions", "/actions", visitor, "Calls that were allowed or approved, and what became of them; the newest first.",
      ["Day", "Tool", "About", "State", "#Attempts", "Approved by", "#Expected value", "Reason"], rows,
      empty: "No actions yet.")
  }

  private func list(_ command: String, _ visitor: Visitor) async throws -> [JSONValue] {
    let items = try await call(command, visitor, ["limit": .integer(Int64(Self.listMax))]).array ?? []
    return Array(items.prefix(Self.listMax))
  }

  private func listed(
    _ title: String, _ path: String, _ visitor: Visitor, _ what: String, _ columns: [String], _ rows: [[HTML]],
    empty: String
  ) -> EdgeResponse {
    let note = rows.count >= Self.listMax ? "Only \(Self.listMax) are shown here." : ""
    return respond(
      200, title, for: visitor, section: path,
      """
      <p class="lead">\(what)</p>
      \(rows.isEmpty ? "<p class=\"empty\">\(empty)</p>" as HTML : table(title, columns, rows))
      \(note.isEmpty ? .nothing : "<p class=\"note\">\(note)</p>" as HTML)
      """)
  }

  /// Facts as "age days: 139", one per line.
  func facts(_ value: JSONValue?, isWhole: Bool = false) -> HTML {
    guard let facts = value?.object, !facts.isEmpty else { return data(Words.missing) }
    let lines = facts.sorted { $0.key < $1.key }.map { name, value -> HTML in
      let text = Words.measured(value, named: name)
      return """
        <div><dt>\(Words.label(name))</dt><dd>\(data(isWhole ? text : Words.brief(text)))</dd></div>
        """
    }
    return "<dl class=\"facts\">\(lines)</dl>"
  }
}
