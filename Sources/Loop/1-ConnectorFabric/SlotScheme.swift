package import Cryptography
import Domain

/// How a slot's secret becomes the credential of a request, with what the manifest says of it.
package enum SlotScheme: Sendable, Equatable {
  /// As a manifest names it.
  package enum Name: String, Sendable, CaseIterable {
    case bearer, basic, header, query, hmac
    case clientCredentials = "oauth2_client_credentials"
    case refreshToken = "oauth2_refresh_token"
    case sigv4, mtls
  }

  /// `Authorization: Bearer SECRET`.
  case bearer
  /// `Authorization: Basic base64(SECRET)`; the secret is `user:password`.
  case basic
  /// `NAME: SECRET`.
  case header(String)
  /// `?NAME=SECRET`, put there by the host.
  case query(String)
  case hmac(Signing)
  /// `Authorization: Bearer TOKEN`; the host gets the token and renews it.
  case oauth2(Grant)
  /// AWS Signature Version 4 in the `Authorization` header.
  case sigv4(service: String, region: String)
  /// A certificate in TLS.
  case mtls

  /// A keyed hash over parts of the request.
  package struct Signing: Sendable, Equatable {
    package enum Encoding: String, Sendable, CaseIterable { case hex, base64 }
    package enum Time: String, Sendable, CaseIterable { case seconds, milliseconds, rfc3339 }
    package let algorithm: KeyedHash
    /// What is signed.
    package let text: SigningTemplate
    package let encoding: Encoding
    /// The header of the signature, and what stands before it there.
    package let header: String
    package let prefix: SigningTemplate
    /// The header of the time that was signed.
    package let timeHeader: String?
    package let time: Time
    package let keyIDHeader: String?

    /// Whether the secret is a key alone, or a key and the id by which the upstream knows it.
    package var needsKeyID: Bool { keyIDHeader != nil || text.names.contains(.keyID) || prefix.names.contains(.keyID) }
    var headers: [String] { [header, timeHeader, keyIDHeader].compactMap(\.self) }
  }

  /// Where and how an access token is had (RFC 6749).
  package struct Grant: Sendable, Equatable {
    package enum Kind: Sendable, Equatable { case clientCredentials, refreshToken }
    /// How the client proves itself (RFC 6749, 2.3.1).
    package enum ClientProof: String, Sendable, CaseIterable { case basic, body }
    package let kind: Kind
    package let endpoint: String
    package let path: String
    package let proof: ClientProof
    package let scopes: [String]
    package let audience: String?
  }

  package var name: Name {
    switch self {
    case .bearer: .bearer
    case .basic: .basic
    case .header: .header
    case .query: .query
    case .hmac: .hmac
    case .oauth2(let grant): grant.kind == .clientCredentials ? .clientCredentials : .refreshToken
    case .sigv4: .sigv4
    case .mtls: .mtls
    }
  }

  /// Headers besides `Authorization` that the host sets for it, in lower case; never a plugin's.
  package var hostHeaders: [String] {
    switch self {
    case .header(let name): [name.lowercased()]
    case .hmac(let signing): signing.headers.map { $0.lowercased() }
    case .sigv4: ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"]
    case .bearer, .basic, .query, .oauth2, .mtls: []
    }
  }

  /// The name in the query that the host sets for it; never a plugin's.
  package var hostQuery: String? { if case .query(let name) = self { name } else { nil } }
}
