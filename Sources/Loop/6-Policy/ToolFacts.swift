import CanonicalJSON
package import Domain

/// What policy must know of a tool: as its executor's manifest declares it.
package struct ToolFacts: Codable, Equatable, Sendable {
  package enum EffectClass: String, Codable, Sendable, CaseIterable { case read, draft, notify, write }

  package let effect: EffectClass
  /// The action of the same executor that takes it back; nil when none is declared.
  package let compensation: String?
  /// How long after a deadline the upstream may still apply what was sent, in milliseconds.
  package let settleMs: Int64
  /// What one call costs, in cents.
  package let costCents: Int64

  package init(effect: EffectClass, compensation: String?, settleMs: Int64, costCents: Int64) {
    self.effect = effect
    self.compensation = compensation
    self.settleMs = settleMs
    self.costCents = costCents
  }

  /// `instance/action` → facts.
  package static let space = Space("policy.tool")

  /// The facts of an action of an enabled executor.
  package static func activated(_ instance: String, _ action: String, _ view: any StateView) throws -> ToolFacts? {
    try view.value(space, "\(instance)/\(action)")?.decode()
  }

  /// Takes the actions of an instance as its activation has them; of a disabled one, none are left.
  static func activate(_ activation: Activation, _ state: any StateTransaction) throws {
    for (key, _) in try state.scan(space, prefix: "\(activation.name)/") { try state.remove(space, key) }
    let manifest = activation.document["manifest"]
    guard activation.document["isEnabled"]?.bool != false, manifest?["kind"]?.string == "executor" else { return }
    for (name, declared) in manifest?["actions"]?.object ?? [:] {
      // What is not declared in full is no tool: a call of it is denied as unknown.
      guard let effect = declared["effect"]?.string.flatMap(EffectClass.init), let settle = declared["settle_ms"]?.integer
      else { continue }
      let facts = ToolFacts(
        effect: effect, compensation: declared["compensation"]?.string, settleMs: settle,
        costCents: declared["cost_cents"]?.integer ?? 0)
      try state.set(space, "\(activation.name)/\(name)", try JSONValue(encoding: facts))
    }
  }
}

/// Finds a tool's facts by the instance and the action that its name means.
package typealias ToolLookup =
  @Sendable (_ instance: String, _ action: String, _ view: any StateView) throws -> ToolFacts?

/// Reads the world as it is believed in a view.
package typealias WorldLookup = @Sendable (_ view: any StateView) throws -> any WorldReading
