import CanonicalJSON
package import Domain

/// What a manifest may do, for the one who grants it: sentences for the first time, and every difference for the next ones.
///
/// A difference is a difference of the manifest itself, not of the sentences: whatever a later manifest says otherwise is shown
/// and asked for, but for what only tells who it is, and limits that went down.
package struct Authority: Sendable, Equatable {
  package let sentences: [String]
  private let said: [String: String]
  private let limits: [String: Int]

  /// - Parameter document: The manifest as it was written.
  package init(_ manifest: Manifest, document: JSONValue) {
    sentences = Self.sentences(manifest, document)
    var said: [String: String] = [:]
    for (key, value) in document.object ?? [:] where !Self.harmless.contains(key) {
      Self.flatten(value, key, into: &said)
    }
    self.said = said
    limits = Dictionary(Self.amounts(manifest.limits), uniquingKeysWith: { first, _ in first })
  }

  /// Who it is, what it is checked by, and limits, which are compared as numbers.
  private static let harmless: Set<String> = [
    "sluice", "name", "version", "summary", "library", "conformance", "limits",
  ]

  /// What this one says otherwise than the one before, a line each.
  package func changes(from before: Authority) -> [String] {
    var lines: [String] = []
    for path in Set(said.keys).union(before.said.keys).sorted() where said[path] != before.said[path] {
      switch (before.said[path], said[path]) {
      case (nil, let new?): lines.append("new      \(path): \(new)")
      case (let old?, nil): lines.append("gone     \(path): \(old)")
      case (let old?, let new?): lines.append("changed  \(path): \(old) → \(new)")
      case (nil, nil): break
      }
    }
    for (name, amount) in limits.sorted(by: { $0.key < $1.key }) where amount > before.limits[name] ?? 0 {
      lines.append("more     limits.\(name): \(before.limits[name] ?? 0) → \(amount)")
    }
    return lines
  }

  /// Every value by its path; items of lists by what they are called, or by their place.
  private static func flatten(_ value: JSONValue, _ path: String, into said: inout [String: String]) {
    switch value {
    case .object(let members) where !members.isEmpty:
      for (key, member) in members { flatten(member, "\(path).\(Self.step(key))", into: &said) }
    case .array(let items) where !items.isEmpty:
      for (index, item) in items.enumerated() {
        let called =
          (item["id"] ?? item["name"] ?? item["request"])?.string
          ?? (item.object == nil ? item.canonicalText : "\(index)")
        // A name with a bracket or a dot in it would be one of another place.
        let name = item.object == nil ? called : step(called)
        var place = "\(path)[\(name)]"
        if said.keys.contains(where: { $0 == place || $0.hasPrefix(place + ".") }) { place += "#\(index)" }
        flatten(item, place, into: &said)
      }
    default: said[path] = value.canonicalText
    }
  }

  /// A key that could be read as more than one step is quoted: no two manifests say different things by the same paths.
  private static func step(_ key: String) -> String {
    let isPlain =
      !key.isEmpty
      && key.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x5F
          || $0 == 0x2D
      }
    return isPlain ? key : JSONValue.string(key).canonicalText
  }

  private static func verb(_ effect: Manifest.Request.Effect) -> String {
    switch effect {
    case .read: "reads"
    case .ack: "lets the upstream forget by"
    case .write: "writes"
    }
  }

  private static func sentences(_ manifest: Manifest, _ document: JSONValue) -> [String] {
    func details(_ value: JSONValue?, but known: Set<String> = []) -> String {
      let rest = (value?.object ?? [:]).filter { !known.contains($0.key) }
      return rest.isEmpty ? "" : " \(JSONValue.object(rest).canonicalText)"
    }
    var all = manifest.endpoints.map { endpoint in
      let keys = endpoint.base.keys.map { "{\($0)}" }.joined(separator: ", ")
      return "reaches \(endpoint.base) (\(endpoint.name))"
        + (keys.isEmpty ? "" : ", where each instance's configuration says \(keys)")
    }
    all += manifest.slots.map { slot in
      "uses a credential \(slot.name) (\(slot.scheme.name.rawValue)) at \(slot.endpoint)"
        + details(document["slots"]?[slot.name], but: ["scheme", "endpoint"])
    }
    let requests = document["requests"]?.array ?? []
    all += zip(manifest.requests, requests).map { request, written in
      "\(verb(request.effect)) \(request.method) \(request.path) at \(request.endpoint)"
        + (request.slot.map { " with \($0)" } ?? " without a credential")
        + (request.effect == .read && request.method == "POST" ? ", which only its author says to change nothing" : "")
        + details(written, but: ["id", "endpoint", "method", "path", "slot", "effect"])
    }
    for action in manifest.actions {
      let undo = action.compensation.map { ", taken back by \($0)" } ?? ", not taken back by anything"
      let writes = JSONValue.array(document["actions"]?[action.name]?["writes"]?.array ?? []).canonicalText
      all.append(
        "does \(action.name) (\(action.effect.rawValue), \(action.costCents) cents): \(action.summary) writes \(writes)\(undo)"
      )
    }
    if manifest.webhook != nil { all.append("takes webhooks:\(details(document["webhook"]))") }
    if document["schedule"] != nil { all.append("is pulled by itself:\(details(document["schedule"]))") }
    for stream in manifest.streams {
      let entity = manifest.mapping["streams"]?[stream.name.rawValue]?["entity"]?.string
      all.append("brings \(stream.name.rawValue)" + (entity.map { ", which become \($0)" } ?? ", which nobody maps"))
    }
    for (name, amount) in amounts(manifest.limits) where amount > 0 && amount < .max {
      all.append("has a limit \(name) of \(amount)")
    }
    return all
  }

  /// Named as in a manifest.
  private static func amounts(_ limits: Manifest.Limits) -> [(String, Int)] {
    [
      ("memory_bytes", limits.memoryBytes), ("threads", limits.threads), ("files", limits.files),
      // 0 stands for no limit: more than any number.
      ("cpu_seconds", limits.cpuSeconds == 0 ? .max : limits.cpuSeconds),
      ("operation_timeout_ms", limits.operationTimeoutMs), ("grace_ms", limits.graceMs),
      ("record_bytes_max", limits.recordBytesMax), ("window_records", limits.windowRecords),
      ("window_bytes", limits.windowBytes), ("requests_per_second", limits.requestsPerSecond),
      ("request_burst", limits.requestBurst), ("concurrency", limits.concurrency),
      ("response_bytes_max", limits.responseBytesMax),
    ]
  }
}
