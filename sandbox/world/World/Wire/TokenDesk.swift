internal import Foundation

/// The CRM's token endpoint (RFC 6749): access tokens that end, refresh tokens that rotate, and everything revoked when
/// a refresh token comes a second time (RFC 9700, 4.14.2).
package struct TokenDesk: Sendable {
  package struct Counts: Sendable {
    package var given = 0
    package var refused = 0
    /// Refresh tokens that came after they had been replaced.
    package var reused = 0
  }

  private let seed: UInt64
  private let clientID: String
  private let clientSecret: String
  private var refreshToken: String?
  private var replaced: Set<String> = []
  /// Access token → when it ends, in seconds of the steady clock.
  private var ends: [String: Double] = [:]
  private var made = 0
  package private(set) var counts = Counts()
  package var lifeSeconds = 3600
  package var rotates = true

  package init(seed: UInt64, credentials: Credentials) {
    self.seed = seed
    clientID = credentials.clientID
    clientSecret = credentials.clientSecret
    refreshToken = credentials.refreshToken
  }

  package func isGood(_ token: String, now: Double) -> Bool { ends[token].map { now < $0 } ?? false }

  /// Ends every access token now; refresh tokens stay.
  package mutating func expire() { ends = [:] }

  package mutating func revoke() {
    ends = [:]
    refreshToken = nil
  }

  /// A person has authorised the client again.
  /// - Returns: The refresh token that counts now.
  package mutating func authorize() -> String {
    let fresh = derived("refresh")
    refreshToken = fresh
    return fresh
  }

  package mutating func answer(_ call: Call, now: Double) -> Answer {
    let form = Self.form(call.body)
    guard isClient(call, form) else { return refusal(401, "invalid_client") }
    switch form["grant_type"] {
    case "client_credentials": return give(refreshToken: nil, now: now)
    case "refresh_token":
      let shown = form["refresh_token"] ?? ""
      if replaced.contains(shown) {
        counts.reused += 1
        revoke()
      }
      guard let refreshToken, shown == refreshToken else { return refusal(400, "invalid_grant") }
      guard rotates else { return give(refreshToken: nil, now: now) }
      replaced.insert(refreshToken)
      return give(refreshToken: authorize(), now: now)
    default: return refusal(400, "unsupported_grant_type")
    }
  }

  private mutating func give(refreshToken: String?, now: Double) -> Answer {
    counts.given += 1
    let token = derived("access")
    ends[token] = now + Double(lifeSeconds)
    var body: [String: JSONValue] = [
      "access_token": .string(token), "token_type": "Bearer", "expires_in": .integer(lifeSeconds),
    ]
    if let refreshToken { body["refresh_token"] = .string(refreshToken) }
    return Answer(200, .object(body), headers: ["Cache-Control": "no-store"])
  }

  private mutating func refusal(_ status: Int, _ code: String) -> Answer {
    counts.refused += 1
    return Answer(status, ["error": .string(code)])
  }

  private func isClient(_ call: Call, _ form: [String: String]) -> Bool {
    let login = Data("\(clientID):\(clientSecret)".utf8).base64EncodedString()
    let isInHeader = call.headers["authorization"] == "Basic \(login)"
    return isInHeader || (form["client_id"], form["client_secret"]) == (clientID, clientSecret)
  }

  private mutating func derived(_ purpose: String) -> String {
    made += 1
    return "\(purpose)_"
      + Digest.hex(Array(Digest.sha256(Array("sluice-world/\(seed)/\(purpose)/\(made)".utf8)).prefix(20)))
  }

  private static func form(_ body: [UInt8]) -> [String: String] {
    var fields: [String: String] = [:]
    for pair in String(decoding: body, as: UTF8.self).split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
        $0.replacing("+", with: " ").removingPercentEncoding ?? ""
      }
      fields[parts[0]] = parts.count == 2 ? parts[1] : ""
    }
    return fields
  }
}
