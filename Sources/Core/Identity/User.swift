// Identity: who is there and what they may do. Comes in: names, tokens, codes. Goes out: a user, or nothing. It keeps
// hashes of tokens, never tokens; it reads no clock and draws no randomness.

package import Domain

/// Someone who may sign in.
package struct User: Codable, Sendable, Equatable {
  package enum Role: String, Codable, Sendable, CaseIterable {
    /// Judges held actions.
    case approver
    /// Enables connectors, sets secrets, stops things.
    case `operator`
    /// Reads everything, changes nothing.
    case auditor
  }
  package let id: UserID
  package let tenants: [TenantID]
  package let roles: [Role]

  package init(id: UserID, tenants: [TenantID], roles: [Role]) {
    self.id = id
    self.tenants = tenants
    self.roles = roles
  }

  package func may(_ role: Role, in tenant: TenantID) -> Bool {
    tenants.contains(tenant) && (roles.contains(role) || (role == .auditor && !roles.isEmpty))
  }
}

package enum IdentityError: OperatorError, Equatable {
  case userExists(String)
  case noUser(String)

  package var code: String {
    switch self {
    case .userExists: "identity.user_exists"
    case .noUser: "identity.no_user"
    }
  }
  package var message: String {
    switch self {
    case .userExists(let name): "The user \(name) exists already."
    case .noUser(let name): "There is no user \(name)."
    }
  }
  package var remedy: String {
    switch self {
    case .userExists: "Use another name, or `sluice user link` for a new sign-in."
    case .noUser: "Create it: `sluice user create NAME --role approver`."
    }
  }
}
