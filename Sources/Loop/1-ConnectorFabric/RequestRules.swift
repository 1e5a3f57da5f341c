import CanonicalJSON
package import Domain

/// One HTTP request that a plugin asks for.
package struct PluginRequest: Sendable, Equatable {
  package let endpoint: String
  package let method: String
  package let path: String
  package let slot: String?
  package let body: [UInt8]

  package init(endpoint: String, method: String, path: String, slot: String?, body: [UInt8]) {
    self.endpoint = endpoint
    self.method = method
    self.path = path
    self.slot = slot
    self.body = body
  }
}

/// Which requests one operation may send. Counts the writes it lets through: one value per operation.
///
/// Invariant 2 is held here: whatever a plugin asks for, a write leaves only inside `execute`, only as the permitted
/// action declares it, only with the permitted call's arguments, and only as often as declared.
package struct RequestRules: Sendable {
  package enum Operation: Sendable, Equatable {
    /// `check`, `discover`, `pull`, `receive`, `probe`, `dry_run`.
    case reading
    /// `execute` of a permitted call: the action and its canonical arguments.
    case executing(action: String, arguments: JSONValue)
  }

  package enum Refusal: Error, Equatable, Sendable {
    case undeclared(String)
    case slotMismatch(String)
    case effectNotAllowed(String)
    case outsidePermit(String)

    package var code: String {
      switch self {
      case .undeclared: "egress.undeclared_request"
      case .slotMismatch: "egress.slot_mismatch"
      case .effectNotAllowed: "egress.effect_not_allowed"
      case .outsidePermit: "egress.outside_permit"
      }
    }
    package var sentence: String {
      switch self {
      case .undeclared(let text), .slotMismatch(let text), .effectNotAllowed(let text), .outsidePermit(let text): text
      }
    }
  }

  private let manifest: Manifest
  private let operation: Operation
  private var written: [String: Int] = [:]

  package init(manifest: Manifest, operation: Operation) {
    self.manifest = manifest
    self.operation = operation
  }

  /// Finds the declaration that allows the request, and counts it.
  package mutating func admit(_ request: PluginRequest) throws(Refusal) -> Manifest.Request {
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
      throw .undeclared("\(request.method) \(request.path) on \(endpoint.name) is not in the manifest.")
    }
    if declared.effect != .read { try admitWrite(declared, names, request) }
    return declared
  }

  private mutating func admitWrite(
    _ declared: Manifest.Request, _ names: [String: String], _ request: PluginRequest
  ) throws(Refusal) {
    guard declared.effect == .write, case .executing(let actionName, let arguments) = operation else {
      throw .effectNotAllowed(
        "\(declared.id) has the effect \(declared.effect.rawValue), which this operation may not have.")
    }
    guard let write = manifest.action(actionName)?.writes.first(where: { $0.request == declared.id }) else {
      throw .outsidePermit("The permitted action \(actionName) does not declare the request \(declared.id).")
    }
    for (name, argument) in write.path where arguments[argument]?.string != names[name] {
      throw .outsidePermit("{\(name)} in the path is not the permitted call's `\(argument)`.")
    }
    if let argument = write.body {
      // Bytes, not values: Swift takes texts of different Unicode normal forms for equal, an upstream does not.
      let permitted = arguments[argument]?.canonicalBytes
      guard let sent = try? canonicalJSON(request.body), sent == permitted else {
        throw .outsidePermit("The body is not the permitted call's `\(argument)`.")
      }
    }
    guard written[declared.id, default: 0] < write.countMax else {
      throw .outsidePermit("\(declared.id) was already sent \(write.countMax) times, as often as declared.")
    }
    written[declared.id, default: 0] += 1
  }
}
