import CanonicalJSON
import Domain
import Identity

/// One held call on one screen: what, why, evidence, exact change, cost, undo, and the two answers.
struct ApprovalSheet {
  let console: Console
  let visitor: Visitor
  let approval: JSONValue
  let id: String
  /// What its executor has just said that the call would do; nil while it was not asked.
  let preview: JSONValue?

  private var tool: String { Words.exact(approval["tool"]) }
  private var subject: String { Words.subject(approval["subject"]) }
  private var state: String { approval["state"]?.string ?? "pending" }
  private var isPending: Bool { state == "pending" }

  var title: String { Words.brief("\(tool) on \(subject)") }

  var content: HTML {
    """
    \(standing)
    \(summary)
    \(console.section("What would change", change))
    \(console.section("Why", why))
    <div class="columns">
    \(console.section("How sure", confidence))
    \(console.section("What is not known", uncertain))
    </div>
    <div class="columns">
    \(console.section("The call, exactly", call))
    \(console.section("Taking it back", undo))
    </div>
    \(console.section("Evidence", evidence))
    \(isPending ? console.section("What the executor says", asked, id: "preview") : .nothing)
    \(isPending ? console.section("Your answer", answer, id: "answer") : console.section("The answer", answered))
    """
  }

  // What.

  private var standing: HTML {
    let (tone, sentence): (String, String) =
      switch state {
      case "pending": ("warm", "Nothing has been done. It waits for an answer until \(expiry); silence is denial.")
      case "approved", "queued": ("good", "It was approved. It is judged once more before it is carried out.")
      case "spent", "started": ("good", "It was approved, and carrying it out has begun.")
      case "done": ("good", "It was approved and carried out.")
      case "probing": ("warm", "It was sent, and nobody knows yet whether it took effect: the executor is asked.")
      case "unresolved":
        ("warm", "It was sent, and the executor cannot tell whether it took effect: a person must look, and say so.")
      case "declined": ("bad", "It was rejected, or nobody answered in time. It is not carried out.")
      case "rejected": ("bad", "It was refused. Nothing was changed.")
      case "failed": ("bad", "It could not be carried out, and is not tried again.")
      case "expired": ("bad", "Nobody answered in time. It is not carried out.")
      case "withdrawn": ("quiet", "The proposal no longer stands. It is not carried out.")
      default: ("quiet", "Its state is \(state).")
      }
    let link: HTML = isPending ? " <a href=\"#answer\">Go to the answer</a>" : .nothing
    let result: HTML = approval["result"]?.string.map { " \(console.data($0))" } ?? .nothing
    return "<p class=\"notice \(tone)\" role=\"status\">\(console.badge(state)) \(sentence)\(result)\(link)</p>"
  }

  private var expiry: String { approval["expires_at_ms"]?.integer.map { Words.moment(ms: $0) } ?? Words.missing }

  private var summary: HTML {
    """
    <p class="lead">\(sentence)</p>
    <dl class="facts wide">
    <div><dt>Expected value</dt><dd class="strong">\(console.data(Words.money(approval["expected_value_cents"])))</dd></div>
    <div><dt>Cost</dt><dd class="strong">\(console.data(Words.money(approval["cost_cents"])))</dd></div>
    <div><dt>Account</dt><dd>\(console.data(approval["account"]))</dd></div>
    <div><dt>Owner</dt><dd>\(console.data(approval["owner"]))</dd></div>
    <div><dt>Approver</dt><dd>\(console.data(approval["approver"]))</dd></div>
    <div><dt>Playbook</dt><dd>\(console.data(approval["playbook"])) (\(console.data(approval["kind"])))</dd></div>
    <div><dt>Decided on</dt><dd>\(console.day(approval["day"]))</dd></div>
    <div><dt>Expires</dt><dd>\(console.data(expiry))</dd></div>
    </dl>
    """
  }

  /// What the call does, in one sentence.
  private var sentence: HTML {
    let changes = approval["change"]?.array ?? []
    let named = changes.prefix(3).map { change -> HTML in
      let after = Words.brief(Words.exact(change["to"]), charactersMax: 60)
      return "\(console.data(Words.spaced(Words.exact(change["field"])))) to <strong>\(console.data(after))</strong>"
    }
    var parts = named
    if changes.count > named.count { parts.append("\(changes.count - named.count) more") }
    var setting: HTML = .nothing
    for (index, part) in parts.enumerated() {
      let joint: HTML = index == 0 ? ", setting " : index == parts.count - 1 ? " and " : ", "
      setting = "\(setting)\(joint)\(part)"
    }
    let account = approval["account"]?.string.map { " of \(Words.brief($0, charactersMax: 60))" } ?? ""
    let verb = isPending ? "would run" : "was to run"
    return "Sluice \(verb) <code>\(tool)</code> on \(console.data(subject))\(account)\(setting)."
  }

  private var change: HTML {
    guard let changes = approval["change"]?.array, !changes.isEmpty else {
      return "<p>No field of a record is changed; the arguments below are all there is.</p>"
    }
    let rows = changes.map { change -> [HTML] in
      let field = change["field"]?.string ?? Words.missing
      return [
        console.data(field), "<span class=\"before\">\(exact(change["from"], field))</span>",
        "<span class=\"after\">\(exact(change["to"], field))</span>",
      ]
    }
    return console.table("The exact change", ["Field", "Before", "After"], rows)
  }

  /// In full, however long it is: what is approved must be what is shown.
  private func exact(_ value: JSONValue?, _ field: String) -> HTML {
    let raw: HTML = "<span class=\"exact\">\(console.data(Words.exact(value)))</span>"
    guard field.hasSuffix("_cents"), value?.integer != nil else { return raw }
    return "\(raw) (\(Words.money(value)))"
  }

  // Why.

  private var why: HTML {
    let signals = (approval["signals"]?.array ?? []).map { signal -> [HTML] in
      [console.data(signal["kind"]), console.day(signal["day"]), console.facts(signal["facts"], isWhole: true)]
    }
    let reasons = (approval["reasons"]?.array ?? []).map { reason -> HTML in
      "<li>\(console.data(Words.exact(reason["sentence"]))) <code>\(Words.exact(reason["rule"]))</code></li>"
    }
    return """
      <p>\(console.data(Words.exact(approval["stop_reason"])))</p>
      <h3>Why policy asks a person</h3>
      \(reasons.isEmpty ? "<p>–</p>" as HTML : "<ul>\(reasons)</ul>")
      <h3>What was noticed</h3>
      \(signals.isEmpty ? "<p>–</p>" as HTML : console.table("Signals", ["Signal", "Day", "Measured"], signals))
      """
  }

  private var evidence: HTML {
    let rows = (approval["evidence"]?.array ?? []).map { item -> [HTML] in
      [
        console.data(item["stream"]), console.data(item["key"]), console.day(item["day"]),
        console.facts(item["fields"], isWhole: true), "<code class=\"hash\">\(Words.exact(item["commitment"]))</code>",
      ]
    }
    guard !rows.isEmpty else { return "<p>–</p>" }
    return """
      <p>The stored record versions this rests on, each by its commitment.</p>
      \(console.table("Evidence", ["Stream", "Key", "Since", "What it says", "Commitment"], rows))
      """
  }

  // How sure, and what then.

  private var undo: HTML {
    switch approval["undo"] {
    case nil: return "<p>–</p>"
    case .null: return "<p><strong>It cannot be taken back.</strong> No call is declared that undoes it.</p>"
    case let undo?:
      return """
        <p>It can be taken back by <code>\(Words.exact(undo["tool"]))</code>, with these arguments:</p>
        <pre class="code">\(pretty(undo["arguments"]))</pre>
        """
    }
  }

  private var confidence: HTML {
    guard let measured = approval["confidence"], !measured.isNull else {
      return "<p>No rate has been measured for this.</p>"
    }
    func number(_ name: String) -> String { measured[name]?.integer.map { Words.number($0) } ?? Words.missing }
    func percent(_ name: String) -> String {
      measured[name]?.integer.map { Words.percent(ppm: $0) } ?? Words.missing
    }
    return """
      <p class="figure">\(percent("rate_ppm")) %</p>
      <p>\(console.data(Words.exact(measured["of"]))): \(number("successes")) of \(number("trials")), \
      \(percent("rate_ppm")) %, 95 % interval \(percent("low_ppm"))–\(percent("high_ppm")) %.</p>
      \(notCounted)
      """
  }

  /// What the rate leaves out, and what one would say without it.
  private var notCounted: HTML {
    var sentences: [String] = []
    if let open = approval["confidence"]?["still_open"]?.integer {
      let isInTime = approval["confidence"]?["within_days"]?.integer != nil
      sentences.append(
        isInTime
          ? "\(Words.number(open)) of them are still open: what becomes of them later is not known."
          : "\(Words.number(open)) still open are not counted: how they end is not known.")
    }
    if let base = approval["confidence"]?["base_rate_ppm"]?.integer {
      let days = approval["confidence"]?["within_days"]?.integer
      sentences.append(
        days.map { "Of all deals, \(Words.percent(ppm: base)) % were won within \($0) days of their engagement." }
          ?? "Of all deals that had closed by then, \(Words.percent(ppm: base)) % were won.")
    }
    return sentences.isEmpty ? .nothing : "<p>\(sentences.joined(separator: " "))</p>"
  }

  private var uncertain: HTML {
    let lines = (approval["uncertain"]?.array ?? []).map { "<li>\(console.data(Words.exact($0)))</li>" as HTML }
    return lines.isEmpty ? "<p>Nothing was named.</p>" : "<ul>\(lines)</ul>"
  }

  private var call: HTML {
    """
    <p>An answer counts for this call only: <code>\(tool)</code> with these arguments.</p>
    <pre class="code">\(pretty(approval["arguments"]))</pre>
    <dl class="facts"><div><dt>Call hash</dt><dd><code class="hash">\(Words.exact(approval["call_hash"]))</code>\
    </dd></div><div><dt>Approval</dt><dd><code class="hash">\(id)</code></dd></div></dl>
    """
  }

  /// What its executor answered, and the way to ask it.
  private var asked: HTML {
    let answered: HTML
    switch preview?["answer"]?.string {
    case nil: answered = "<p>It can be asked what the call would do now. Nothing is changed by asking.</p>"
    case "would be done":
      answered = """
        <p class="notice good" role="status">It would be done.</p>
        <pre class="code">\(pretty(preview?["result"]))</pre>
        """
    case "would be rejected":
      answered = "<p class=\"notice bad\" role=\"status\">It would be rejected: \(console.data(preview?["reason"]))</p>"
    default:
      answered = "<p class=\"notice warm\" role=\"status\">It gave no answer: \(console.data(preview?["reason"]))</p>"
    }
    guard visitor.user.may(.approver, in: visitor.tenant) else { return answered }
    return """
      \(answered)
      <form method="post" action="\(visitor.link("/approvals/\(WebForm.encoded(id))"))" aria-label="Ask the executor">
      <input type="hidden" name="form_token" value="\(visitor.formToken)">
      <input type="hidden" name="id" value="\(id)">
      <input type="hidden" name="answer" value="dry_run">
      <button type="submit">\(preview == nil ? "Ask what it would do" as HTML : "Ask again")</button>
      </form>
      """
  }

  // The answer.

  /// Who answered, and what they noted.
  private var answered: HTML {
    let people = (approval["answered_by"]?.array ?? []).compactMap(\.string)
    guard !people.isEmpty else { return "<p>Nobody answered.</p>" }
    let note: HTML =
      approval["note"]?.string.map { "<p>Noted: <q>\(console.data($0))</q></p>" } ?? "<p>No note was left.</p>"
    return "<p>Answered by <strong>\(console.data(people.joined(separator: ", ")))</strong>.</p>\(note)"
  }

  private var answer: HTML {
    guard visitor.user.may(.approver, in: visitor.tenant) else {
      return "<p>You may read this. Answering it needs the role <strong>approver</strong>.</p>"
    }
    guard let callHash = approval["call_hash"]?.string else {
      return "<p>The call has no hash, so that it cannot be answered here.</p>"
    }
    return """
      <p>The answer is kept under your name, \(visitor.user.id.rawValue), and is given once.</p>
      <div class="columns">
      \(form("approve", callHash, "Approve this call", "Note (not needed)", isNoteNeeded: false))
      \(form("reject", callHash, "Reject this call", "Why not", isNoteNeeded: true))
      </div>
      """
  }

  private func form(
    _ answer: String, _ callHash: String, _ button: String, _ label: String, isNoteNeeded: Bool
  ) -> HTML {
    """
    <form method="post" action="\(visitor.link("/approvals/\(WebForm.encoded(id))"))" aria-label="\(button)" class="answer">
    <input type="hidden" name="form_token" value="\(visitor.formToken)">
    <input type="hidden" name="id" value="\(id)">
    <input type="hidden" name="call_hash" value="\(callHash)">
    <input type="hidden" name="answer" value="\(answer)">
    <label for="\(answer)-note">\(label)</label>
    <textarea id="\(answer)-note" name="note" rows="3" maxlength="2000"\
    \(isNoteNeeded ? " required" as HTML : .nothing)></textarea>
    <button type="submit" class="\(answer)">\(button)</button>
    </form>
    """
  }

  /// JSON with one member per line, keys in order.
  private func pretty(_ value: JSONValue?, indent: String = "") -> String {
    let deeper = indent + "  "
    switch value {
    case nil: return Words.missing
    case .object(let members) where !members.isEmpty:
      let lines = members.sorted { $0.key < $1.key }.map { name, value in
        "\(deeper)\(json(.string(name))): \(pretty(value, indent: deeper))"
      }
      return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
    case .array(let items) where !items.isEmpty:
      return "[\n\(items.map { deeper + pretty($0, indent: deeper) }.joined(separator: ",\n"))\n\(indent)]"
    case let other?: return json(other)
    }
  }
  private func json(_ value: JSONValue) -> String { String(decoding: value.canonicalBytes, as: UTF8.self) }
}
