import CanonicalJSON
import Domain
import Identity
import Synchronization

extension HostCommand {
  static let userCommands: [HostCommand] = [
    HostCommand(
      "user.create", "Create a user", role: nil, whileSuspended: .answered, takes: [.text("name"), .list("roles")]
    ) { call in
      let id = try UserID(parsing: try call.string("name"))
      let roles = try (call.arguments["roles"]?.array ?? ["approver"]).map(role)
      let tenant = try call.tenant()
      // Whoever makes a tenant of that name one day would find somebody in it.
      _ = try await call.host.opened(tenant)
      try call.host.directory.create(User(id: id, tenants: [tenant], roles: roles))
      return row(try call.host.directory.user(id), in: tenant)
    },
    HostCommand(
      "user.revoke", "Take a role from a user", role: nil, whileSuspended: .answered,
      takes: [.text("name"), .text("role")]
    ) { call in
      let (id, tenant) = (try UserID(parsing: try call.string("name")), try call.tenant())
      let role = try role(.string(try call.string("role")))
      return row(try call.host.directory.revoke(role, of: id, in: tenant), in: tenant)
    },
    HostCommand(
      "user.remove", "Remove a user with token, links and sessions", role: nil, whileSuspended: .answered,
      takes: [.text("name")]
    ) { call in
      let id = try UserID(parsing: try call.string("name"))
      try call.host.directory.remove(id)
      return ["user": .string(id.rawValue), "removed": true]
    },
    HostCommand("user.list", "List users", role: .auditor) { call in
      let tenant = try call.tenant()
      return .array(
        try call.host.directory.users().filter { $0.tenants.contains(tenant) }.map { row($0, in: tenant) })
    },
    HostCommand(
      "user.link", "Make a sign-in code: five minutes, once", role: nil, whileSuspended: .answered,
      takes: [.text("name")]
    ) { call in
      let id = try UserID(parsing: try call.string("name"))
      let code = try call.host.directory.issueCode(id, nowMs: SystemSources.wallClockMs())
      let path = "/sign-in?code=\(code)"
      // Where people reach it from elsewhere, when that is known.
      let address = call.host.servedAt.withLock { $0.map { call.host.options.settings.publicURL ?? $0 } }
      return ["path": .string(path), "url": address.map { .string($0 + path) } ?? .null, "minutes": 5]
    },
    HostCommand(
      "user.token", "Make an API token; an older one stops working", role: nil, whileSuspended: .answered,
      takes: [.text("name")]
    ) {
      call in
      let id = try UserID(parsing: try call.string("name"))
      return ["token": .string(try call.host.directory.issueToken(id))]
    },
  ]

  private static func row(_ user: User, in tenant: TenantID) -> JSONValue {
    [
      "user": .string(user.id.rawValue), "roles": .array(user.roles.map { .string($0.rawValue) }),
      "tenant": .string(tenant.rawValue),
    ]
  }

  private static func role(_ value: JSONValue) throws -> User.Role {
    guard let role = value.string.flatMap(User.Role.init) else {
      let known = User.Role.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandError.refused(
        code: "user.unknown_role", message: "\(value.canonicalText.prefix(80)) is no role. There are: \(known).",
        remedy: "Give one of them with `--role`.")
    }
    return role
  }
}
