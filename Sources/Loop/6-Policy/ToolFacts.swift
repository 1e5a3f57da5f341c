import CanonicalJSON
package import Domain

/// What policy must know of a tool: as its executor's manifest declares it.
package struct ToolFacts: Codable, Equatable, Sendable {
  package enum EffectClass: String, Codable, Sendable, CaseIterable { case read, draft, notify, write }

  package let effect: EffectClass
  /// The instance whose executor runs it.
  package let instance: String
  /// The tool that takes it back; nil when none is declared.
  package let compensation: String?
  /// How long after a deadline the upstream may still apply what was sent, in milliseconds.
  package let settleMs: Int64
  /// What one call costs, in cents.
  package let costCents: Int64

  package init(
    effect: EffectClass, instance: String, compensation: String?, settleMs: Int64, costCents: Int64
  ) {
    self.effect = effect
    self.instance = instance
    self.compensation = compensation
    self.settleMs = settleMs
    self.costCents = costCents
  }

  /// tool → facts.
  package static let space = Space("policy.tool")

  /// The facts of a tool of an enabled executor.
  package static func activated(_ tool: String, _ view: any StateView) throws -> ToolFacts? {
    try view.value(space, tool)?.decode()
  }

  /// Takes the actions of an instance as its activation has them; of a disabled one, none are left. An action is named
  /// as in the tool catalogue: after `tool_prefix` of the configuration, or the manifest's name up to its first `-`.
  static func activate(_ activation: Activation, _ state: any StateTransaction) throws {
    for (key, row) in try state.scan(space) where row["instance"]?.string == activation.name {
      try state.remove(space, key)
    }
    let manifest = activation.document["manifest"]
    guard activation.document["settings"]?["enabled"]?.bool != false, manifest?["kind"]?.string == "executor",
      let name = manifest?["name"]?.string
    else { return }
    let prefix = activation.document["config"]?["tool_prefix"]?.string ?? String(name.prefix { $0 != "-" })
    for (action, declared) in manifest?["actions"]?.object ?? [:] {
      // What is not declared in full is no tool: a call of it is denied as unknown.
      guard let effect = declared["effect"]?.string.flatMap(EffectClass.init),
        let settle = declared["settle_ms"]?.integer
      else { continue }
      let facts = ToolFacts(
        effect: effect, instance: activation.name,
        compensation: declared["compensation"]?.string.map { "\(prefix).\($0)" }, settleMs: settle,
        costCents: declared["cost_cents"]?.integer ?? 0)
      try state.set(space, "\(prefix).\(action)", try JSONValue(encoding: facts))
    }
  }
}

/// Finds a tool's facts by its name.
package typealias ToolLookup = @Sendable (_ tool: String, _ view: any StateView) throws -> ToolFacts?

/// Reads the world as it is believed in a view.
package typealias WorldLookup = @Sendable (_ view: any StateView) throws -> any WorldReading
