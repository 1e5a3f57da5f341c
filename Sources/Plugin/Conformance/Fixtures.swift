import CanonicalJSON
package import Domain

/// What the kit needs to know of an upstream that it plays itself: `NAME.check.yaml` beside the manifest.
///
/// - `config`: a configuration that works.
/// - `upstream`: answers by request id; the first whose `path` and `query` fit is given. One with `until` is given no longer
///   once the upstream was told so by that request. `changes` come before them once the plugin has caught up.
/// - `changed`: of what was known, how much `changes` update and delete, by stream.
/// - `expect`: how many records a whole pull of each stream gives.
/// - `deliveries`: webhook deliveries, and how many records each gives.
/// - `actions`: for executors: one call of each action with arguments that the upstream accepts; `done` and `absent` are what
///   a probe is answered when it took effect and when it never arrived.
/// - `states`: checkpoints of earlier versions, which must be migrated or refused by name.
package struct Fixtures: Sendable {
  struct Rule: Sendable {
    let request: String
    let path: [String: String]
    let query: [String: String]
    let status: Int
    let headers: [(name: String, value: String)]
    let body: [UInt8]
    /// The request by which the upstream is told to forget this.
    var until: Told?
  }
  struct Told: Sendable, Hashable {
    let request: String
    let path: [String: String]
  }
  struct Delivery: Sendable {
    let id: String
    let headers: [(name: String, value: String)]
    let body: [UInt8]
    let records: Int
  }
  struct Call: Sendable {
    let action: String
    let input: JSONValue
    /// How the upstream answers a probe when the call took effect, and when it never arrived.
    var done: [Rule] = []
    var absent: [Rule] = []
  }
  struct Changed: Sendable, Equatable {
    var updates: Int
    var deletes: Int
  }
  struct State: Sendable {
    let stream: String
    let version: Int
    let state: [UInt8]
  }

  var config: JSONValue
  let rules: [Rule]
  let changes: [Rule]
  let changed: [String: Changed]
  let expected: [String: Int]
  let deliveries: [Delivery]
  let calls: [Call]
  let states: [State]

  /// For a plugin that needs none of it.
  package static let none = Fixtures()

  private init() {
    (config, rules, changes, changed, expected, deliveries, calls, states) = ([:], [], [], [:], [:], [], [], [])
  }

  /// - Throws: `DocumentError` with the line of the first fault.
  package init(_ document: SourceDocument) throws(DocumentError) {
    let root = DocumentReader(document)
    try root.allow(["config", "upstream", "changes", "changed", "expect", "deliveries", "actions", "states"])
    config = root["config"].value ?? [:]
    rules = try Self.rules(root["upstream"])
    changes = try Self.rules(root["changes"])
    var changed: [String: Changed] = [:]
    for (stream, item) in try root["changed"].members() {
      try item.allow(["updates", "deletes"])
      changed[stream] = Changed(
        updates: try item["updates"].integer(in: 0...1_000_000), deletes: try item["deletes"].integer(in: 0...1_000_000)
      )
    }
    self.changed = changed
    var expected: [String: Int] = [:]
    for (stream, count) in try root["expect"].members() { expected[stream] = try count.integer(in: 0...1_000_000) }
    self.expected = expected
    var deliveries: [Delivery] = []
    for item in try root["deliveries"].items() {
      try item.allow(["id", "headers", "body", "records"])
      deliveries.append(
        Delivery(
          id: try item["id"].string(), headers: try Self.headers(item["headers"]), body: Self.body(item["body"]),
          records: try item["records"].integer(in: 0...100_000)))
    }
    self.deliveries = deliveries
    var calls: [Call] = []
    for item in try root["actions"].items() {
      try item.allow(["action", "input", "done", "absent"])
      calls.append(
        Call(
          action: try item["action"].string(), input: item["input"].value ?? [:], done: try Self.rules(item["done"]),
          absent: try Self.rules(item["absent"])))
    }
    self.calls = calls
    var states: [State] = []
    for item in try root["states"].items() {
      try item.allow(["stream", "version", "state"])
      states.append(
        State(
          stream: try item["stream"].string(), version: try item["version"].integer(in: 0...1_000_000),
          state: Self.body(item["state"])))
    }
    self.states = states
  }

  private static func rules(_ r: DocumentReader) throws(DocumentError) -> [Rule] {
    var rules: [Rule] = []
    for item in try r.items() {
      try item.allow(["request", "path", "query", "status", "headers", "body", "until"])
      var until: Told?
      if item["until"].isPresent {
        try item["until"].allow(["request", "path"])
        until = Told(
          request: try item["until"]["request"].string("the id of a request of the manifest"),
          path: try texts(item["until"]["path"]))
      }
      rules.append(
        Rule(
          request: try item["request"].string("the id of a request of the manifest"), path: try texts(item["path"]),
          query: try texts(item["query"]),
          status: item["status"].isPresent ? try item["status"].integer(in: 200...599) : 200,
          headers: try headers(item["headers"]), body: body(item["body"]), until: until))
    }
    return rules
  }

  private static func texts(_ r: DocumentReader) throws(DocumentError) -> [String: String] {
    var texts: [String: String] = [:]
    for (name, member) in try r.members() {
      if let number = member.value?.integer { texts[name] = "\(number)" } else { texts[name] = try member.string() }
    }
    return texts
  }

  private static func headers(_ r: DocumentReader) throws(DocumentError) -> [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = []
    for (name, member) in try r.members() { headers.append((name.lowercased(), try member.string())) }
    return headers
  }

  /// A text stands for itself, anything else for its JSON.
  private static func body(_ r: DocumentReader) -> [UInt8] {
    guard let value = r.value else { return [] }
    if let text = value.string { return Array(text.utf8) }
    return value.canonicalBytes
  }
}
