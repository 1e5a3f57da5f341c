import CanonicalJSON
package import Domain
package import HTTPEdge
package import Identity

/// The host as its doors see it.
package struct HostEdge: EdgeBackend {
  private let host: RunningHost
  package init(host: RunningHost) { self.host = host }

  package func receive(hook: String, _ request: EdgeRequest) async -> HookAnswer {
    await host.ingress.receive(hook: hook, request)
  }
  package func metricsText() async -> String {
    await host.countWhatStands()
    await host.measureTenants()
    return host.metrics.text()
  }
  package func obstacles() async -> [String] { await host.obstacles() }

  package func call(
    _ command: String, arguments: JSONValue, user: User, door: Choice.Door
  ) async throws -> JSONValue {
    let known = try HostCommand.named(command)
    let tenant = try CommandArgument.tenant(in: arguments)
    guard let role = known.role, user.may(role, in: tenant) else { throw CommandError.notAllowed(command) }
    do { return try await known.run(.init(host: host, arguments: arguments, user: user.id, door: door)) } catch {
      if !(error is any OperatorError) { host.log.error(error, ["command": command]) }
      throw UnnamedFault.named(error)
    }
  }

  package func onlyReads(_ command: String) -> Bool { (try? HostCommand.named(command))?.role == .auditor }

  package func user(token: String) async throws -> User? { try host.directory.user(token: token) }
  package func user(session: String) async throws -> User? {
    try host.directory.user(session: session, nowMs: SystemSources.wallClockMs())
  }
  package func redeem(code: String) async -> String? {
    host.directory.redeem(code: code, nowMs: SystemSources.wallClockMs())
  }
  package func end(session: String) async { host.directory.end(session: session) }
}

extension RunningHost {
  /// What keeps the host from doing its work.
  func obstacles() async -> [String] {
    var obstacles = reserve.shortage().map { [$0.message] } ?? []
    obstacles += unfinishedErasures.map {
      "The erasure of \($0) is not finished: `sluice tenant erase \($0) --confirm \($0)`."
    }
    for tenant in tenantNames() {
      if let failure = await (try? self.tenant(tenant))?.failureText { obstacles.append("\(tenant): \(failure)") }
    }
    return obstacles
  }
}
