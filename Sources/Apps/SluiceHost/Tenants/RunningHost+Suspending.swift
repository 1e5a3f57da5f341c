import Domain
import Policy

// A tenant that rests: nothing of it runs, nothing comes in, and everything of it can be read.
extension RunningHost {
  /// Ends what runs of a tenant, effects under way last of all, and journals that it is suspended.
  /// - Throws: `TenantSuspended` when it is; `UpgradeError.busy` while a connector's version is being replaced.
  func suspend(_ tenant: TenantID, reason: String, by user: UserID) async throws -> Suspension {
    guard (1...Suspension.reasonLengthMax).contains(reason.count) else { throw TenantRefusal.badReason }
    let open = try opened(tenant)
    return try await turn(tenant) {
      if let suspension = open.runtime.terms.suspension {
        throw TenantSuspended(tenant: tenant, suspension: suspension)
      }
      await open.actions.suspend()
      await stopInstances(of: tenant)
      do {
        try await order(
          Order(verb: .suspendTenant, target: tenant.rawValue, argument: reason, by: user), for: tenant)
      } catch {
        await open.actions.resume(starting: isRunningInstances)
        throw error
      }
      // Who asks the log knows it at once.
      await open.ledger.publishSoon()
      guard let suspension = open.runtime.terms.suspension else { throw TenantRefusal.notSuspended(tenant) }
      log.info(
        "tenant.suspended", "A tenant was suspended.", ["tenant": "\(tenant)", "by": "\(user)", "reason": reason])
      return suspension
    }
  }

  /// Journals that a tenant goes on, and starts what was enabled.
  func resume(_ tenant: TenantID, by user: UserID) async throws {
    let open = try opened(tenant)
    try await turn(tenant) {
      guard open.runtime.terms.suspension != nil else { throw TenantRefusal.notSuspended(tenant) }
      try await order(Order(verb: .resumeTenant, target: tenant.rawValue, argument: nil, by: user), for: tenant)
      log.info("tenant.resumed", "A tenant goes on.", ["tenant": "\(tenant)", "by": "\(user)"])
      await open.actions.resume(starting: isRunningInstances)
    }
  }

  /// Runs what changes a tenant as a whole: one at a time, and none while one of its connectors is being replaced. What
  /// is to run afterwards is started.
  private func turn<Result: Sendable>(_ tenant: TenantID, _ body: () async throws -> Result) async throws -> Result {
    try beginTurn(tenant)
    let result: Swift.Result<Result, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    turning.remove(tenant)
    if tenants[tenant] != nil { try await startAgain(tenant) }
    return try result.get()
  }

  func beginTurn(_ tenant: TenantID) throws {
    let prefix = "\(tenant)/"
    if let key = upgrading.keys.first(where: { $0.hasPrefix(prefix) }),
      let instance = InstanceID(rawValue: String(key.dropFirst(prefix.count)))
    {
      throw UpgradeError.busy(instance: instance)
    }
    guard turning.insert(tenant).inserted else { throw TenantRefusal.busy(tenant) }
  }

  func refuseErased(_ tenant: TenantID) throws {
    if erasures.contains(tenant) { throw HostError.erased(tenant) }
  }

  /// - Throws: Why nothing of the tenant is changed now.
  func refuseChange(of tenant: TenantID) throws {
    try refuseErased(tenant)
    if turning.contains(tenant) { throw TenantRefusal.busy(tenant) }
    if let suspension = tenants[tenant]?.runtime.terms.suspension {
      throw TenantSuspended(tenant: tenant, suspension: suspension)
    }
  }
}
