import Domain

/// Who waits and why; and what the ledger says of itself.
extension Console {
  func flow(_ request: EdgeRequest, _ visitor: Visitor) async throws -> EdgeResponse {
    let order = try FlowOrder(request.query)
    let top = try await call("top", visitor)
    let connectors = try await call("connector.list", visitor).array ?? []
    let flowing = top["instances"]?.array ?? []
    var known = connectors.map { connector -> FlowOrder.Row in
      let name = connector["instance"]?.string
      return (connector, live: flowing.first { $0["instance"]?.string == name && name != nil })
    }
    let named = Set(connectors.compactMap { $0["instance"]?.string })
    for live in flowing where !named.contains(live["instance"]?.string ?? "") { known.append((live, live)) }
    let rows = order.sorted(known).map { flowRow($0.connector, $0.live) }
    return respond(
      200, "Flow", for: visitor, section: "/flow",
      """
      <p class="lead">\(bottleneck(flowing))</p>
      \(section("From the journal to the answer", position(top)))
      \(section("Connectors", rows.isEmpty ? "<p class=\"empty\">No connector is enabled.</p>" : table(
        "Connectors, and who waits why", heads: flowHeads(order, visitor), rows)))
      """)
  }

  private func flowRow(_ connector: JSONValue, _ live: JSONValue?) -> [HTML] {
    let name = connector["instance"]?.string ?? Words.missing
    let kind = [connector["connector"], connector["version"]].compactMap { $0?.string }.joined(separator: " ")
    let endpoints = connector["endpoints"]?.object?.sorted { $0.key < $1.key }
      .map { "\($0.key): \(Words.exact($0.value))" }.joined(separator: ", ")
    return [
      data(name), data(kind.isEmpty ? Words.missing : kind), stateBadge(connector["state"] ?? live?["state"]),
      data(live?["records"]?.integer.map { Words.number($0) } ?? Words.missing),
      data(live?["requests"]?.integer.map { Words.number($0) } ?? Words.missing),
      underWay(live?["throttle"]), inLine(live?["throttle"]),
      data(live?["retries"]?.integer.map { Words.number($0) } ?? Words.missing), waits(live?["waits"], of: name),
      data(endpoints.map { $0.isEmpty ? Words.missing : $0 } ?? Words.missing),
    ]
  }

  /// A state may carry its reason: "waiting: the token was refused".
  private func stateBadge(_ value: JSONValue?) -> HTML {
    guard let text = value?.string else { return badge(nil) }
    let parts = text.split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { return badge(text) }
    return "\(badge(String(parts[0]))) \(data(String(parts[1].drop(while: { $0 == " " }))))"
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
      <p class="lead">\(lag)</p>
      <dl class="facts">
      <div><dt>Journal</dt><dd>\(written(journal))</dd></div>
      <div><dt>Applied</dt><dd>\(written(applied))</dd></div>
      <div><dt>Ledger entries</dt><dd>\(written(top["ledger_entries"]))</dd></div>
      </dl>
      """
  }

  private func waits(_ value: JSONValue?, of instance: String) -> HTML {
    guard let waits = value?.object else { return data(Words.missing) }
    let longest = waits.compactMap { cause, ms in ms.integer.map { (cause, $0) } }.filter { $0.1 > 0 }
      .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    guard !longest.isEmpty else { return "Nobody has waited." }
    let lines = longest.map { cause, ms -> HTML in
      "<li><strong>\(Words.duration(ms: ms))</strong> \(Self.sentence(of: cause, instance))</li>"
    }
    return "<ul class=\"waits\">\(lines)</ul>"
  }

  /// The fabric's causes of waiting, as who waits for whom.
  static func sentence(of cause: String, _ instance: String) -> String {
    switch cause {
    case "no_credit": "\(instance) waited for us: earlier batches were not yet durable and applied (no_credit)."
    case "intake_limit":
      "\(instance) waited for room: all sources together have as many bytes on their way as the host holds (intake_limit)."
    case "apply_lag": "Intake waited for the loop to apply what is in the journal (apply_lag)."
    case "throttled": "Requests were kept back to stay within the source's quota (throttled)."
    case "token": "We waited for an access token (token)."
    case "upstream_slow": "We waited for the source to answer (upstream_slow)."
    case "plugin_slow": "We waited for the plugin, though nothing kept it from sending (plugin_slow)."
    case "disk_quota": "Its tenant's disk quota is used up (disk_quota)."
    case "storage_slow": "We waited for the disk to make a batch durable (storage_slow)."
    default: "\(Words.spaced(cause)) (\(cause))."
    }
  }

  func ledger(_ visitor: Visitor) async throws -> EdgeResponse {
    let status = try await call("ledger.status", visitor)
    let size = status["size"]?.integer.map { Words.number($0) } ?? Words.missing
    return respond(
      200, "Ledger", for: visitor, section: "/ledger",
      """
      <p class="lead">Every decision, approval and action is a leaf of an append-only log that a stranger can verify.</p>
      <dl class="facts wide">
      <div><dt>Entries</dt><dd>\(data(size))</dd></div>
      <div><dt>Verifier key</dt><dd><code>\(Words.exact(status["vkey"]))</code></dd></div>
      </dl>
      \(section("Latest checkpoint", "<pre class=\"code\">\(Words.exact(status["checkpoint"]))</pre>"))
      \(section("Verify it", """
      <p>Keep a checkpoint, and check later that the log still contains it:</p>
      <pre class="code">sluice ledger verify --since CHECKPOINT
      sluice ledger export --to DIR</pre>
      <p>Until a witness has signed a checkpoint too, the log is attested by this host alone.</p>
      """))
      """)
  }
}
