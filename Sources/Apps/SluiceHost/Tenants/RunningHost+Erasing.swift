import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import FileStorage
import Foundation
import Identity
import SQLiteStorage
import TrustLedger
import Vault

// A tenant that is made unreadable for good.
extension RunningHost {
  /// What would go and what would remain.
  func erasurePlan(of tenant: TenantID) throws -> JSONValue {
    let open = try opened(tenant)
    let users = try directory.users().filter { $0.tenants.contains(tenant) }
    let going = users.filter { $0.tenants == [tenant] }.count
    let tree = try open.runtime.view { try LedgerStage.tree(in: $0) }
    let entries = open.runtime.appliedNumber + open.runtime.lag
    return [
      "tenant": .string(tenant.rawValue), "erased": false,
      "goes": [
        .string("its keys, and \(try vault.slots(tenant: tenant).count) secrets with what replaced them"),
        .string("\(entries) entries of the journal, and its database"),
        .string(
          "what \(tree.size) entries of its log commit to; installed connectors: \(try enablings(of: tenant).count)"),
        .string("the rights of \(users.count) users in it; \(going) of them have no other tenant, and go"),
        .string("\(open.runtime.use?.counts.total ?? 0) bytes of the disk, but for its log"),
      ],
      "remains": [
        "its log's hashes and signed checkpoints, with the order that ended it", "its name, which is never used again",
        "backups made before, which obey the list of erasures when they are restored",
      ],
      "next": .string("sluice tenant erase \(tenant) --confirm \(tenant)"),
    ]
  }

  /// Puts a tenant on both lists of erasures, ends it, and makes what there is of it unreadable. Once the first list has
  /// it there is no way back: what fails later is finished by the next start.
  /// - Throws: `TenantRefusal`, `UpgradeError.busy`; then nothing has happened.
  func erase(_ tenant: TenantID, confirm: String, by user: UserID) async throws -> JSONValue {
    let begun = erasures.erased.first { $0.tenant == tenant && !TenantErasure.isDone(tenant, in: folder) }
    // What a full disk, say, kept from being finished is gone on with; it was confirmed then.
    if begun == nil {
      _ = try opened(tenant)
      guard confirm == tenant.rawValue else { throw TenantRefusal.notConfirmed(tenant, given: confirm) }
    }
    guard !isBackingUp else { throw TenantRefusal.backupUnderWay(tenant) }
    guard !trimming.contains(tenant) else { throw TenantRefusal.busy(tenant) }
    try beginTurn(tenant)
    defer { turning.remove(tenant) }
    let erasure = begun ?? Erasures.Erasure(tenant: tenant, erasedAtMs: SystemSources.wallClockMs(), by: user)
    options.crash.reach(.erasureBeforeList)
    try list(erasure)
    log.info("tenant.erasing", "A tenant is being erased.", ["tenant": "\(tenant)", "by": "\(erasure.by)"])
    if let open = tenants[tenant] { try await end(open, erasure) }
    try await finish(erasure)
    return try erasedRow(erasure)
  }

  /// Ends all that runs of a tenant, its log last.
  private func end(_ open: OpenTenant, _ erasure: Erasures.Erasure) async throws {
    let tenant = erasure.tenant
    options.crash.reach(.erasureBeforeStop)
    ingress.close(of: tenant)
    await open.actions.stop()
    await stopInstances(of: tenant)
    await pool.forget(tenant)
    options.crash.reach(.erasureBeforeLeaf)
    await endLog(of: open, erasure)
    await open.ledger.close()
    tenants[tenant] = nil
    try await open.runtime.close(for: HostError.erased(tenant))
    metrics.forget(tenant)
  }

  /// The erasures that were begun and not finished.
  var unfinishedErasures: [TenantID] {
    erasures.erased.map(\.tenant).filter { !turning.contains($0) && !TenantErasure.isDone($0, in: folder) }
  }

  /// A tenant of whom there may still be something that no backup may hold; nil when there is none.
  var tenantBeingErased: TenantID? {
    erasures.erased.map(\.tenant).first { !TenantErasure.isDone($0, in: folder) }
  }

  /// What remains of a tenant that was erased here.
  private func erasedRow(_ erasure: Erasures.Erasure) throws -> JSONValue {
    let ending = try TenantErasure.ending(of: erasure.tenant, in: folder)
    return [
      "tenant": .string(erasure.tenant.rawValue), "erased": true, "by": .string(erasure.by.rawValue),
      "erased_at_ms": .integer(erasure.erasedAtMs),
      "ledger": .string(TenantErasure.ledgerFolder(of: erasure.tenant, in: folder)),
      "log_says_so": .bool(ending != nil),
    ]
  }

  /// Both lists, durable. The one in the folder counts for its host; when the other one cannot be written, it is taken back.
  private func list(_ erasure: Erasures.Erasure) throws {
    let before = erasures
    var list = before
    if !before.contains(erasure.tenant) { list.add(erasure) }
    let path = folder.file("erasures")
    try releasingOnce { try list.write(path) }
    erasures = list
    options.crash.reach(.erasureBeforeSecondList)
    do { try releasingOnce(writeErasuresBesideKey) } catch {
      // One that was begun before stays so.
      if before.contains(erasure.tenant) { throw error }
      do { try before.write(path) } catch let second {
        log.error(second, ["tenant": "\(erasure.tenant)"])
        throw error
      }
      erasures = before
      throw error
    }
  }

  /// Who erases on a full disk may need the room that the ballast gives.
  private func releasingOnce(_ body: () throws -> Void) throws {
    do { try body() } catch {
      guard reserve.release() else { throw error }
      try body()
    }
  }

  /// The last order of a tenant, in its log and published: whoever checks the log sees that it ended on purpose. If that
  /// cannot be, it is erased all the same.
  private func endLog(of open: OpenTenant, _ erasure: Erasures.Erasure) async {
    let tenant = erasure.tenant
    let order = Order(verb: .eraseTenant, target: tenant.rawValue, argument: nil, by: erasure.by)
    do {
      // One id for one erasure: a second try adds nothing.
      let id = StableID.of("order", [order.verb.rawValue, tenant.rawValue, "\(erasure.erasedAtMs)"])
      try await open.runtime.applied(to: try await open.runtime.append(.order, order, id: id))
      do { try await open.ledger.publishNow() } catch {
        guard reserve.release() else { throw error }
        try await open.ledger.publishNow()
      }
    } catch {
      log.warning(
        "tenant.log_not_ended", "The log of an erased tenant does not say that it ended.",
        ["tenant": "\(tenant)", "reason": UnnamedFault.named(error).message])
    }
  }

  private func finish(_ erasure: Erasures.Erasure) async throws {
    let tenant = erasure.tenant
    let steps = TenantErasure(
      tenant: tenant, folder: folder, keystore: keystore, vault: vault, directory: directory, packer: packer,
      crash: options.crash)
    let work = LongWork()
    do { try await work.run { _ in try await steps.finish() } } catch {
      guard reserve.release() else { throw error }
      try await work.run { _ in try await steps.finish() }
    }
    log.info(
      "tenant.erased", "Nothing of a tenant can be read any more.", ["tenant": "\(tenant)", "by": "\(erasure.by)"])
  }

  /// Goes on with erasures that a host did not finish, or that the folder was restored with. Nobody has opened anything
  /// yet. What cannot be finished now keeps nobody else from running: it is told, and nothing of it is opened.
  func finishErasures() async throws {
    for erasure in erasures.erased where !TenantErasure.isDone(erasure.tenant, in: folder) {
      let tenant = erasure.tenant
      let isWhole = FileManager.default.fileExists(atPath: folder.file("tenants/\(tenant)/ledger"))
      if isWhole, !options.isRestoring, try vault.hasKeys(.tenant(tenant)) {
        do {
          let open = try await open(tenant)
          await endLog(of: open, erasure)
          await open.ledger.close()
          try await open.runtime.close(for: HostError.erased(tenant))
          metrics.forget(tenant)
        } catch {
          log.warning(
            "tenant.log_not_ended", "The log of an erased tenant does not say that it ended.",
            ["tenant": "\(tenant)", "reason": UnnamedFault.named(error).message])
        }
      }
      do { try await finish(erasure) } catch {
        log.error(error, ["tenant": "\(tenant)", "erasing": "unfinished"])
      }
    }
    // A segment that was made while one was taken out may tell of its packs.
    for erasure in erasures.erased where TenantErasure.isDone(erasure.tenant, in: folder) {
      guard await journal.knows(.tenant(erasure.tenant)) else { continue }
      do { try await packer.erase(.tenant(erasure.tenant)) } catch {
        log.error(error, ["tenant": "\(erasure.tenant)", "erasing": "unfinished"])
      }
    }
  }
}
