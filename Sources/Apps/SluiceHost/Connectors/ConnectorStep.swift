import CanonicalJSON
import ConnectorFabric
import Domain
import Vault

/// What must be done for a tenant's connector to be as wanted.
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
    let inForce = try enablings(of: tenant)
    let held = try vault.slots(tenant: tenant)
    let steps = try wanted.files.map { file in
      var (enabling, manifest) = try enabling(from: file)
      let old = inForce.first { $0.instance == file.instance }
      enabling.settings.pausedFor = file.pause ?? old?.settings.pausedFor
      return try step(to: enabling, manifest, from: old, held: held)
    }
    let names = Set(wanted.files.map(\.instance))
    let gone = inForce.filter { $0.settings.enabled && !names.contains($0.instance) }
    // What goes, goes first: what comes may take its place among the tools.
    return gone.map { ConnectorStep(instance: $0.instance, change: .removed) } + steps
  }

  /// - Parameters:
  ///   - old: What is in force of that name.
  ///   - held: The tenant's slots that hold a secret.
  func step(
    to wanted: Enabling, _ manifest: Manifest, from old: Enabling?, held: [(instance: String, slot: String)]
  ) throws -> ConnectorStep {
    var wanted = wanted
    var (change, upgrade) = (ConnectorStep.Change.added, Upgrade?.none)
    if let old {
      let comparison = try self.upgrade(from: old, to: wanted, manifest)
      let isOther = old.manifest != wanted.manifest || old.folder != wanted.folder
      // The same version with other settings: the way back stays.
      if isOther { upgrade = comparison } else { wanted.before = old.before }
      change = !old.settings.enabled ? .added : isOther ? .upgraded : old == wanted ? .unchanged : .changed
    }
    let lacking = wanted.slotNames(manifest).filter { slot in
      !held.contains { $0.instance == wanted.instance.rawValue && $0.slot == slot }
    }
    return ConnectorStep(
      instance: wanted.instance, change: change, enabling: wanted, upgrade: upgrade, lacking: lacking)
  }

  /// Whether all of them together can be in force.
  func checkInForce(after steps: [ConnectorStep], of tenant: TenantID) throws {
    let wanted = try steps.compactMap { step -> Enabling? in
      if let enabling = step.enabling { return enabling }
      var gone = try enabling(of: step.instance, tenant)
      gone.settings.enabled = false
      return gone
    }
    try checkInForce(with: wanted, of: tenant)
  }

  /// Puts rules and connectors into effect. All but upgrades become durable at once: whatever ends the host, they are in force
  /// together or not at all. Then come the upgrades, one after the other, as each first asks its plugin.
  func carryOut(
    _ rules: [(kind: Activation.Kind, name: String, document: JSONValue)], _ steps: [ConnectorStep],
    for tenant: TenantID, by user: UserID?
  ) async throws {
    let gone = steps.filter { $0.change == .removed }.map(\.instance)
    for instance in gone { await giveWay("\(tenant)/\(instance)") }
    let wanted = try steps.filter { $0.change != .unchanged && $0.upgrade == nil }.compactMap { step -> Enabling? in
      guard step.change == .removed else { return step.enabling }
      var enabling = try enabling(of: step.instance, tenant)
      enabling.settings.enabled = false
      return enabling
    }
    let sets = try wanted.map { enabling in
      (kind: Activation.Kind.instance, name: enabling.instance.rawValue, document: try JSONValue(encoding: enabling))
    }
    // Once more: while others gave way, somebody may have enabled what cannot be in force beside it. Nobody comes between this
    // and `change`, by which the next one counts what is journaled here.
    try checkInForce(after: steps, of: tenant)
    try await change(wanted.map(\.instance), of: tenant) {
      try await activate(rules + sets, for: tenant, by: user)
    }
    if isRunningInstances, !wanted.isEmpty { try await startInstances(of: tenant) }
    for instance in gone { await dryRuns["\(tenant)/\(instance)"]?.stop() }
    for step in steps where step.change != .unchanged {
      if let upgrade = step.upgrade { _ = try await carryOut(upgrade, for: tenant, by: user) }
    }
  }
}
