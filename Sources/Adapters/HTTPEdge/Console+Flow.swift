import Domain

/// What flows now, who waits and why: what `sluice top` shows.
extension Console {
  func flow(_ request: EdgeRequest, _ visitor: Visitor) async throws -> EdgeResponse {
    let order = try FlowOrder(request.query)
    let top = try await call("top", visitor)
    let windowMs = max(1, top["window_ms"]?.integer ?? 1)
    let instances = order.sorted(top["instances"]?.array ?? [])
    let again = visitor.link("/flow", order.query)
    var response = respond(
      200, "Flow", for: visitor, section: "/flow", isLive: true,
      """
      <p class="notice bad" id="stale" role="alert" hidden></p>
      \(live("flow-bottleneck", bottleneck(top["bottleneck"])))
      <p class="note"><span data-live id="flow-time">\(moment(top, windowMs))</span> \
      <button type="button" class="plain" id="hold" hidden>Hold still</button>\
      <noscript>Without JavaScript these figures stand still: <a href="\(again)">look again</a>.</noscript></p>
      \(edges(instances, windowMs, order, visitor))
      \(section("From the journal to the answer", live("flow-position", position(top))))
      \(totals(instances, uptimeMs: top["uptime_ms"]?.integer))
      """)
    response.headers.append((Edge.policyHeader, FlowScript.contentPolicy))
    return response
  }

  /// What the script puts anew in its place.
  private func live(_ id: String, _ content: HTML) -> HTML { "<div data-live id=\"\(id)\">\n\(content)\n</div>" }

  private func moment(_ top: JSONValue, _ windowMs: Int64) -> HTML {
    let time = top["at_ms"]?.integer.map { ", as of \(Words.time(ms: $0))" } ?? ""
    return "Rates and waits are of the last \(data(Words.seconds(ms: windowMs)))\(time)."
  }

  /// One sentence that names who holds all up, and why; the colour only repeats it.
  private func bottleneck(_ value: JSONValue?) -> HTML {
    let tone =
      switch value?["kind"]?.string {
      case "parked": "bad"
      case "waits": value?["percent"]?.integer ?? 0 >= 50 ? "warm" : "quiet"
      case "rests", "backlog": "warm"
      case "nothing": "good"
      default: "quiet"
      }
    return "<p class=\"notice lead \(tone)\">\(sentence(value?["sentence"]?.string ?? Words.missing))</p>"
  }

  /// What stands between two grave accents is a command.
  private func sentence(_ text: String) -> HTML {
    let parts = text.split(separator: "`", omittingEmptySubsequences: false).enumerated().map { place, part -> HTML in
      place % 2 == 0 ? "\(String(part))" : "<code>\(String(part))</code>"
    }
    return "<bdi>\(parts)</bdi>"
  }

  private func edges(
    _ instances: [JSONValue], _ windowMs: Int64, _ order: FlowOrder, _ visitor: Visitor
  ) -> HTML {
    guard !instances.isEmpty else {
      return section("Connectors", "<p class=\"empty\">No connector is enabled.</p>")
    }
    return section(
      "Connectors",
      """
      \(table(
        "Connectors, and who waits why", heads: flowHeads(order, visitor), instances.map { edge($0, windowMs) },
        live: "flow-edges"))
      <p class="note">In flight, in line, pushed (deliveries that the plugin has not received yet) and credit are of now; drops, retries and dead letters are all since the host \
      began, with <strong>+</strong> what came of late. What refused a dead letter: <code>sluice deadletter list</code>.</p>
      """)
  }

  private func edge(_ row: JSONValue, _ windowMs: Int64) -> [HTML] {
    func rate(_ name: String, per unit: Int64 = 1) -> HTML {
      data(row["recent"]?[name]?.integer.map { Words.rate($0, unit: unit, ms: windowMs) } ?? Words.missing)
    }
    return [
      named(row), stateBadge(row["state"]), rate("records"), rate("bytes", per: 1_024), rate("requests"),
      underWay(row["throttle"]), data(row["credit"]?.integer.map { Words.number($0) } ?? Words.missing),
      waiting(row["throttle"], "queued"), waits(row["waits_for"]?.array ?? []), waiting(row["deliveries"], "waiting"),
      counted(["refusals", "drops"], row),
      counted(["retries"], row), letters(row["dead_letters"]),
    ]
  }

  /// An instance with what it runs.
  private func named(_ row: JSONValue) -> HTML {
    let kind = [row["connector"], row["version"]].compactMap { $0?.string }.joined(separator: " ")
    return "\(data(row["instance"]?.string ?? Words.missing))\(kind.isEmpty ? .nothing : under(kind))"
  }

  func under(_ text: String) -> HTML { "<span class=\"under\">\(data(text))</span>" }

  /// A state may carry its reason: "waiting: the token was refused".
  private func stateBadge(_ value: JSONValue?) -> HTML {
    guard let text = value?.string else { return badge(nil) }
    let parts = text.split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { return badge(text) }
    return "\(badge(String(parts[0])))\(under(String(parts[1].drop(while: { $0 == " " }))))"
  }

  private func underWay(_ throttle: JSONValue?) -> HTML {
    guard let now = throttle?["in_flight"]?.integer, let limit = throttle?["limit"]?.integer else {
      return data(Words.missing)
    }
    // Nothing was asked yet, or nothing is asked any more.
    return limit == 0 ? data(Words.missing) : "\(data(Words.number(now))) of \(data(Words.number(limit)))"
  }

  /// How many, and since when the oldest.
  private func waiting(_ line: JSONValue?, _ name: String) -> HTML {
    guard let queued = line?[name]?.integer else { return data(Words.missing) }
    let age = line?["oldest_wait_ms"]?.integer.map { under("oldest \(Words.duration(ms: $0))") } ?? .nothing
    return "\(data(Words.number(queued)))\(age)"
  }

  /// What it waits for, the longest first and with its reason.
  private func waits(_ waits: [JSONValue]) -> HTML {
    // What is but a little is of interest only where it is the most.
    let shown = waits.enumerated().filter { $0.element["percent"]?.integer ?? 0 >= ($0.offset == 0 ? 1 : 5) }
    guard !shown.isEmpty else { return data(Words.missing) }
    let lines = shown.map { place, wait -> HTML in
      let why = place == 0 ? wait["reason"]?.string.map { ", since \($0)" } ?? "" : ""
      let words = wait["words"]?.string ?? Words.missing
      return "<li><strong>\(Words.number(wait["percent"]?.integer ?? 0)) %</strong> \(data("\(words)\(why)"))</li>"
    }
    return "<ul class=\"waits\">\(lines)</ul>"
  }

  private func counted(_ names: [String], _ row: JSONValue) -> HTML {
    let all = names.reduce(Int64(0)) { $0 &+ (row[$1]?.integer ?? 0) }
    let recent = names.reduce(Int64(0)) { $0 &+ (row["recent"]?[$1]?.integer ?? 0) }
    return recent > 0
      ? "\(data(Words.number(all))) <strong>+\(Words.number(recent))</strong>" : data(Words.number(all))
  }

  /// So many are counted of a tenant, and no more.
  private static let lettersMax = 10_000

  private func letters(_ value: JSONValue?) -> HTML {
    guard let count = value?.integer, count > 0 else { return data(Words.number(value?.integer ?? 0)) }
    return "<span class=\"badge bad\">\(Words.number(count))\(count >= Self.lettersMax ? "+" : "")</span>"
  }

  private func position(_ top: JSONValue) -> HTML {
    let (journal, applied) = (top["journal_position"], top["applied_position"])
    var lag = "How far behind applying is, is not known."
    if let journal = journal?.integer, let applied = applied?.integer {
      lag =
        applied >= journal
        ? "Everything that is durable has been applied."
        : "\(Words.count(Int(clamping: journal - applied), "entry is", "entries are")) durable and not applied yet."
    }
    func written(_ value: JSONValue?) -> HTML { data(value?.integer.map { Words.number($0) } ?? Words.exact(value)) }
    return """
      <p>\(lag)</p>
      <dl class="facts wide">
      <div><dt>Journal</dt><dd>\(written(journal))</dd></div>
      <div><dt>Applied</dt><dd>\(written(applied))</dd></div>
      <div><dt>Ledger entries</dt><dd>\(written(top["ledger_entries"]))</dd></div>
      <div><dt>Held for people</dt><dd>\(written(top["held"]))</dd></div>
      <div><dt>Dead letters</dt><dd>\(written(top["dead_letters"]))</dd></div>
      </dl>
      """
  }
}
