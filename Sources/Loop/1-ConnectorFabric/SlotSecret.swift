import CanonicalJSON
import Cryptography
import Domain

/// What a slot's secret holds, read as its scheme needs it. It has no text form.
package enum SlotSecret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  case text([UInt8])
  case key(id: String?, [UInt8])
  case client(id: String, secret: String?, refreshToken: String?)
  case aws(id: String, key: String, session: String?)
  /// A certificate with its chain and private key, PEM.
  case identity([UInt8])

  package var description: String { "<secret>" }
  package var debugDescription: String { "<secret>" }
  package var customMirror: Mirror { Mirror(self, children: []) }

  /// Why a secret does not fit its slot: what is missing, and never what was given.
  package struct Misfit: Error, Equatable, Sendable {
    package let reason: String
    package let expected: String
  }

  package init(_ bytes: [UInt8], for scheme: SlotScheme) throws(Misfit) {
    let expected = SlotSecret.expected(of: scheme)
    func misfit(_ reason: String) -> Misfit { Misfit(reason: reason, expected: expected) }
    func check(_ bytes: [UInt8]) throws(Misfit) {
      guard !bytes.isEmpty else { throw misfit("it is empty") }
      guard SlotSecret.isHeaderText(bytes) else { throw misfit("it holds line breaks, or other control characters") }
    }
    switch scheme {
    case .bearer, .header:
      try check(bytes)
      self = .text(bytes)
    case .basic:
      try check(bytes)
      guard bytes.contains(UInt8(ascii: ":")) else { throw misfit("it holds no \":\"") }
      self = .text(bytes)
    case .query:
      try check(bytes)
      self = .text(bytes)
    case .hmac(let signing) where !signing.needsKeyID: self = .key(id: nil, bytes)
    case .hmac:
      let members = try SlotSecret.members(bytes, needed: ["key_id", "secret"], misfit)
      self = .key(id: members["key_id"]!, Array(members["secret"]!.utf8))
    case .oauth2(let grant):
      let isPublic = grant.kind == .refreshToken && grant.proof == .body
      var needed = isPublic ? ["client_id"] : ["client_id", "client_secret"]
      if grant.kind == .refreshToken { needed.append("refresh_token") }
      let members = try SlotSecret.members(bytes, needed: needed, optional: isPublic ? ["client_secret"] : [], misfit)
      self = .client(
        id: members["client_id"]!, secret: members["client_secret"], refreshToken: members["refresh_token"])
    case .sigv4:
      let members = try SlotSecret.members(
        bytes, needed: ["access_key_id", "secret_access_key"], optional: ["session_token"], misfit)
      self = .aws(
        id: members["access_key_id"]!, key: members["secret_access_key"]!, session: members["session_token"])
    case .mtls:
      do { try ClientIdentity.check(bytes) } catch { throw misfit(error.rawValue) }
      self = .identity(bytes)
    }
  }

  private static func expected(of scheme: SlotScheme) -> String {
    switch scheme {
    case .bearer, .header, .query: "one line: the token or key itself"
    case .basic: "one line: USER:PASSWORD"
    case .hmac(let signing): signing.needsKeyID ? #"JSON: {"key_id","secret"}"# : "the key itself"
    case .oauth2(let grant):
      grant.kind == .clientCredentials
        ? #"JSON: {"client_id","client_secret"}"#
        : grant.proof == .body
          ? #"JSON: {"client_id","refresh_token"}, and "client_secret" where the client has one"#
          : #"JSON: {"client_id","client_secret","refresh_token"}"#
    case .sigv4: #"JSON: {"access_key_id","secret_access_key"}, and "session_token" for temporary ones"#
    case .mtls: "PEM: the certificate, its chain and its private key without a passphrase, one after the other"
    }
  }

  private static func isHeaderText(_ bytes: [UInt8]) -> Bool {
    !bytes.isEmpty && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
  }

  private static func members(
    _ bytes: [UInt8], needed: [String], optional: [String] = [], _ misfit: (String) -> Misfit
  ) throws(Misfit) -> [String: String] {
    guard let object = (try? JSONValue(parsing: bytes))?.object else { throw misfit("it is no JSON object") }
    let known = needed + optional
    // A key is named only when it is one that is known here: anything else may be the secret itself, misplaced.
    guard object.keys.allSatisfy(known.contains) else { throw misfit("it has other members than it may") }
    var members: [String: String] = [:]
    for key in known {
      guard let value = object[key] else {
        if needed.contains(key) { throw misfit("\"\(key)\" is missing") }
        continue
      }
      guard let text = value.string, isHeaderText(Array(text.utf8)) else {
        throw misfit("\"\(key)\" is no text of one line")
      }
      members[key] = text
    }
    return members
  }
}
