import CanonicalJSON
import Cryptography
package import Domain

/// The name of exactly one call as it is shown and bound: another caller, tenant, tool, argument, piece of evidence,
/// policy set, expiry or nonce is another hash.
package enum CallHash {
  /// SHA-256 of `sluice.call/1`, a line feed, and the canonical JSON of tenant, requester, the whole proposal (its call
  /// with tool, arguments, target version and undo, and its evidence), policy set, expiry and nonce.
  ///
  /// - Parameters:
  ///   - requester: Who asks: `loop`, or the agent that called the tool.
  ///   - expiresAtMs: Milliseconds since 1970; nil for a call that needs no person.
  ///   - nonce: Nobody can foretell it; nil for a call that needs no person.
  package static func of(
    tenant: TenantID, requester: String, proposal: Proposal, policySet: Digest, expiresAtMs: Int64?, nonce: Digest?
  ) throws -> Digest {
    let bound: JSONValue = [
      "tenant": .string(tenant.rawValue), "requester": .string(requester),
      "proposal": try JSONValue(encoding: proposal), "policy_set": .string(policySet.hex),
      "expires_at_ms": expiresAtMs.map(JSONValue.integer) ?? .null, "nonce": nonce.map { .string($0.hex) } ?? .null,
    ]
    return SHA256.digest(Array("sluice.call/1\n".utf8) + bound.canonicalBytes)
  }

  /// Given to the upstream: the same for every attempt, approval and policy set, so a call is applied once.
  package static func idempotencyKey(tenant: TenantID, action: Digest, call: ToolCall) throws -> String {
    let body = SHA256.digest(try JSONValue(encoding: call).canonicalBytes)
    return StableID.of("idempotency", [tenant.rawValue, action.hex, body.hex]).hex
  }

  /// The id of the action that takes another one back.
  package static func undo(of action: Digest) -> Digest { StableID.of("undo", [action.hex]) }
}
