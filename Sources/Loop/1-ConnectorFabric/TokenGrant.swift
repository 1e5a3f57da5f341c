import CanonicalJSON
import Domain

/// The exchange with a token endpoint (RFC 6749): what is asked, and what the answer says.
package enum TokenGrant {
  /// An access token and how long it is good for.
  package struct Token: Sendable, CustomStringConvertible, CustomReflectable {
    package let bytes: [UInt8]
    /// Seconds; nil when the answer does not say.
    package let expiresIn: Int64?
    /// The refresh token that counts from now on, where the answer brings one.
    package let refreshToken: String?
    package var description: String { "<secret>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
  }

  package enum Answer: Sendable {
    case token(Token)
    /// Refused for good: an error code of RFC 6749, 5.2, or the status where there is none.
    case refused(String)
    /// No word on the grant: it is tried again.
    case unclear(String)
  }

  /// The request's head and form.
  /// - Parameter refreshToken: The one that counts now; it may be another than the operator gave.
  package static func request(
    _ grant: SlotScheme.Grant, clientID: String, clientSecret: String?, refreshToken: String?,
    base64: ([UInt8]) -> [UInt8]
  ) -> (headers: [PluginRequest.Header], body: [UInt8]) {
    var headers = [
      PluginRequest.Header("Content-Type", "application/x-www-form-urlencoded"),
      PluginRequest.Header("Accept", "application/json"),
    ]
    var form: [(String, String)] = []
    switch grant.kind {
    case .clientCredentials: form.append(("grant_type", "client_credentials"))
    case .refreshToken: form += [("grant_type", "refresh_token"), ("refresh_token", refreshToken ?? "")]
    }
    if !grant.scopes.isEmpty { form.append(("scope", grant.scopes.joined(separator: " "))) }
    if let audience = grant.audience { form.append(("audience", audience)) }
    switch grant.proof {
    case .basic:
      // RFC 6749, 2.3.1: both are form-encoded before they are joined.
      let login = [clientID, clientSecret ?? ""].map { PercentEncoding.encode(Array($0.utf8)) }.joined(separator: ":")
      headers.append(.init("Authorization", "Basic " + String(decoding: base64(Array(login.utf8)), as: UTF8.self)))
    case .body:
      form.append(("client_id", clientID))
      if let clientSecret { form.append(("client_secret", clientSecret)) }
    }
    let body = form.map { "\($0)=" + PercentEncoding.encode(Array($1.utf8)) }.joined(separator: "&")
    return (headers, Array(body.utf8))
  }

  /// Reads an answer. Nothing of its text but a registered error code is repeated: it may hold what was sent.
  package static func read(status: Int, body: [UInt8]) -> Answer {
    let object = (try? JSONValue(parsing: body))?.object
    switch status {
    case 200:
      guard let text = object?["access_token"]?.string, isToken(text) else {
        return .unclear("the answer holds no access token")
      }
      guard object?["token_type"]?.string.map({ $0.lowercased() == "bearer" }) ?? true else {
        return .refused("token_type is not Bearer")
      }
      let refresh = object?["refresh_token"]?.string
      return .token(
        Token(
          bytes: Array(text.utf8), expiresIn: object?["expires_in"]?.integer ?? seconds(object?["expires_in"]),
          refreshToken: refresh.flatMap { isToken($0) ? $0 : nil }))
    case 400..<500 where status != 408 && status != 429:
      let code = object?["error"]?.string ?? ""
      return .refused(errors.contains(code) ? code : "status \(status)")
    default: return .unclear("status \(status)")
    }
  }

  private static let errors = [
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope",
  ]

  /// Some write the number as text.
  private static func seconds(_ value: JSONValue?) -> Int64? { value?.string.flatMap { Int64($0) } }

  /// RFC 6749, A.12: visible characters only, so that it can stand in a header.
  private static func isToken(_ text: String) -> Bool {
    (1...16_384).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21..<0x7F).contains($0) }
  }
}
