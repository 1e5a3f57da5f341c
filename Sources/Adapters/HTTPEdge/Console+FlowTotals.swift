import Domain

/// What each connector has done and waited for since the host began, whatever happens now.
extension Console {
  func totals(_ instances: [JSONValue], uptimeMs: Int64?) -> HTML {
    guard !instances.isEmpty else { return .nothing }
    let rows = instances.map { row -> [HTML] in
      func number(_ name: String) -> HTML { data(row[name]?.integer.map { Words.number($0) } ?? Words.missing) }
      return [
        led(row), number("records"), number("bytes"), number("requests"),
        number("refusals"), number("drops"), number("retries"), waited(row["waits"]),
      ]
    }
    let since = uptimeMs.map { "The host began \(Words.duration(ms: $0)) ago." } ?? ""
    return section(
      "Since the host began",
      """
      <div data-live id="flow-uptime"><p class="note">\(since)</p></div>
      \(table(
        "Counts since the host began",
        heads: [
          "Instance", "#Records", "#Bytes", "#Requests", "#Requests refused", "#Deliveries not taken", "#Retries",
          "Waited for, in time",
        ].map { TableHead($0) }, rows, live: "flow-totals"))
      """)
  }

  /// An instance with where its endpoints are led.
  private func led(_ row: JSONValue) -> HTML {
    let inward = row["allow_private"]?.array ?? []
    let lines = row["endpoints"]?.object?.sorted { $0.key < $1.key }.map { name, address in
      let word = inward.contains(.string(name)) ? ", also a private address" : ""
      return under("\(name) led to \(Words.exact(address))\(word)")
    }
    return "\(data(row["instance"]?.string ?? Words.missing))\(lines ?? [])"
  }

  /// Wait seconds by cause.
  private func waited(_ value: JSONValue?) -> HTML {
    let longest = (value?.object ?? [:]).compactMap { cause, ms in ms.integer.map { (cause, $0) } }.filter { $0.1 > 0 }
      .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    guard !longest.isEmpty else { return data(Words.missing) }
    let lines = longest.map { cause, ms -> HTML in
      "<li><strong>\(Words.duration(ms: ms))</strong> \(data(Self.sentence(of: cause)))</li>"
    }
    return "<ul class=\"waits\">\(lines)</ul>"
  }

  /// The fabric's causes of waiting, as who waits for whom.
  private static func sentence(of cause: String) -> String {
    switch cause {
    case "no_credit": "the host's credit: earlier batches were not yet durable and applied (no_credit)"
    case "intake_limit": "room: all sources together had as many bytes on their way as the host holds (intake_limit)"
    case "apply_lag": "the loop to apply what is in the journal (apply_lag)"
    case "throttled": "its turn, to stay within the upstream's budget (throttled)"
    case "token": "an access token (token)"
    case "upstream_slow": "the upstream's answers (upstream_slow)"
    case "plugin_slow": "the plugin, though nothing kept it from sending (plugin_slow)"
    case "disk_quota": "room within its tenant's disk quota (disk_quota)"
    case "storage_slow": "the disk to make a batch durable (storage_slow)"
    default: "\(Words.spaced(cause)) (\(cause))"
    }
  }
}
