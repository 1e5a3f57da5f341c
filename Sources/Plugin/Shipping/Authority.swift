package import ConnectorFabric

/// Everything that a manifest may do, as sentences for the one who grants it. A later version that adds a sentence asks for
/// more.
package struct Authority: Sendable, Equatable {
  package let sentences: [String]

  package init(_ manifest: Manifest) {
    var all = manifest.endpoints.map { "reaches \($0.base) (\($0.name))" }
    all += manifest.slots.map { "uses a credential \($0.name) (\($0.scheme.name.rawValue)) at \($0.endpoint)" }
    all += manifest.requests.map { request in
      "\(request.effect.rawValue)s \(request.method) \(request.path) at \(request.endpoint)"
        + (request.slot.map { " with \($0)" } ?? " without a credential")
    }
    for action in manifest.actions {
      let writes = action.writes.map { "\($0.request) up to \($0.countMax) times" }.joined(separator: ", ")
      let undo = action.compensation.map { ", taken back by \($0)" } ?? ", not taken back by anything"
      all.append(
        "does \(action.name) (\(action.effect.rawValue)): \(writes.isEmpty ? "writes nothing" : writes)\(undo)")
    }
    if let webhook = manifest.webhook {
      all.append("takes webhooks signed by \(webhook.scheme) with \(webhook.slot)")
    }
    if manifest.limits.threads > 0 { all.append("starts up to \(manifest.limits.threads) threads") }
    all.append("uses up to \(manifest.limits.memoryBytes >> 20) MiB of memory")
    all.append(
      "sends up to \(manifest.limits.requestsPerSecond) requests a second, \(manifest.limits.concurrency) at once")
    sentences = all
  }

  package func added(to before: Authority?) -> [String] {
    sentences.filter { !(before?.sentences.contains($0) ?? false) }
  }
  package func removed(from before: Authority?) -> [String] {
    (before?.sentences ?? []).filter { !sentences.contains($0) }
  }
}
