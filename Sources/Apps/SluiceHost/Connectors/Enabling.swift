import CanonicalJSON
package import ConnectorFabric
package import Domain
import Foundation
import Perception
import Vault
import YAMLFiles

/// The document of an instance's activation: everything that its work depends on.
package struct Enabling: Codable, Sendable, Equatable {
  package struct Settings: Codable, Sendable, Equatable {
    package var enabled: Bool
    /// The first sync counts as change, not as baseline.
    package var replay: Bool
    /// Business time waits for this source's watermarks.
    package var ticks: Bool
    /// Why an operator has it pause; nil while it runs.
    package var pausedFor: String?
  }

  package var instance: InstanceID
  package var settings: Settings
  /// The manifest's file, for messages, and its whole content.
  package var source: String
  package var manifest: JSONValue
  /// The folder of the library, as `PluginFolder` keeps it.
  package var folder: String
  package var config: JSONValue
  /// Where operators lead endpoints instead, and which of these may be private addresses.
  package var endpoints: [String: EndpointOverride]
  /// An operator's proxy for all that this instance asks, `http://host:port`; its login is the secret of the slot "proxy".
  /// "none": not even the host's, which counts where nothing is said.
  package var proxy: String?
  /// The instance's own times instead of the manifest's; as `schedule` in a manifest.
  package var schedule: JSONValue?
  /// What an operator holds it to below its manifest's limits, by their names there.
  package var limits: JSONValue?
  /// What the last upgrade took the place of.
  package var before: Before?

  package struct Before: Codable, Sendable, Equatable {
    package var source: String
    package var manifest: JSONValue
    package var folder: String
    package var config: JSONValue
    /// Where each stream was.
    package var checkpoints: [String: IntakeBatch.Checkpoint]
  }

  package init(
    instance: InstanceID, isEnabled: Bool = true, source: String, manifest: JSONValue, folder: String,
    config: JSONValue = [:], endpoints: [String: EndpointOverride] = [:], proxy: String? = nil, replay: Bool = false,
    schedule: JSONValue? = nil, limits: JSONValue? = nil
  ) {
    self.instance = instance
    settings = Settings(
      enabled: isEnabled, replay: replay, ticks: !(manifest["mapping"]?["streams"]?.object ?? [:]).isEmpty)
    self.source = source
    self.manifest = manifest
    self.folder = folder
    self.config = config
    self.endpoints = endpoints
    self.proxy = proxy
    self.schedule = schedule
    self.limits = limits
  }

  static func isEnabled(_ document: JSONValue) -> Bool { document["settings"]?["enabled"]?.bool == true }

  /// Whether the other one is the same but for a pause.
  func differsOnlyByPause(from other: Enabling) -> Bool {
    var (left, right) = (self, other)
    (left.settings.pausedFor, right.settings.pausedFor) = (nil, nil)
    return left == right
  }

  /// Whether its address takes deliveries.
  var hasDoor: Bool { settings.enabled && manifest["webhook"] != nil }

  package static let noProxy = "none"

  /// Every slot that may hold a secret: the manifest's, and the proxy's.
  func slotNames(_ manifest: Manifest) -> [String] {
    manifest.slotNames + (proxy == nil || proxy == Self.noProxy ? [] : [Manifest.proxySlot])
  }

  /// When it is pulled by itself.
  /// - Throws: `DocumentError`, `ScheduleError`.
  /// - Parameter said: The document that says `schedule`, for messages.
  func clock(_ manifest: Manifest, said: SourceDocument? = nil) throws -> PullClock? {
    let own = try schedule.map {
      try PullSchedule(
        said.map { DocumentReader($0)["schedule"] }
          ?? DocumentReader(SourceDocument(name: "schedule", value: $0, marks: [:])))
    }
    return try (own ?? manifest.schedule).map { try PullClock($0, random: { SystemSources.random($0) }) }
  }
}

/// Why a connector cannot be enabled as asked.
package enum EnablingError: OperatorError, Equatable {
  case noPlugin(name: String, versions: [String])
  case unknownEndpoint(name: String, known: [String])
  case badOverride(endpoint: String, base: String)
  case privateNotAllowed(endpoint: String)
  case badProxy
  case noLibrary(path: String)
  case otherLibrary(path: String)
  /// Each place that does not fit.
  case badConfig(faults: String)
  case unknownSlot(slot: String, instance: String, known: [String])

  package var code: String {
    switch self {
    case .noPlugin: "connector.no_plugin"
    case .unknownEndpoint: "connector.unknown_endpoint"
    case .badOverride: "connector.bad_override"
    case .privateNotAllowed: "connector.private_not_allowed"
    case .badProxy: "connector.bad_proxy"
    case .noLibrary: "connector.no_library"
    case .otherLibrary: "connector.other_library"
    case .badConfig: "connector.bad_config"
    case .unknownSlot: "secret.unknown_slot"
    }
  }
  package var message: String {
    switch self {
    case .noPlugin(let name, _): "There is no plugin \"\(name)\" here."
    case .unknownEndpoint(let name, _): "The manifest declares no endpoint \"\(name)\"."
    // What holds a login is not repeated.
    case .badOverride(let endpoint, let base):
      "\(base.contains("@") ? "An address with a login" : "\"\(base)\"") cannot be the address of the endpoint \(endpoint)."
    // What was given is not repeated: it may hold a login.
    case .badProxy: "What was given cannot be a proxy's address."
    case .noLibrary(let path): "The library \(path) is not there, or cannot be read."
    case .otherLibrary(let path): "\(path) is not the library whose SHA-256 the manifest names: it is not loaded."
    case .badConfig(let faults): "The configuration does not fit: \(faults)."
    case .unknownSlot(let slot, let instance, _): "The manifest of \(instance) declares no slot \"\(slot)\"."
    case .privateNotAllowed(let endpoint):
      "The endpoint \(endpoint) was given an address that is not https and a public name, and nobody has said that it may be."
    }
  }
  package var remedy: String {
    switch self {
    case .noPlugin(_, let versions):
      versions.isEmpty
        ? "Name one that `sluice plugin list` shows, the path of a manifest, which ends in .yaml, or install a pack: `sluice plugin install FILE`."
        : "Of this name there is \(versions.joined(separator: ", ")); others are installed from their packs: `sluice plugin install FILE`."
    case .unknownEndpoint(_, let known): "Declared: \(known.joined(separator: ", "))."
    case .badOverride: "Give http://host:port or https://host[:port][/path]."
    case .unknownSlot(_, _, let known):
      known.isEmpty
        ? "It declares none; remove what was stored with `sluice secret revoke`."
        : "Declared: \(known.joined(separator: ", "))."
    case .badProxy:
      "Give http://host:port or https://host:port, or none for no proxy at all; its login is a secret: `sluice secret set INSTANCE proxy < FILE`."
    case .noLibrary, .otherLibrary:
      "Build it beside its manifest, or install the plugin from its pack; what is enabled is tried again, and parked if it stays so."
    case .badConfig: "Give what the schema under `config` in the manifest allows."
    case .privateNotAllowed:
      "Give https://name.example[:port][/path], which is held to what a manifest's own is; or say `--allow-private`, in a connector's file `allow_private: true`: it may then lead to private addresses and plain http, and is shown and recorded."
    }
  }
}

extension RunningHost {
  /// Reads the manifest that the arguments name and checks what they ask for against it.
  ///
  /// Arguments: `name` (a connector's name or a manifest's path), `instance`, `endpoints` {name: base},
  /// `allow_private`, `proxy`, `config` {}, `replay`, `schedule` {}, `limits` {}.
  /// - Parameters:
  ///   - kept: What operators led elsewhere before, on the terms of that time.
  ///   - said: The file that says `schedule` and `limits`, so that their faults are shown in it.
  func enabling(
    from arguments: JSONValue, keeping kept: [String: EndpointOverride] = [:], said: SourceDocument? = nil
  ) throws -> (Enabling, Manifest) {
    guard let name = arguments["name"]?.string else { throw CommandError.missing("name") }
    let path = try manifestPath(name)
    let document = try Self.document(path: path)
    let manifest = try Manifest(document)
    let asActivation = SourceDocument(
      name: document.name, value: ["manifest": document.value], marks: document.marks(under: "manifest"))
    if manifest.kind == .source, manifest.mapping["streams"] != nil {
      try PerceptionStage.check(.instance, asActivation)
    }
    var endpoints = kept
    for (endpoint, value) in arguments["endpoints"]?.object ?? [:] {
      endpoints[endpoint] = try Enabling.override(
        of: endpoint, value.string ?? "", allowsPrivate: arguments["allow_private"]?.bool == true)
    }
    if let gone = endpoints.keys.sorted().first(where: { manifest.endpoint($0) == nil }) {
      throw EnablingError.unknownEndpoint(name: gone, known: manifest.endpoints.map(\.name))
    }
    let proxy = try arguments["proxy"].flatMap { $0.isNull ? nil : $0 }.map { value in
      guard let text = value.string, text == Enabling.noProxy || HostSettings.isProxy(text) else {
        throw EnablingError.badProxy
      }
      return text
    }
    let config = arguments["config"] ?? [:]
    try EnablingError.check(config, of: manifest)
    let instance = try InstanceID(parsing: arguments["instance"]?.string ?? manifest.name)
    let enabling = Enabling(
      instance: instance, source: (path as NSString).lastPathComponent, manifest: document.value,
      folder: PluginFolder.kept((path as NSString).deletingLastPathComponent, dataFolder: options.dataFolder),
      config: config, endpoints: endpoints, proxy: proxy,
      replay: arguments["replay"]?.bool ?? false, schedule: arguments["schedule"], limits: arguments["limits"])
    if let limits = enabling.limits {
      try manifest.limits.check(
        lowered: said.map { DocumentReader($0)["limits"] }
          ?? DocumentReader(SourceDocument(name: "limits", value: limits, marks: [:])))
    }
    _ = try enabling.clock(manifest, said: said)
    return (enabling, manifest)
  }

  /// What a slot is for.
  enum SlotUse { case unknown, sending, receiving }

  /// The manifest's word on a slot and its secret, once the instance is known here; before that, `unfitSecrets` gives it.
  func checkSlot(
    _ slot: SlotName, of instance: InstanceID, _ tenant: TenantID, value: [UInt8]
  ) throws -> SlotUse {
    let row = try self.tenant(tenant).view { try $0.value(FabricStage.instances, instance.rawValue) }
    guard let enabling = try row?.decode(Enabling.self) else { return .unknown }
    let manifest = try Manifest(SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:]))
    let known = enabling.slotNames(manifest)
    guard known.contains(slot.rawValue) else {
      throw EnablingError.unknownSlot(slot: slot.rawValue, instance: instance.rawValue, known: known)
    }
    if let scheme = Self.scheme(of: slot.rawValue, manifest) {
      try SecretError.check(value, for: scheme, slot: slot.rawValue, of: instance)
      return .sending
    }
    try SecretError.check(value, received: manifest, slot: slot.rawValue, of: instance)
    return .receiving
  }

  /// Takes what was stored in a slot into use: a webhook's address opens, and who was parked for its credential tries again.
  func takeSecret(of slot: SlotName, for use: SlotUse, of instance: InstanceID, _ tenant: TenantID) async throws {
    try refreshHooks(of: tenant)
    guard use != .receiving, let found = instances["\(tenant)/\(instance)"], await found.takeSecret(of: slot) else {
      return
    }
    await (try opened(tenant)).actions.poke()
  }

  /// By which requests bear what a slot holds; nil where the slot is only for what is received.
  private static func scheme(of slot: String, _ manifest: Manifest) -> SlotScheme? {
    slot == Manifest.proxySlot ? .basic : manifest.slot(slot)?.scheme
  }

  /// Findings: secrets of slots that this manifest does not have, or that do not fit its schemes.
  func unfitSecrets(
    _ enabling: Enabling, _ manifest: Manifest, _ tenant: TenantID
  ) throws -> [any OperatorError] {
    let known = enabling.slotNames(manifest)
    return try vault.slots(tenant: tenant).filter { $0.instance == enabling.instance.rawValue }.compactMap { held in
      guard known.contains(held.slot) else {
        return EnablingError.unknownSlot(slot: held.slot, instance: held.instance, known: known)
      }
      guard let scheme = Self.scheme(of: held.slot, manifest) else { return nil }
      let secret = try vault.secret(tenant: tenant, instance: enabling.instance, slot: held.slot)
      do throws(SecretError) {
        _ = try SecretError.check(secret.reveal { $0 }, for: scheme, slot: held.slot, of: enabling.instance)
        return nil
      } catch { return error }
    }
  }

  package static func isBase(_ text: String) -> Bool {
    guard text.hasPrefix("http://") || text.hasPrefix("https://"), !text.contains("@"),
      let parts = URLComponents(string: text), parts.host?.isEmpty == false
    else { return false }
    return parts.port.map { (1...65_535).contains($0) } ?? true
  }

  /// Reads a YAML file with the place of every value.
  /// - Parameter name: How errors call the file; its own name when nil.
  static func document(path: String, name: String? = nil) throws -> SourceDocument {
    try YAMLFile.document(try OperatorFile.document(path), name: name ?? (path as NSString).lastPathComponent)
  }

  private func manifestPath(_ name: String) throws -> String {
    if name.hasSuffix(".yaml") { return URL(fileURLWithPath: name).path }
    if let path = InstalledPlugins.path(name, dataFolder: options.dataFolder) { return path }
    for folder in options.pluginFolders {
      let path = "\(folder)/\(name).yaml"
      if FileManager.default.fileExists(atPath: path) { return URL(fileURLWithPath: path).path }
    }
    throw EnablingError.noPlugin(
      name: name,
      versions: InstalledPlugins.known(
        as: name, dataFolder: options.dataFolder, bundled: options.pluginFolders))
  }
}

extension EnablingError {
  /// What of an instance's own words is wrong, by its key there.
  var key: String? {
    switch self {
    case .noPlugin: "connector"
    case .unknownEndpoint(let name, _): "endpoints.\(name)"
    case .badOverride(let endpoint, _), .privateNotAllowed(let endpoint): "endpoints.\(endpoint)"
    case .badProxy: "proxy"
    case .badConfig: "config"
    case .unknownSlot, .noLibrary, .otherLibrary: nil
    }
  }

  /// - Throws: `badConfig` with every fault, so that nobody mends one to be told of the next.
  package static func check(_ config: JSONValue, of manifest: Manifest) throws(EnablingError) {
    let misfits = manifest.misfits(of: config)
    guard !misfits.isEmpty else { return }
    let faults = misfits.map { "\($0.path.isEmpty ? "the whole" : "`\($0.path)`") is \($0.reason)" }
    throw badConfig(faults: faults.joined(separator: "; "))
  }
}
