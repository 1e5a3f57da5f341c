internal import Foundation

/// What opens the CRM, its control side, and its webhooks' signatures. Derived from the seed, so a restart keeps them.
package struct Credentials: Sendable, Equatable {
  /// Of the CRM's client: `Authorization: Bearer …` on `/api/v1`.
  package let token: String
  /// Of the test harness: `Authorization: Bearer …` on `/control`.
  package let controlToken: String
  /// Of the CRM's OAuth client, and the refresh token that a person's consent gave it.
  package let clientID: String
  package let clientSecret: String
  package let refreshToken: String
  /// The HMAC key of webhook signatures.
  package let webhookKey: [UInt8]
  /// Of Stripe's client, as bearer or as basic's user.
  package let stripeKey: String
  /// Of Stripe's webhook endpoint.
  package let stripeWebhookSecret: String

  package init(seed: UInt64) {
    func derived(_ purpose: String) -> [UInt8] { Digest.sha256(Array("sluice-world/\(seed)/\(purpose)".utf8)) }
    token = "crm_" + Digest.hex(Array(derived("token").prefix(20)))
    controlToken = "ctl_" + Digest.hex(Array(derived("control").prefix(20)))
    clientID = "client-\(seed)"
    clientSecret = "cls_" + Digest.hex(Array(derived("client").prefix(20)))
    refreshToken = "refresh_" + Digest.hex(Array(derived("consent").prefix(20)))
    webhookKey = derived("webhook")
    stripeKey = "sk_test_" + Digest.hex(Array(derived("stripe").prefix(24)))
    stripeWebhookSecret = "whsec_" + Digest.hex(Array(derived("stripe webhook").prefix(24)))
  }

  /// As Standard Webhooks writes a secret.
  package var webhookSecret: String { "whsec_" + Digest.base64(webhookKey) }

  package var json: JSONValue {
    [
      "token": .string(token), "control_token": .string(controlToken), "webhook_secret": .string(webhookSecret),
      "client_id": .string(clientID), "client_secret": .string(clientSecret), "refresh_token": .string(refreshToken),
      "stripe_key": .string(stripeKey),
      "stripe_webhook_secret": .string(stripeWebhookSecret),
    ]
  }

  /// Writes the JSON, readable by the owner only, in one step.
  package func write(to path: String) throws {
    let draft = path + ".new"
    unlink(draft)
    let file = open(draft, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard file >= 0 else { throw SetupError("\(path): \(String(cString: strerror(errno)))") }
    let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
    do {
      try handle.write(contentsOf: Data(json.bytes + [UInt8(ascii: "\n")]))
      try handle.close()
    } catch {
      throw SetupError("\(path): the credentials could not be written")
    }
    guard rename(draft, path) == 0 else { throw SetupError("\(path): \(String(cString: strerror(errno)))") }
  }
}
