import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import Foundation
import Vault

extension HostCommand {
  static let enableCommands: [HostCommand] = [
    HostCommand(
      "connector.enable", "Enable a connector for a tenant", role: nil, whileSuspended: .onlyPlanned,
      takes: [
        .text("name"), .text("instance"), .object("endpoints"), .flag("allow_private"), .text("proxy"),
        .anything("config"), .flag("replay"), .object("schedule"), .object("limits"), .flag("accept"), .flag("plan"),
        .flag("dry_run"), .text("stream"), .number("records"),
      ]
    ) {
      call in
      let tenant = try call.tenant()
      let (enabling, manifest) = try await call.host.enabling(from: call.arguments)
      let step = try await call.host.step(to: enabling, manifest, of: tenant)
      let isTried = call.flag("plan") || call.flag("dry_run")
      // `enable` looks itself, just before it journals; a thousand tools are not to be compared twice.
      if isTried || step.upgrade != nil { try await call.host.checkInForce(after: [step], of: tenant) }
      let findings = try await call.host.findings(enabling, manifest, tenant)
      // Neither is it tried with more than was granted: its requests would bear the secrets that are stored.
      let isGranted = step.asked.isEmpty || call.flag("accept")
      if isTried {
        guard isGranted || !call.flag("dry_run") else {
          throw UpgradeError.moreAuthority(instance: enabling.instance, asked: step.asked.count)
        }
        var plan = try await call.host.plan(step, manifest, findings)
        if call.flag("dry_run") {
          call.logDryRun(enabling.instance.rawValue)
          plan["dry_run"] = try await call.host.dryRun(enabling, manifest, of: tenant, try call.extent())
        }
        return .object(plan)
      }
      guard isGranted else {
        throw UpgradeError.moreAuthority(instance: enabling.instance, asked: step.asked.count)
      }
      // Said once more, it is started once more.
      if let upgrade = step.upgrade {
        _ = try await call.host.carryOut(upgrade, for: tenant, by: call.user)
      } else if let wanted = step.enabling {
        try await call.host.enable(wanted, for: tenant, by: call.user)
      }
      var answer: [String: JSONValue] = ["instance": .string(enabling.instance.rawValue), "enabled": true]
      if !findings.isEmpty { answer["findings"] = .array(findings.map { .string($0) }) }
      return .object(answer)
    }
  ]
}

extension RunningHost {
  func step(to enabling: Enabling, _ manifest: Manifest, of tenant: TenantID) throws -> ConnectorStep {
    // The one row: a thousand others are not to be read for each that is enabled.
    let row = try self.tenant(tenant).view { try $0.value(FabricStage.instances, enabling.instance.rawValue) }
    let old = try row?.decode(Enabling.self)
    return try step(to: enabling, manifest, from: old, held: try vault.slots(tenant: tenant))
  }

  /// What does not keep it from being enabled, and will be felt. A secret may be stored before there is a manifest to check
  /// it by.
  fileprivate func findings(_ enabling: Enabling, _ manifest: Manifest, _ tenant: TenantID) throws -> [String] {
    var findings = try unfitSecrets(enabling, manifest, tenant)
    if let lacking = manifest.webhook.flatMap({ Ingress.lacking($0, options.settings) }) { findings.append(lacking) }
    if let lacking = libraryFault(enabling, manifest) { findings.append(lacking) }
    return findings.map { "[\($0.code)] \($0.message) \($0.remedy)" }
  }

  /// The worker loads nothing else than the manifest promises.
  private func libraryFault(_ enabling: Enabling, _ manifest: Manifest) -> EnablingError? {
    let path = "\(pluginFolder(of: enabling))/\(manifest.library.file)"
    guard let bytes = FileManager.default.contents(atPath: path) else { return .noLibrary(path: path) }
    return SHA256.digest([UInt8](bytes)) == manifest.library.sha256 ? nil : .otherLibrary(path: path)
  }

  /// What enabling it would mean: for the one who grants it.
  fileprivate func plan(
    _ step: ConnectorStep, _ manifest: Manifest, _ findings: [String]
  ) throws -> [String: JSONValue] {
    guard let enabling = step.enabling else { return [:] }
    let authority = Authority(manifest, document: enabling.manifest)
    let places = EndpointPlaces(manifest, config: enabling.config, overrides: enabling.endpoints)
    var plan: [String: JSONValue] = [
      "instance": .string(enabling.instance.rawValue), "connector": .string(manifest.name),
      "version": .string(manifest.version), "kind": .string(manifest.kind.rawValue), "enabled": false,
      "change": .string(step.change.rawValue),
      // What is new to the tenant is shown whole, of the rest only what is said otherwise.
      "asks": .array(
        (step.upgrade == nil && step.change == .added ? authority.sentences : step.asked).map { .string($0) }),
      "endpoints": .object(
        Dictionary(
          manifest.endpoints.map { ($0.name, places.base(of: $0.name).map { .string($0) } ?? .null) },
          uniquingKeysWith: { first, _ in first })),
      "allow_private": .array(enabling.privateEndpoints.map { .string($0) }),
      "lacks_secrets": .array(step.lacking.map { .string($0) }), "config": enabling.config,
      "schedule": enabling.schedule ?? enabling.manifest["schedule"] ?? .null,
      "proxy": enabling.proxy.map { .string($0) } ?? .null,
      "limits": manifest.limits.lowered(to: enabling.limits ?? [:]).json,
    ]
    if let upgrade = step.upgrade { plan["from"] = upgrade.from }
    let leads = enabling.leads(manifest)
    if !leads.isEmpty { plan["leads"] = .array(leads.map { .string($0) }) }
    if !findings.isEmpty { plan["findings"] = .array(findings.map { .string($0) }) }
    return plan
  }
}
