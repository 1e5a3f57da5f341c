import CanonicalJSON
package import Domain
package import HTTPEdge
package import Identity

/// The host as its doors see it.
package struct HostEdge: EdgeBackend {
  private let host: RunningHost
  private let load: EdgeLoad
  package init(host: RunningHost, load: EdgeLoad) {
    self.host = host
    self.load = load
  }

  package func receive(hook: String, _ request: EdgeRequest) async -> HookAnswer {
    await host.ingress.receive(hook: hook, request)
  }
  package func knows(hook: String) -> Bool { host.ingress.knows(hook) }
  package func metricsText() async -> String {
    host.metrics.edge(load.counts)
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

extension Metrics {
  func edge(_ counts: EdgeLoad.Counts) {
    set("sluice_edge_connections", counts.connections)
    set("sluice_edge_body_bytes", counts.bodyBytes)
    for (overload, count) in counts.turnedAway {
      set("sluice_edge_turned_away_total", count, [("cause", "\(overload)")])
    }
  }
}

extension EdgeLoad {
  /// What the doors of a host may bear: what its settings say, within the files that it may open. The rest is kept for
  /// workers, databases, requests through the egress and the command line's socket.
  package convenience init(_ settings: HostSettings, filesMax: Int, log: HostLog) {
    self.init(
      settings.edge.limits(filesMax: filesMax, isBehindProxy: settings.isBehindProxy), nowMs: SystemSources.monotonicMs
    ) {
      overload, count in
      log.warning(overload.code, "\(overload.message) \(overload.remedy)", ["turned_away": "\(count)"])
    }
  }
}
