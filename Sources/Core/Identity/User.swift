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
  case noRole(String, role: String)

  package var code: String {
    switch self {
    case .userExists: "identity.user_exists"
    case .noUser: "identity.no_user"
    case .noRole: "identity.no_role"
    }
  }
  package var message: String {
    switch self {
    case .userExists(let name): "The user \(name) exists already."
    case .noUser(let name): "There is no user \(name)."
    case .noRole(let name, let role): "\(name) has not the role \(role)."
    }
  }
  package var remedy: String {
    switch self {
    case .userExists: "Use another name, or `sluice user link` for a new sign-in."
    case .noUser: "See `sluice user list`, or create it: `sluice user create NAME --role approver`."
    case .noRole: "See `sluice user list`."
    }
  }
}
