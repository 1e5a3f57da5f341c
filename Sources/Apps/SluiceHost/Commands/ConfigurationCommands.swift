import Identity
import CanonicalJSON
import Cryptography
import Domain
import Foundation
import Perception

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

/// A tenant's rules as files: `policies/thresholds.yaml`, `playbooks/*.yaml`, `policies/*.cedar`.
enum ConfigurationFolder {
  /// Reads and checks every file; nothing is in effect yet.
  static func read(_ folder: String) throws -> [(Activation.Kind, name: String, document: JSONValue)] {
    let thresholds = try RunningHost.document(path: folder + "/policies/thresholds.yaml")
    try PerceptionStage.check(.thresholds, thresholds)
    return [(.thresholds, "thresholds.yaml", thresholds.value)]
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
