import CanonicalJSON
import ConnectorFabric
import Domain
import Foundation
import Vault

/// A tenant's connectors as files: `connectors/INSTANCE.yaml`, each with what `connector enable` takes and no secret.
///
/// Where the folder is there it is the whole truth: an instance that it does not hold is disabled.
struct ConnectorFiles {
  struct File {
    let instance: InstanceID
    /// As `connector.enable` takes them.
    let arguments: JSONValue
    /// Why it rests; nil leaves that to operators.
    let pause: String?
  }
  let files: [File]

  /// - Returns: nil where there is no folder `connectors`.
  /// - Throws: `DocumentError` with the place of the first fault.
  init?(_ folder: String) throws {
    let home = folder + "/connectors"
    guard FileManager.default.fileExists(atPath: home) else { return nil }
    let names = try FileManager.default.contentsOfDirectory(atPath: home).filter { $0.first != "." }.sorted()
    // What is not read would disable what it means.
    if let odd = names.first(where: { !$0.hasSuffix(".yaml") }) {
      throw CommandError.refused(
        code: "config.odd_file", message: "\(home)/\(odd) is no INSTANCE.yaml.",
        remedy: "Rename it, or take it out of the folder: an instance without a file is disabled.")
    }
    files = try names.map { try Self.file(home, $0) }
  }

  private static func file(_ home: String, _ name: String) throws -> File {
    let document = try RunningHost.document(path: "\(home)/\(name)")
    let root = DocumentReader(document)
    try root.allow(["connector", "endpoints", "allow_private", "proxy", "config", "schedule", "replay", "pause"])
    let plugin = try root["connector"].string("a plugin's name, NAME@VERSION or a manifest's path")
    // A path is meant from where the file stands.
    let place = plugin.hasSuffix(".yaml") && !plugin.hasPrefix("/") ? "\(home)/\(plugin)" : plugin
    var arguments: [String: JSONValue] = ["name": .string(place)]
    guard let instance = InstanceID(rawValue: String(name.dropLast(5))) else {
      throw root.error(
        "in a file called \(name)", allowed: "an instance's name before .yaml: small letters, digits, hyphens")
    }
    arguments["instance"] = .string(instance.rawValue)
    for (endpoint, base) in try root["endpoints"].members() {
      _ = (endpoint, try base.string("http://host:port or https://host"))
    }
    for key in ["endpoints", "config", "schedule"] { arguments[key] = root[key].value }
    if root["proxy"].isPresent { arguments["proxy"] = .string(try root["proxy"].string()) }
    for key in ["allow_private", "replay"] where root[key].isPresent { arguments[key] = .bool(try root[key].bool()) }
    let pause = root["pause"].isPresent ? try root["pause"].string("why it rests") : nil
    return File(instance: instance, arguments: .object(arguments), pause: pause)
  }
}

/// What must be done for a tenant's connectors to be what the files say.
struct ConnectorStep {
  enum Change: String { case added, changed, upgraded, unchanged, removed }
  let instance: InstanceID
  let change: Change
  /// Nil for one that is removed.
  var enabling: Enabling?
  var upgrade: Upgrade?
  /// Slots for which no secret is stored yet.
  var lacking: [String] = []

  var asked: [String] { upgrade?.asked ?? [] }
}

extension RunningHost {
  /// Reads every file against what is in force; nothing is done yet.
  func steps(to wanted: ConnectorFiles, of tenant: TenantID) throws -> [ConnectorStep] {
    let inForce = try self.tenant(tenant).view { view in
      try view.scan(FabricStage.instances).map { try $0.1.decode(Enabling.self) }
    }
    let held = try vault.slots(tenant: tenant)
    var steps: [ConnectorStep] = []
    for file in wanted.files {
      var (enabling, manifest) = try enabling(from: file.arguments)
      let old = inForce.first { $0.instance == file.instance }
      enabling.settings.pausedFor = file.pause ?? old?.settings.pausedFor
      var step = ConnectorStep(instance: file.instance, change: .added, enabling: enabling)
      if let old {
        let upgrade = try upgrade(from: old, to: enabling, manifest)
        let isOther = old.manifest != enabling.manifest || old.folder != enabling.folder
        if !isOther { enabling.before = old.before }
        let change: ConnectorStep.Change =
          !old.settings.enabled ? .added : isOther ? .upgraded : old == enabling ? .unchanged : .changed
        step = ConnectorStep(
          instance: file.instance, change: change, enabling: enabling, upgrade: isOther ? upgrade : nil)
      }
      step.lacking = enabling.slotNames(manifest).filter { slot in
        !held.contains { $0.instance == file.instance.rawValue && $0.slot == slot }
      }
      steps.append(step)
    }
    let names = Set(wanted.files.map(\.instance))
    let gone = inForce.filter { $0.settings.enabled && !names.contains($0.instance) }
    // What goes, goes first: what comes may take its place among the tools.
    return gone.map { ConnectorStep(instance: $0.instance, change: .removed) } + steps
  }

  /// Whether the tools of all of them together can be offered.
  func checkTools(after steps: [ConnectorStep], of tenant: TenantID) throws {
    let wanted = try steps.compactMap { step -> Enabling? in
      if let enabling = step.enabling { return enabling }
      var gone = try enabling(of: step.instance, tenant)
      gone.settings.enabled = false
      return gone
    }
    try checkTools(with: wanted, of: tenant)
  }

  func carryOut(_ step: ConnectorStep, for tenant: TenantID, by user: UserID?) async throws {
    switch (step.change, step.upgrade, step.enabling) {
    case (.unchanged, _, _): return
    case (.removed, _, _): try await disable(step.instance, for: tenant, by: user)
    case (_, let upgrade?, _): _ = try await carryOut(upgrade, for: tenant, by: user)
    case (_, nil, let enabling?): try await enable(enabling, for: tenant, by: user)
    case (_, nil, nil): return
    }
  }
}
