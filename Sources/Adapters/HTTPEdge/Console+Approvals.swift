import Domain

/// The calls that wait for a person, and the answer that the person gives.
extension Console {
  func approvals(_ visitor: Visitor) async throws -> EdgeResponse {
    let waiting = ranked(try await call("approval.list", visitor).array ?? [])
    return respond(
      200, "Approvals", for: visitor, section: "/approvals",
      """
      <p class="lead">\(Words.count(waiting.count, "call waits", "calls wait")) for a person, the most valuable first. \
      What nobody answers is not done.</p>
      \(waiting.isEmpty
        ? "<p class=\"empty\">Nothing waits for approval.</p>"
        : approvalTable(waiting, caption: "Calls that wait for approval", visitor))
      """)
  }

  func ranked(_ approvals: [JSONValue]) -> [JSONValue] {
    approvals.enumerated().sorted { left, right in
      let (first, second) = (value(left.element), value(right.element))
      return first == second ? left.offset < right.offset : first > second
    }.map(\.element)
  }
  private func value(_ approval: JSONValue) -> Int64 { approval["expected_value_cents"]?.integer ?? .min }

  func approvalTable(_ approvals: [JSONValue], caption: String, _ visitor: Visitor) -> HTML {
    let rows = approvals.map { item -> [HTML] in
      let name = Words.brief("\(Words.exact(item["tool"])) on \(Words.subject(item["subject"]))")
      let id = item["id"]?.string
      let link: HTML? = id.map {
        "<a href=\"\(visitor.link("/approvals/\(WebForm.encoded($0))"))\">\(data(name))</a>"
      }
      return [
        link ?? data(name), data(Words.money(item["expected_value_cents"])), data(item["account"]),
        data(item["owner"]), data(item["approver"]), data(item["playbook"]), day(item["day"]),
        data(item["expires_at_ms"]?.integer.map { Words.moment(ms: $0) } ?? Words.missing),
      ]
    }
    return table(
      caption, ["Call", "#Expected value", "Account", "Owner", "Approver", "Playbook", "Decided on", "Expires"], rows)
  }

  /// - Parameter preview: What its executor has just said that the call would do.
  func approval(_ id: String, _ visitor: Visitor, preview: JSONValue? = nil) async throws -> EdgeResponse {
    let shown = try await call("approval.show", visitor, ["id": .string(id)])
    let sheet = ApprovalSheet(console: self, visitor: visitor, approval: shown, id: id, preview: preview)
    return respond(200, sheet.title, for: visitor, section: "/approvals", sheet.content)
  }

  /// - Returns: The approval's page again: by redirection, so that reloading it sends nothing twice; as it is where
  /// nothing was changed.
  func judge(_ id: String, _ fields: [String: String], _ visitor: Visitor) async throws -> EdgeResponse {
    let path = "/approvals/\(WebForm.encoded(id))"
    guard fields["id"] == id else { throw ConsoleError.badForm }
    if fields["answer"] == "dry_run" {
      do {
        let preview = try await call("approval.dry_run", visitor, ["id": .string(id)])
        return try await approval(id, visitor, preview: preview)
      } catch { return refusal(error, for: visitor, back: (path, "this approval")) }
    }
    guard let callHash = fields["call_hash"], !callHash.isEmpty else { throw ConsoleError.badForm }
    let command: String
    switch fields["answer"] {
    case "approve": command = "approval.approve"
    case "reject": command = "approval.reject"
    default: throw ConsoleError.badForm
    }
    var arguments: [String: JSONValue] = [
      "id": .string(id), "call_hash": .string(callHash),
    ]
    let note = (fields["note"] ?? "").split(separator: "\r\n", omittingEmptySubsequences: false).joined(separator: "\n")
    if !note.allSatisfy(\.isWhitespace) { arguments["note"] = .string(note) }
    do { _ = try await call(command, visitor, arguments) } catch {
      return refusal(error, for: visitor, back: (path, "this approval"))
    }
    return EdgeResponse(303, [("Location", visitor.link(path))])
  }
}
