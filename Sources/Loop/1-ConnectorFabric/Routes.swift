import CanonicalJSON
package import Domain

/// Which instances take what comes to the address of one: the document `routes.yaml` of a tenant.
///
/// An instance that no route names as `hook` takes its own deliveries. Of one that is named, a delivery goes to the receivers
/// of every route whose pattern it matches; one that matches none is a dead letter.
package struct Routes: Sendable, Equatable {
  package static let formatVersion = 1
  package static let name = "routes.yaml"

  package struct Route: Sendable, Equatable {
    /// The instance to whose address it came.
    package let hook: InstanceID
    package let pattern: EventPattern
    package let receivers: [InstanceID]
  }

  package let routes: [Route]

  /// Reads the document; the first fault is thrown with its key, its line and what is allowed.
  package init(_ document: SourceDocument) throws(DocumentError) {
    let root = DocumentReader(document)
    try root.allow(["sluice", "routes"])
    _ = try root["sluice"].integer(in: Self.formatVersion...Self.formatVersion)
    var routes: [Route] = []
    for item in try root["routes"].items() {
      try item.allow(["hook", "pattern", "to"])
      var receivers: [InstanceID] = []
      for receiver in try item["to"].items() {
        let name = try receiver.name(InstanceID.self)
        guard !receivers.contains(name) else { throw receiver.error("given twice", allowed: "each instance once") }
        receivers.append(name)
      }
      guard !receivers.isEmpty else { throw item["to"].error("missing", allowed: "the instances that take it") }
      routes.append(
        Route(
          hook: try item["hook"].name(InstanceID.self), pattern: try EventPattern(item["pattern"]),
          receivers: receivers))
    }
    self.routes = routes
  }

  /// Those in force.
  static func inForce(in view: any StateView) throws -> Routes? {
    guard let document = try view.value(FabricStage.routes, name) else { return nil }
    return try Routes(SourceDocument(name: name, value: document, marks: [:]))
  }

  /// Whether any route is about what comes to `hook`.
  func names(_ hook: InstanceID) -> Bool { routes.contains { $0.hook == hook } }

  /// Every receiver once, in the order of the routes.
  func receivers(of event: JSONValue, at hook: InstanceID) throws(TooMuchWork) -> [InstanceID] {
    var look = EventLook(event)
    var found: [InstanceID] = []
    for route in routes where route.hook == hook {
      if try route.pattern.matches(&look) { found += route.receivers.filter { !found.contains($0) } }
    }
    return found
  }

  /// A journaled delivery as patterns look at it: `hook`, `headers` and `query` as they were kept, and the JSON of `body`.
  package static func event(of delivery: JSONValue) -> JSONValue {
    var event: [String: JSONValue] = [
      "hook": delivery["hook"] ?? delivery["instance"] ?? .null, "headers": delivery["headers"] ?? [:],
    ]
    event["method"] = delivery["method"]
    var query: [String: [JSONValue]] = [:]
    for (name, value) in QueryText.pairs(of: delivery["query"]?.string ?? "") {
      query[name, default: []].append(.string(value))
    }
    event["query"] = .object(query.mapValues { .array($0) })
    event["body"] = delivery["body"]?.string.flatMap { try? JSONValue(parsing: Array($0.utf8)) }
    return .object(event)
  }
}
