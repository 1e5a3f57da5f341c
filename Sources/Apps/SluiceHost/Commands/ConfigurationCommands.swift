import CanonicalJSON
import Cryptography
import Decision
import Domain
import Foundation
import Identity
import Perception
import Policy

extension HostCommand {
  static let configurationCommands: [HostCommand] = [
    HostCommand("apply", "Put a folder's thresholds, playbooks and policies into effect", role: nil) { call in
      let folder = try call.string("folder")
      var applied: [JSONValue] = []
      for (kind, name, document) in try ConfigurationFolder.read(folder) {
        try await call.host.activate(kind, name: name, document: document, for: try call.tenant(), by: call.user)
        applied.append(["kind": .string(kind.rawValue), "name": .string(name)])
      }
      return .array(applied)
    },
    HostCommand("tenant.mode", "Set how far a tenant lets the loop go", role: .operator) { call in
      guard let mode = TenantMode(rawValue: try call.string("mode")) else {
        throw CommandError.refused(code: "command.bad_mode", message: "The mode must be observe, propose or act.")
      }
      try await call.host.activate(
        .mode, name: "mode", document: ["mode": .string(mode.rawValue)], for: try call.tenant(), by: call.user)
      return ["mode": .string(mode.rawValue)]
    },
  ]
}

/// A tenant's rules as files: `policies/thresholds.yaml`, `policies/governance.yaml`, `policies/*.cedar` with their
/// schema, and `playbooks/*.yaml`.
enum ConfigurationFolder {
  /// Reads and checks every file; nothing is in effect yet.
  static func read(_ folder: String) throws -> [(Activation.Kind, name: String, document: JSONValue)] {
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
    return read
  }

  /// Checks a document as reading it from its file would.
  static func check(_ kind: Activation.Kind, _ name: String, _ document: JSONValue) throws {
    let source = SourceDocument(name: name, value: document, marks: [:])
    switch kind {
    case .thresholds: try PerceptionStage.check(.thresholds, source)
    case .policies: try PolicyStage.check(document)
    case .playbooks: _ = try Playbook(source, signalKinds: SignalKind.allCases.map(\.rawValue))
    case .instance, .mode: break
    }
  }

  private static func policies(_ folder: String) throws -> JSONValue {
    let texts = try files(folder, ending: ".cedar").map { name in
      (name: name, text: try text("\(folder)/\(name)"))
    }
    return try PolicyDocument(
      files: texts, schema: try text(folder + "/schema.cedarschema"),
      governance: try RunningHost.document(path: folder + "/governance.yaml")
    ).json
  }

  private static func files(_ folder: String, ending: String) throws -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw CommandError.refused(code: "config.no_folder", message: "There is no folder \(folder).")
    }
    return names.filter { $0.hasSuffix(ending) }.sorted()
  }

  private static func text(_ path: String) throws -> String {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw CommandError.refused(code: "config.no_file", message: "\(path) cannot be read.")
    }
    return text
  }
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
  /// Journals that a document takes effect, and returns when it has.
  func activate(
    _ kind: Activation.Kind, name: String, document: JSONValue, for tenant: TenantID, by user: UserID?
  ) async throws {
    let runtime = try self.tenant(tenant)
    let hash = SHA256.digest(document.canonicalBytes)
    let position = try await runtime.append(
      .activation, Activation(kind: kind, name: name, hash: hash, document: document, by: user),
      id: StableID.of(
        "activation", [tenant.rawValue, kind.rawValue, name, hash.hex, "\(SystemSources.wallClockMs())"]))
    try await runtime.applied(to: position)
  }
}
