import CanonicalJSON
import ConnectorFabric
import Domain
import Synchronization

/// Plays the outside system: answers by the fixtures, and keeps what writes did, once for each idempotency key.
final class ScriptedUpstream: Sendable {
  /// Before the fixtures are asked: nil leaves the answer to them.
  typealias Behaviour = @Sendable (_ request: UpstreamRequest, _ declared: Manifest.Request?) -> UpstreamAnswer?

  private struct Content {
    var hasChanged = false
    var behaviour: Behaviour?
    /// Answers of writes by idempotency key: an upstream that keeps its word gives the same one again.
    var written: [String: UpstreamAnswer] = [:]
    var effects: [String: Int] = [:]
    var missing: [String] = []
    var first: [Fixtures.Rule] = []
    /// Requests of effect `ack`, by what they name; nil while it forgets nothing.
    var told: [(request: String, names: [String: String])]?
  }
  private let content = Mutex(Content())
  private let manifest: Manifest
  private let fixtures: Fixtures
  let server: UpstreamServer

  init(_ subject: Subject) throws {
    manifest = subject.manifest
    fixtures = subject.fixtures
    server = try UpstreamServer()
    server.answer { [self] in answer($0) }
  }

  /// Where the endpoint stands, as an operator's override gives it.
  func base(_ endpoint: String) -> String { "http://127.0.0.1:\(server.port)/~\(endpoint)" }

  func behaves(_ behaviour: Behaviour?) { content.withLock { $0.behaviour = behaviour } }
  /// From now on the fixtures' `changes` come first, or no longer.
  func changes(_ hasChanged: Bool = true) { content.withLock { $0.hasChanged = hasChanged } }
  /// Rules that come before all others, until others are given.
  func puts(first rules: [Fixtures.Rule]) { content.withLock { $0.first = rules } }
  /// From now on it forgets what it is told to.
  func forgets() { content.withLock { $0.told = [] } }
  /// How many writes had an effect.
  var effects: Int { content.withLock { $0.effects.values.reduce(0, +) } }
  /// Requests for which there is no answer in the fixtures.
  var missing: [String] { Set(unanswered).sorted() }
  /// The same in the order in which they came, as often as they came.
  var unanswered: [String] { content.withLock { $0.missing } }

  func declared(_ request: UpstreamRequest) -> (Manifest.Request, [String: String])? {
    for declared in manifest.requests where declared.endpoint == request.endpoint && declared.method == request.method {
      if let names = declared.path.match(request.path) { return (declared, names) }
    }
    return nil
  }

  private func answer(_ request: UpstreamRequest) -> UpstreamAnswer {
    let found = declared(request)
    if let behaviour = content.withLock({ $0.behaviour }), let answer = behaviour(request, found?.0) { return answer }
    return wellBehaved(request)
  }

  /// What the fixtures say; a write has its effect once for each key.
  func wellBehaved(_ request: UpstreamRequest) -> UpstreamAnswer {
    guard let (declared, names) = declared(request) else { return missing(request) }
    if declared.effect == .write, let name = declared.idempotencyHeader, let key = request.header(name.lowercased()) {
      if let known = content.withLock({ $0.written[key] }) { return known }
      guard let answer = byRule(request, declared, names) else { return missing(request) }
      content.withLock { content in
        content.written[key] = answer
        if (200..<300).contains(answer.status) { content.effects[key, default: 0] += 1 }
      }
      return answer
    }
    guard let answer = byRule(request, declared, names) else { return missing(request) }
    if declared.effect == .ack { content.withLock { $0.told?.append((declared.id, names)) } }
    if declared.effect == .write { content.withLock { $0.effects["without a key", default: 0] += 1 } }
    return answer
  }

  private func byRule(
    _ request: UpstreamRequest, _ declared: Manifest.Request, _ names: [String: String]
  ) -> UpstreamAnswer? {
    let (first, hasChanged, told) = content.withLock { ($0.first, $0.hasChanged, $0.told ?? []) }
    let rules = first + (hasChanged ? fixtures.changes : []) + fixtures.rules
    let pairs = request.pairs
    let rule = rules.first { rule in
      if let until = rule.until,
        told.contains(where: { told in
          told.request == until.request && until.path.allSatisfy { told.names[$0.key] == $0.value }
        })
      {
        return false
      }
      return rule.request == declared.id && rule.path.allSatisfy { names[$0.key] == $0.value }
        && rule.query.allSatisfy { $0.value.isEmpty ? pairs[$0.key] == nil : pairs[$0.key] == $0.value }
    }
    guard let rule else { return nil }
    let isJSON = rule.body.first.map { "{[".utf8.contains($0) } ?? false
    let type =
      isJSON && !rule.headers.contains { $0.name == "content-type" } ? [("content-type", "application/json")] : []
    return UpstreamAnswer(status: rule.status, headers: rule.headers + type, body: rule.body)
  }

  private func missing(_ request: UpstreamRequest) -> UpstreamAnswer {
    let target = request.query.isEmpty ? request.path : "\(request.path)?\(request.query)"
    content.withLock { $0.missing.append("\(request.method) \(target)") }
    return UpstreamAnswer(status: 404, headers: [("content-type", "application/json")], body: Array("{}".utf8))
  }
}
