import Cryptography
package import Domain

/// Permission to start one call, once. Only this room can make one, and it can be neither copied nor kept: spending it
/// gives the entry that must be durable before anything is sent.
package struct Permit: ~Copyable, Sendable {
  package let id: Digest
  /// Milliseconds since 1970; from then on it cannot be spent.
  package let expiresAtMs: Int64
  private let start: EffectStart

  /// Invariant: internal to Policy, so that no effect is without a verdict.
  init(_ start: EffectStart, expiresAtMs: Int64) {
    id = start.permit
    self.expiresAtMs = expiresAtMs
    self.start = start
  }

  package var call: ToolCall { start.call }

  /// Ends the permit. Append the result under `entryID`; send only once it is durable and applied, and
  /// `ActionStage.mayExecute` says yes.
  ///
  /// - Throws: `.expired`; the permit is gone either way.
  package consuming func spend(nowMs: Int64) throws(PermitRefusal) -> EffectStart {
    guard nowMs <= expiresAtMs else { throw .expired(expiresAtMs: expiresAtMs) }
    return start
  }

  /// The same for the same attempt of the same call, so that it can be journaled once only.
  static func id(tenant: TenantID, action: Digest, callHash: Digest, attempt: Int) -> Digest {
    StableID.of("permit", [tenant.rawValue, action.hex, callHash.hex, String(attempt)])
  }
}

extension EffectStart {
  /// The action that it starts: a proposal's, or the one that takes that back.
  package var action: Digest { undoes == nil ? proposal : CallHash.undo(of: proposal) }
  /// The id of the `.effectStarted` entry: appending the same permit twice writes it once.
  package var entryID: Digest { StableID.of("effect_started", [permit.hex]) }
}
