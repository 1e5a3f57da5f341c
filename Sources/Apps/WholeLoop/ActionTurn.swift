import Action
import Cryptography
package import Domain
package import Policy
import WorldModel

/// What the host does next about a tenant's actions: one thing at a time, judged on the state as it is now.
package enum ActionTurn: Equatable, Sendable {
  /// Nobody knows what became of this effect: its executor is asked.
  case probe(EffectStart)
  /// A permit is spent on this: journal it, and send it once it is durable and applied, if `ActionStage.mayExecute`.
  case start(EffectStart)
  /// Waiting cannot help this action: it is taken off.
  case withdraw(Digest, PermitRefusal)
  /// Nothing can be done before this time, or before something else happens.
  case rest(untilMs: Int64?)

  /// - Parameters:
  ///   - nowMs: Wall time: approvals and permits go by it.
  ///   - steadyMs: The same by a clock that does not jump forward, at most `nowMs`: what an upstream takes to settle goes
  ///     by it. Nil for `nowMs`.
  ///   - resting: Instances of executors that are asked nothing now: what is theirs waits.
  package static func next(
    in view: any StateView, policy: PolicyStage, tenant: TenantID, nowMs: Int64, steadyMs: Int64? = nil,
    resting: Set<String> = []
  ) throws -> ActionTurn {
    let steadyMs = steadyMs ?? nowMs
    func rests(_ tool: String) throws -> Bool {
      try !resting.isEmpty && ToolFacts.activated(tool, view).map { resting.contains($0.instance) } ?? false
    }
    let toProbe = try ActionStage.toProbe(in: view, nowMs: steadyMs)
    if let (_, start) = try toProbe.first(where: { try !rests($0.start.call.tool) }) { return .probe(start) }
    // One that must wait for tomorrow's budget does not hold up those ranked below it.
    for ready in try ActionStage.ready(in: view, nowMs: nowMs, steadyMs: steadyMs) {
      if try rests(ready.action.call.tool) { continue }
      do {
        let version = try version(of: ready.action.subject, view)
        let permit = try ready.permit(from: policy, tenant: tenant, in: view, nowMs: nowMs, targetVersion: version)
        return .start(try permit.spend(nowMs: nowMs))
      } catch let refusal as PermitRefusal {
        if refusal.isFinal { return .withdraw(ready.action.id, refusal) }
      }
    }
    // What cannot start any more, as an approval has run out before its call did, is not left waiting for ever.
    for waiting in try ActionStage.waiting(in: view, nowMs: nowMs) where waiting.cause.isFinal {
      return .withdraw(waiting.action.id, waiting.cause)
    }
    return .rest(untilMs: try ActionStage.nextTime(in: view, nowMs: steadyMs).map { nowMs + $0 - steadyMs })
  }

  /// The version that the target has now, as far as anybody knows: what a receipt of ours said counts before what the
  /// source has delivered.
  static func version(of subject: Subject, _ view: any StateView) throws -> String? {
    subject.type == "opportunity" ? try WorldFacts(view).deal(subject.id)?.latestVersion : nil
  }

  /// The receipts that are due after a restart: nobody knows whether an effect that was started took place. It is asked
  /// after, never sent again blindly.
  package static func recovery(in view: any StateView) throws -> [Receipt] {
    try ActionStage.inFlight(in: view).map {
      Receipt($0, .unknown, reason: "The host ended between sending the request and keeping its answer.")
    }
  }

  /// The order that takes an action off.
  package static func withdrawal(of action: Digest, for refusal: PermitRefusal) -> Order {
    Order(verb: .withdraw, target: action.hex, argument: refusal.message, by: nil)
  }
}

extension EffectStart {
  /// The id of its entry: a permit is journaled once.
  /// - Parameter secret: The tenant's own and always the same. The id stands in the published log, where nobody shall be able
  ///   to try out which call it was, also when all else of the tenant is gone.
  package func entryID(of tenant: TenantID, secret: [UInt8]) -> Digest {
    StableID.of("effect", [tenant.rawValue, permit.hex, Hex.encode(secret)])
  }
}

extension Receipt {
  package init(
    _ start: EffectStart, _ outcome: Outcome, result: JSONValue = .null, requests: [Digest] = [], reason: String?,
    code: String? = nil, askedAtMs: Int64? = nil
  ) {
    self.init(
      permit: start.permit, proposal: start.proposal, outcome: outcome, result: result, requests: requests,
      reason: reason, code: code, askedAtMs: askedAtMs)
  }
}
