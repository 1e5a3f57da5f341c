import CanonicalJSON
package import Domain
package import Identity

/// One thing that a host can be asked to do, by the command line, the API or the console.
package struct HostCommand: Sendable {
  package struct Call: Sendable {
    package let host: RunningHost
    package let arguments: JSONValue
    /// Who asks, as the door they came through has established it.
    package let user: UserID
    package let door: Choice.Door

    package init(host: RunningHost, arguments: JSONValue, user: UserID, door: Choice.Door = .cli) {
      self.host = host
      self.arguments = arguments
      self.user = user
      self.door = door
    }

    func tenant() throws -> TenantID { try CommandArgument.tenant(in: arguments) }

    func string(_ key: String) throws -> String {
      guard let text = arguments[key]?.string else { throw CommandError.missing(key) }
      return text
    }
    func optional(_ key: String) -> String? { arguments[key]?.string }
    func flag(_ key: String) -> Bool { arguments[key]?.bool ?? false }
    /// A query of a GET is text.
    func number(_ key: String) -> Int64? { arguments[key]?.integer ?? arguments[key]?.string.flatMap { Int64($0) } }

    /// Rows at most.
    func limit() throws -> Int {
      let number = number("limit") ?? 50
      guard (0...10_000).contains(number) else {
        throw CommandError.refused(
          code: "command.bad_limit", message: "\(number) is no number of rows from 0 to 10000.",
          remedy: "Ask for fewer rows.")
      }
      return Int(number)
    }
  }

  package let name: String
  package let summary: String
  /// The role that the API and the console ask for; nil: only at the host's own door.
  package let role: User.Role?
  /// What it takes besides the tenant.
  let takes: [CommandArgument]
  package let run: @Sendable (Call) async throws -> JSONValue

  /// Whether it is answered for a tenant that is suspended.
  package enum WhileSuspended: Sendable { case answered, onlyPlanned, refused }

  /// - Parameter whileSuspended: nil: answered if it only reads.
  package init(
    _ name: String, _ summary: String, role: User.Role?, whileSuspended: WhileSuspended? = nil,
    takes: [CommandArgument] = [],
    run: @escaping @Sendable (Call) async throws -> JSONValue
  ) {
    self.name = name
    self.summary = summary
    self.role = role
    self.takes = takes
    let whileSuspended = whileSuspended ?? (role == .auditor ? .answered : .refused)
    self.run = { call in
      try CommandArgument.check(call.arguments, of: name, takes: takes)
      let isAnswered = whileSuspended == .answered || (whileSuspended == .onlyPlanned && call.flag("plan"))
      if !isAnswered, let tenant = try? call.tenant() { try await call.host.refuseChange(of: tenant) }
      return try await run(call)
    }
  }

  /// Every command there is. To add one, add it here.
  package static let all: [HostCommand] =
    tenantCommands + userCommands + enableCommands + connectorCommands + upgradeCommands + dryRunCommands
    + configurationCommands + policyCommands + loopCommands + deadLetterCommands + killCommands + approvalCommands
    + ledgerCommands
    + topCommands + journalCommands + backupCommands

  package static func named(_ name: String) throws -> HostCommand {
    guard let command = all.first(where: { $0.name == name }) else { throw CommandError.unknown(name) }
    return command
  }
}

package enum CommandError: OperatorError, Equatable {
  case unknown(String)
  case missing(String)
  case noArguments(found: String)
  case unknownArgument(String, command: String, known: [String])
  case badArgument(String, found: String, allowed: String)
  case tooLarge(bytesMax: Int)
  case refused(code: String, message: String, remedy: String)
  case noHost(path: String)
  case notAllowed(String)

  package var code: String {
    switch self {
    case .unknown: "command.unknown"
    case .missing: "command.missing_argument"
    case .noArguments: "command.no_arguments"
    case .unknownArgument: "command.unknown_argument"
    case .badArgument: "command.bad_argument"
    case .tooLarge: "command.too_large"
    case .refused(let code, _, _): code
    case .noHost: "command.no_host"
    case .notAllowed: "command.not_allowed"
    }
  }
  package var message: String {
    switch self {
    case .unknown(let name): "There is no command \"\(name)\"."
    case .missing(let key): "The argument \"\(key)\" is missing."
    case .noArguments(let found): "The arguments are \(found), and not an object."
    case .unknownArgument(let name, let command, _): "\(command) takes no argument \"\(name.prefix(80))\"."
    case .badArgument(let name, let found, let allowed): "The argument \"\(name)\" is \(found), and not \(allowed)."
    case .tooLarge(let bytesMax): "What was to be sent to the host has more than \(bytesMax) bytes. Nothing was sent."
    case .refused(_, let message, _): message
    case .notAllowed(let name): "Your roles do not allow \"\(name)\" here."
    case .noHost(let path): "No host runs on \(path), and this command needs one."
    }
  }
  package var remedy: String {
    switch self {
    case .unknown, .missing: "See `sluice --help`."
    case .noArguments: "Send the arguments by name, as an object."
    case .unknownArgument(_, _, let known): "It takes \(known.joined(separator: ", "))."
    case .badArgument(let name, _, let allowed): "Give \(allowed) for \"\(name)\"."
    case .tooLarge: "Check that the file or value is the one you mean."
    case .refused(_, _, let remedy): remedy
    case .notAllowed: "Ask an operator for the role, or use `sluice` on the host itself."
    case .noHost: "Start one: `sluice up --data-dir \(messagePath)`."
    }
  }
  private var messagePath: String { if case .noHost(let path) = self { path } else { "DIR" } }
}
