import CanonicalJSON
import Cryptography
package import Domain
import Synchronization

/// The users of an installation, their API tokens and their sign-ins.
///
/// Users and token hashes rest in the keystore. Sign-in codes (5 minutes, once) and sessions live in memory: a restart
/// signs everybody out.
package final class Directory: Sendable {
  package static let codeLifetimeMs: Int64 = 5 * 60_000
  package static let sessionLifetimeMs: Int64 = 12 * 3_600_000

  private struct SignIn {
    let user: UserID
    let expiresAtMs: Int64
  }
  private struct Live {
    var codes: [Digest: SignIn] = [:]
    var sessions: [Digest: SignIn] = [:]
  }

  private let keystore: any Keystore
  private let random: @Sendable (Int) -> [UInt8]
  private let live = Mutex(Live())

  package init(keystore: any Keystore, random: @escaping @Sendable (Int) -> [UInt8]) {
    self.keystore = keystore
    self.random = random
  }

  package func create(_ user: User) throws {
    guard try keystore.value("user/\(user.id)") == nil else { throw IdentityError.userExists(user.id.rawValue) }
    try keystore.set("user/\(user.id)", try JSONValue(encoding: user).canonicalBytes)
  }

  package func user(_ id: UserID) throws -> User {
    guard let bytes = try keystore.value("user/\(id)") else { throw IdentityError.noUser(id.rawValue) }
    return try JSONValue(parsing: bytes).decode()
  }

  package func users() throws -> [User] {
    try keystore.names(withPrefix: "user/").compactMap { try keystore.value($0) }
      .map { try JSONValue(parsing: $0).decode() }
  }

  /// Takes a tenant from everybody. Who has no other one goes with it: name, token, sign-ins.
  /// - Returns: Who went.
  @discardableResult
  package func forget(_ tenant: TenantID) throws -> [UserID] {
    var gone: [UserID] = []
    for user in try users() where user.tenants.contains(tenant) {
      let left = user.tenants.filter { $0 != tenant }
      guard left.isEmpty else {
        let smaller = User(id: user.id, tenants: left, roles: user.roles)
        try keystore.set("user/\(user.id)", try JSONValue(encoding: smaller).canonicalBytes)
        continue
      }
      try remove(user.id)
      gone.append(user.id)
    }
    return gone
  }

  /// Takes a user away, with token, codes and sessions.
  /// - Throws: `IdentityError.noUser`.
  package func remove(_ id: UserID) throws {
    _ = try user(id)
    try removeTokens(of: id)
    live.withLock {
      $0.codes = $0.codes.filter { $0.value.user != id }
      $0.sessions = $0.sessions.filter { $0.value.user != id }
    }
    try keystore.remove("user/\(id)")
  }

  /// Takes a role from a user; from now on it counts nowhere. Who has none left may do nothing.
  /// - Throws: `IdentityError.noUser`, also for one of other tenants, `.noRole`.
  package func revoke(_ role: User.Role, of id: UserID, in tenant: TenantID) throws -> User {
    let user = try user(id)
    guard user.tenants.contains(tenant) else { throw IdentityError.noUser(id.rawValue) }
    guard user.roles.contains(role) else { throw IdentityError.noRole(id.rawValue, role: role.rawValue) }
    let smaller = User(id: id, tenants: user.tenants, roles: user.roles.filter { $0 != role })
    try keystore.set("user/\(id)", try JSONValue(encoding: smaller).canonicalBytes)
    return smaller
  }

  private func removeTokens(of id: UserID) throws {
    for name in try keystore.names(withPrefix: "token/") where try keystore.value(name) == Array(id.rawValue.utf8) {
      try keystore.remove(name)
    }
  }

  // API tokens.

  /// A new token for the API, shown once. An older one of the same user stops working.
  package func issueToken(_ id: UserID) throws -> String {
    let user = try user(id)
    try removeTokens(of: id)
    let token = "slu_" + Hex.encode(random(32))
    try keystore.set("token/\(SHA256.digest(token).hex)", Array(user.id.rawValue.utf8))
    return token
  }

  package func user(token: String) throws -> User? {
    guard let id = try keystore.value("token/\(SHA256.digest(token).hex)") else { return nil }
    return try UserID(rawValue: String(decoding: id, as: UTF8.self)).map { try user($0) }
  }

  // Signing in.

  /// A code that opens one session, within five minutes, once.
  package func issueCode(_ id: UserID, nowMs: Int64) throws -> String {
    let user = try user(id)
    let code = Hex.encode(random(32))
    live.withLock {
      $0.codes = $0.codes.filter { $0.value.expiresAtMs > nowMs }
      $0.codes[SHA256.digest(code)] = SignIn(user: user.id, expiresAtMs: nowMs + Self.codeLifetimeMs)
    }
    return code
  }

  /// Spends a code.
  /// - Returns: A session's token, or nil when the code is unknown, spent or too old.
  package func redeem(code: String, nowMs: Int64) -> String? {
    let session = Hex.encode(random(32))
    return live.withLock { live -> String? in
      guard let signIn = live.codes.removeValue(forKey: SHA256.digest(code)), signIn.expiresAtMs > nowMs else {
        return nil
      }
      live.sessions = live.sessions.filter { $0.value.expiresAtMs > nowMs }
      live.sessions[SHA256.digest(session)] = SignIn(
        user: signIn.user, expiresAtMs: nowMs + Self.sessionLifetimeMs)
      return session
    }
  }

  package func user(session: String, nowMs: Int64) throws -> User? {
    let signIn = live.withLock { $0.sessions[SHA256.digest(session)] }
    guard let signIn, signIn.expiresAtMs > nowMs else { return nil }
    return try user(signIn.user)
  }

  package func end(session: String) { live.withLock { $0.sessions[SHA256.digest(session)] = nil } }

  /// What a form of this session must carry, so that no other site can send it (CSRF).
  package static func formToken(session: String) -> String {
    HMACSHA256.authenticationCode(for: Array("form".utf8), key: Array(session.utf8)).hex
  }
}
