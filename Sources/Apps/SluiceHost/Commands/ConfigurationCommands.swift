import CanonicalJSON
import ConnectorFabric
import Cryptography
import Decision
import Domain
import Foundation
import Identity
import Perception
import Policy

extension HostCommand {
  static let configurationCommands: [HostCommand] = [
    HostCommand(
      "apply", "Put a folder's rules and connectors into effect", role: nil, whileSuspended: .onlyPlanned,
      takes: [.text("folder"), .flag("plan"), .flag("accept")]
    ) {
      call in
      let (folder, tenant) = (try call.string("folder"), try call.tenant())
      let read = try ConfigurationFolder.read(folder)
      let steps = try await call.view { ConfigurationFolder.steps(from: try SetsInForce.all(in: $0), to: read) }
      let files = try ConnectorFiles(folder)
      let connectors = try await call.steps(to: files, of: tenant)
      let plan = JSONValue.array(steps.map(\.row) + connectors.map(\.row))
      if call.flag("plan") { return plan }
      // Everything was read and is right: now it is done.
      if let asking = connectors.first(where: { !$0.asked.isEmpty }), !call.flag("accept") {
        throw UpgradeError.moreAuthority(instance: asking.instance, asked: asking.asked.count)
      }
      try await call.host.checkInForce(after: connectors, of: tenant)
      let changes = steps.filter { $0.change != .unchanged }.map { ($0.kind, name: $0.name, document: $0.document) }
      try await call.host.carryOut(changes, connectors, for: tenant, by: call.user)
      return plan
    },
    HostCommand("tenant.mode", "Set how far a tenant lets the loop go", role: .operator, takes: [.text("mode")]) {
      call in
      guard let mode = TenantMode(rawValue: try call.string("mode")) else {
        throw CommandError.refused(
          code: "command.bad_mode", message: "The mode must be observe, propose or act.",
          remedy: "Give one of the three.")
      }
      try await call.host.activate(
        [(.mode, name: "mode", document: ["mode": .string(mode.rawValue)])], for: try call.tenant(), by: call.user)
      return ["mode": .string(mode.rawValue)]
    },
  ]
}

extension HostCommand.Call {
  fileprivate func steps(to files: ConnectorFiles?, of tenant: TenantID) async throws -> [ConnectorStep] {
    guard let files else { return [] }
    return try await host.steps(to: files, of: tenant)
  }
}

extension ConfigurationFolder.Step {
  fileprivate var row: JSONValue {
    ["kind": .string(kind.rawValue), "name": .string(name), "change": .string(change.rawValue)]
  }
}

extension ConnectorStep {
  fileprivate var row: JSONValue {
    var row: [String: JSONValue] = [
      "kind": "instance", "name": .string(instance.rawValue), "change": .string(change.rawValue),
    ]
    if !asked.isEmpty { row["asks"] = .array(asked.map { .string($0) }) }
    if !lacking.isEmpty { row["lacks_secrets"] = .array(lacking.map { .string($0) }) }
    return .object(row)
  }
}

/// A tenant's rules as files: `policies/thresholds.yaml`, `policies/governance.yaml`, `policies/*.cedar` with their
/// schema, `playbooks/*.yaml`, and `routes.yaml` where there is one.
enum ConfigurationFolder {
  /// Reads and checks every file; nothing is in effect yet.
  static func read(_ folder: String) throws -> [(Activation.Kind, name: String, document: JSONValue)] {
    var status = stat()
    guard stat(folder, &status) == 0 else { throw ConfigurationError.noFolder(path: folder) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw ConfigurationError.notAFolder(path: folder) }
    let thresholds = try RunningHost.document(path: folder + "/policies/thresholds.yaml")
    try PerceptionStage.check(.thresholds, thresholds)
    var read: [(Activation.Kind, name: String, document: JSONValue)] = [
      (.thresholds, "thresholds.yaml", thresholds.value)
    ]
    read.append((.policies, "policies", try policies(folder + "/policies")))
    for name in try files(folder + "/playbooks", ending: ".yaml") {
      let document = try RunningHost.document(path: "\(folder)/playbooks/\(name)")
      _ = try Playbook(document, signalKinds: SignalKind.allCases.map(\.rawValue))
      read.append((.playbooks, name, document.value))
    }
    let routes = "\(folder)/\(Routes.name)"
    if FileManager.default.fileExists(atPath: routes) {
      let document = try RunningHost.document(path: routes)
      _ = try Routes(document)
      read.append((.routes, Routes.name, document.value))
    }
    return read
  }

  /// What must be done for a folder to be what is in force.
  struct Step {
    enum Change: String { case added, changed, unchanged, removed }
    let kind: Activation.Kind
    let name: String
    /// Null for one that is removed.
    let document: JSONValue
    let change: Change
  }

  /// - Parameter read: All of a folder: a playbook that it does not hold is removed, and so are the routes.
  static func steps(
    from inForce: [SetsInForce.Row], to read: [(Activation.Kind, name: String, document: JSONValue)]
  ) -> [Step] {
    let known = Dictionary(inForce.map { ("\($0.kind)/\($0.name)", $0.hash) }) { first, _ in first }
    let steps = read.map { kind, name, document in
      let hash = known["\(kind)/\(name)"]
      let isSame = hash == SHA256.digest(document.canonicalBytes)
      return Step(
        kind: kind, name: name, document: document, change: hash == nil ? .added : isSame ? .unchanged : .changed)
    }
    let names = Set(read.map { "\($0.0)/\($0.name)" })
    let gone = inForce.filter { [.playbooks, .routes].contains($0.kind) && !names.contains("\($0.kind)/\($0.name)") }
    return steps + gone.map { Step(kind: $0.kind, name: $0.name, document: .null, change: .removed) }
  }

  /// Checks a document as reading it from its file would.
  static func check(_ kind: Activation.Kind, _ name: String, _ document: JSONValue) throws {
    let source = SourceDocument(name: name, value: document, marks: [:])
    switch kind {
    case .thresholds: try PerceptionStage.check(.thresholds, source)
    case .policies: try PolicyStage.check(document)
    case .playbooks: _ = try Playbook(source, signalKinds: SignalKind.allCases.map(\.rawValue))
    case .routes: _ = try Routes(source)
    case .instance, .mode: break
    }
  }

  private static func policies(_ folder: String) throws -> JSONValue {
    let texts = try files(folder, ending: ".cedar").map { name in
      (name: name, text: try OperatorFile.document("\(folder)/\(name)"))
    }
    return try PolicyDocument(
      files: texts, schema: try OperatorFile.document(folder + "/schema.cedarschema"),
      governance: try RunningHost.document(path: folder + "/governance.yaml")
    ).json
  }

  private static func files(_ folder: String, ending: String) throws -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw ConfigurationError.noFolder(path: folder)
    }
    return names.filter { $0.hasSuffix(ending) }.sorted()
  }
}

/// Why a folder cannot be one of rules.
enum ConfigurationError: OperatorError, Equatable {
  case noFolder(path: String)
  case notAFolder(path: String)

  var code: String {
    switch self {
    case .noFolder: "config.no_folder"
    case .notAFolder: "config.not_a_folder"
    }
  }
  var message: String {
    switch self {
    case .noFolder(let path): "There is no folder \(path)."
    case .notAFolder(let path): "\(path) is no folder."
    }
  }
  var remedy: String { "Name a folder that holds `policies` and `playbooks`." }
}

/// The same reading, for who only wants to know whether the files are right.
package enum ConfigurationCheck {
  /// - Returns: Kind and name of each document.
  /// - Throws: The first fault with file, line and what is allowed.
  package static func run(folder: String) throws -> [(kind: String, name: String)] {
    try ConfigurationFolder.read(folder).map { ($0.0.rawValue, $0.name) }
  }
}

extension RunningHost {
  /// Puts sets of rules into effect, all at once: either all are in the journal or none.
  func activate(
    _ sets: [(kind: Activation.Kind, name: String, document: JSONValue)], for tenant: TenantID, by user: UserID?
  ) async throws {
    let runtime = try self.tenant(tenant)
    let entries = try activations(sets, for: tenant, by: user)
    guard let last = try await runtime.append(entries).last else { return }
    try await runtime.applied(to: last)
  }

  nonisolated func activations(
    _ sets: [(kind: Activation.Kind, name: String, document: JSONValue)], for tenant: TenantID, by user: UserID?
  ) throws -> [NewEntry] {
    let now = SystemSources.wallClockMs()
    return try sets.map { kind, name, document in
      let hash = SHA256.digest(document.canonicalBytes)
      let activation = Activation(kind: kind, name: name, hash: hash, document: document, by: user)
      return NewEntry(
        id: StableID.of("activation", [tenant.rawValue, kind.rawValue, name, Hex.encode(SystemSources.random(16))]),
        kind: .activation,
        cause: nil, recordedAtMs: now, body: try JSONValue(encoding: activation).canonicalBytes)
    }
  }
}
