import CanonicalJSON
package import Domain

/// One HTTP request that a plugin asks for.
package struct PluginRequest: Sendable, Equatable {
  package struct Header: Sendable, Equatable {
    package let name: String
    package let value: String
    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  package let endpoint: String
  package let method: String
  package let path: String
  /// Without "?", as it would be sent.
  package let query: String
  package let slot: String?
  package let headers: [Header]
  package let idempotencyKey: String?
  package let body: [UInt8]

  package init(
    endpoint: String, method: String, path: String, query: String = "", slot: String?, headers: [Header] = [],
    idempotencyKey: String? = nil, body: [UInt8]
  ) {
    self.endpoint = endpoint
    self.method = method
    self.path = path
    self.query = query
    self.slot = slot
    self.headers = headers
    self.idempotencyKey = idempotencyKey
    self.body = body
  }
}

/// Which requests one operation may send. Counts the writes it lets through: one value per operation.
///
/// Invariant 2 is held here: whatever a plugin asks for, a write leaves only inside `execute`, only as the permitted
/// action declares it, only with the permitted call's arguments, key and version, and only as often as declared.
package struct RequestRules: Sendable {
  package enum Operation: Sendable, Equatable {
    /// `check`, `discover`, `receive`, `probe`, `dry_run`.
    case reading
    /// `pull`, which may also tell an upstream what it may forget.
    case pulling
    /// `execute` of a permitted call: the action, its canonical arguments, the permit's idempotency key and the version
    /// of the target that it is for, when it is for one.
    case executing(action: String, arguments: JSONValue, key: String, targetVersion: String?)
  }

  /// What may be sent: every header but the credential and the connection's own.
  package struct Admitted: Sendable, Equatable {
    package let declared: Manifest.Request
    package let headers: [PluginRequest.Header]
  }

  package enum Refusal: Error, Equatable, Sendable {
    case undeclared(String)
    case slotMismatch(String)
    case effectNotAllowed(String)
    case outsidePermit(String)
    case undeclaredQuery(String)
    case undeclaredHeader(String)
    case reservedHeader(String)
    case reservedQuery(String)
    case badHeader(String)
    case ackBeforeCheckpoint(String)

    package var code: String {
      switch self {
      case .undeclared: "egress.undeclared_request"
      case .slotMismatch: "egress.slot_mismatch"
      case .effectNotAllowed: "egress.effect_not_allowed"
      case .outsidePermit: "egress.outside_permit"
      case .undeclaredQuery: "egress.undeclared_query"
      case .undeclaredHeader: "egress.undeclared_header"
      case .reservedHeader: "egress.reserved_header"
      case .reservedQuery: "egress.reserved_query"
      case .badHeader: "egress.bad_header"
      case .ackBeforeCheckpoint: "egress.ack_before_checkpoint"
      }
    }
    package var sentence: String {
      switch self {
      case .undeclared(let text), .slotMismatch(let text), .effectNotAllowed(let text), .outsidePermit(let text),
        .undeclaredQuery(let text), .undeclaredHeader(let text), .reservedHeader(let text), .reservedQuery(let text),
        .badHeader(let text), .ackBeforeCheckpoint(let text):
        text
      }
    }
  }

  private let manifest: Manifest
  private let operation: Operation
  private var written: [String: Int] = [:]
  /// Records were emitted after the last checkpoint of this operation.
  private var hasUnmarkedRecords = false

  package init(manifest: Manifest, operation: Operation) {
    self.manifest = manifest
    self.operation = operation
  }

  /// Finds the declaration that allows the request, and counts it.
  package mutating func admit(_ request: PluginRequest) throws(Refusal) -> Admitted {
    guard let endpoint = manifest.endpoint(request.endpoint) else {
      throw .undeclared("The endpoint \"\(request.endpoint)\" is not in the manifest of \(manifest.name).")
    }
    let matching = manifest.requests.compactMap { declared -> (Manifest.Request, [String: String])? in
      guard declared.endpoint == endpoint.name, declared.method == request.method,
        let names = declared.path.match(request.path)
      else { return nil }
      return (declared, names)
    }
    guard let (declared, names) = matching.first(where: { $0.0.slot == request.slot }) else {
      guard matching.isEmpty else {
        throw .slotMismatch(
          "\(request.method) \(request.path) is not declared with the slot \"\(request.slot ?? "none")\".")
      }
      throw .undeclared(
        "\(request.method) \(request.path) on \(endpoint.name) is not in the manifest."
          + (request.path.contains("%")
            ? " A {name} takes %XX in upper case, for what cannot stand plainly, and never for /, \\, % or a control character."
            : ""))
    }
    let scheme = declared.slot.flatMap { manifest.slot($0)?.scheme }
    try RequestHead.admit(query: request.query, declared, hostQuery: scheme?.hostQuery)
    try RequestHead.admit(request.headers, declared, slotHeaders: scheme?.hostHeaders ?? [])
    let bound =
      switch declared.effect {
      case .read: try admitRead(declared, request)
      case .ack: try admitAck(declared, request)
      case .write: try admitWrite(declared, names, request)
      }
    return Admitted(declared: declared, headers: request.headers + bound)
  }

  private func admitRead(
    _ declared: Manifest.Request, _ request: PluginRequest
  ) throws(Refusal) -> [PluginRequest.Header] {
    guard request.idempotencyKey == nil else {
      throw .reservedHeader("\(declared.id) is no write: it has no idempotency key.")
    }
    return []
  }

  /// Records without a checkpoint after them would be asked for again after a crash, and be gone.
  private func admitAck(
    _ declared: Manifest.Request, _ request: PluginRequest
  ) throws(Refusal) -> [PluginRequest.Header] {
    guard operation == .pulling else {
      throw .effectNotAllowed("\(declared.id) lets the upstream forget, which only a pull may do.")
    }
    guard !hasUnmarkedRecords else {
      throw .ackBeforeCheckpoint("\(declared.id) was asked for with records emitted since the last checkpoint.")
    }
    return try admitRead(declared, request)
  }

  /// What the operation emits, in order with its requests.
  package mutating func emitted() { hasUnmarkedRecords = true }
  package mutating func checkpointed() { hasUnmarkedRecords = false }

  private mutating func admitWrite(
    _ declared: Manifest.Request, _ names: [String: String], _ request: PluginRequest
  ) throws(Refusal) -> [PluginRequest.Header] {
    guard case .executing(let actionName, let arguments, let key, let targetVersion) = operation else {
      throw .effectNotAllowed(
        "\(declared.id) has the effect \(declared.effect.rawValue), which this operation may not have.")
    }
    guard let write = manifest.action(actionName)?.writes.first(where: { $0.request == declared.id }) else {
      throw .outsidePermit("The permitted action \(actionName) does not declare the request \(declared.id).")
    }
    for (name, argument) in write.path {
      // Bytes, not texts, as in a body.
      guard let permitted = arguments[argument]?.string, let sent = names[name], permitted.utf8.elementsEqual(sent.utf8)
      else { throw .outsidePermit("{\(name)} in the path is not the permitted call's `\(argument)`.") }
    }
    try admitBody(declared, write, arguments, request)
    guard request.idempotencyKey == nil || request.idempotencyKey == key else {
      throw .outsidePermit("The idempotency key of \(declared.id) is not the permit's.")
    }
    let bound = try boundHeaders(declared, write, request, key, targetVersion)
    guard written[declared.id, default: 0] < write.countMax else {
      throw .outsidePermit("\(declared.id) was already sent \(write.countMax) times, as often as declared.")
    }
    written[declared.id, default: 0] += 1
    return bound
  }

  private func admitBody(
    _ declared: Manifest.Request, _ write: Manifest.Action.Write, _ arguments: JSONValue, _ request: PluginRequest
  ) throws(Refusal) {
    guard let argument = write.body else {
      guard request.body.isEmpty else { throw .outsidePermit("\(write.request) is declared without a body.") }
      return
    }
    guard Self.says(request.body, arguments[argument], as: declared.body) else {
      throw .outsidePermit("The body is not the permitted call's `\(argument)` as \(declared.body.inWords).")
    }
    // Read as another type, the same bytes would say something else.
    let type = request.headers.first { $0.name.lowercased() == "content-type" }
    let isOfType = declared.body == .form ? RequestHead.isForm : RequestHead.isJSON
    guard type.map({ isOfType($0.value) }) ?? true else {
      throw .outsidePermit("The body is the permitted call's `\(argument)` as \(declared.body.inWords) only.")
    }
  }

  private static func says(_ body: [UInt8], _ argument: JSONValue?, as form: Manifest.Request.Body) -> Bool {
    guard let argument else { return false }
    switch form {
    // Bytes, not values: Swift takes texts of different Unicode normal forms for equal, an upstream does not.
    case .json: return (try? canonicalJSON(body)) == argument.canonicalBytes
    case .form: return FormBody.says(body, argument)
    }
  }

  /// What the host itself says of the permit.
  private func boundHeaders(
    _ declared: Manifest.Request, _ write: Manifest.Action.Write, _ request: PluginRequest, _ key: String,
    _ targetVersion: String?
  ) throws(Refusal) -> [PluginRequest.Header] {
    var bound: [PluginRequest.Header] = []
    if write.body != nil, !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
      bound.append(.init("Content-Type", declared.body == .form ? RequestHead.formType : "application/json"))
    }
    if let name = declared.idempotencyHeader { bound.append(.init(name, key)) }
    if declared.precondition == .ifMatch, let targetVersion {
      guard let tag = RequestHead.entityTag(targetVersion) else {
        throw .outsidePermit("The version that the permit is for cannot stand in If-Match.")
      }
      bound.append(.init("If-Match", tag))
    }
    return bound
  }
}

extension Manifest.Request.Body {
  fileprivate var inWords: String { self == .form ? "a form" : "JSON" }
}
