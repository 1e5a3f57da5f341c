import CanonicalJSON
import Domain
import FileStorage
import Foundation
import SQLiteStorage
import TrustLedger
import WholeLoop

// What is done with the journal's past while a host runs: a round of packing and trimming whenever a segment was closed, and
// every hour, since what is kept for a number of days grows old by itself. Nobody waits for a tenant that is behind, or fails.
extension RunningHost {
  private static let pauseMs: Int64 = 3_600_000

  func keepHouse() async {
    retentionClock = await RetentionClock(
      newestMs: newestEntryMs(), wallMs: options.clock.wallMs(), steadyMs: options.clock.monotonicMs())
    await journal.whenRolled { [weak self] in Task { await self?.keepHouseSoon() } }
    keepHouseSoon()
  }

  private func keepHouseSoon() {
    guard housekeeping == nil else { return isHousekeepingAgain = true }
    housekeeping = Task { await self.round() }
  }

  /// Returns when no round is under way.
  func endHousekeeping() async { await housekeeping?.value }

  private func round() async {
    repeat {
      isHousekeepingAgain = false
      if options.settings.isPacking { await packAll() }
      await trimAll()
    } while isHousekeepingAgain && isRunning
    housekeeping = nil
    // Without either nothing comes of itself.
    let settings = options.settings
    guard isRunning, !isHousekeepingLater, settings.isPacking || settings.retention != .init() else { return }
    isHousekeepingLater = true
    _ = pool.after(ms: Self.pauseMs) { [weak self] in Task { await self?.keepHouseLater() } }
  }

  private func keepHouseLater() {
    isHousekeepingLater = false
    keepHouseSoon()
  }

  private func packAll() async {
    do {
      let report = try await packNow()
      if let name = report.waitingFor, let waiting = TenantID(rawValue: name) {
        packOnce(waiting, hasApplied: report.waitingUntil)
      }
    } catch { tellFailed(error, [:]) }
  }

  /// A tenant that is behind keeps one segment, and no round.
  private func packOnce(_ tenant: TenantID, hasApplied position: Position) {
    guard let runtime = try? self.tenant(tenant), awaited.insert(tenant).inserted else { return }
    Task { [weak self] in
      let isReached = (try? await runtime.reached(position)) != nil
      await self?.isAwaited(tenant, isReached)
    }
  }

  private func isAwaited(_ tenant: TenantID, _ isReached: Bool) {
    awaited.remove(tenant)
    // One that has stopped to apply is told of elsewhere.
    if isReached { keepHouseSoon() }
  }

  private func trimAll() async {
    let (wallMs, steadyMs) = (options.clock.wallMs(), options.clock.monotonicMs())
    let mayTrim = retentionClock?.isBelieved(wallMs: wallMs, steadyMs: steadyMs) ?? true
    if !mayTrim {
      log.warning(
        "journal.clock_leapt",
        "The clock leapt by more than a day: nothing is let go by age until it has been right for one.",
        ["now_ms": "\(wallMs)"])
    }
    for tenant in tenantNames() where isRunning && !erasures.contains(tenant) {
      do { _ = try await trimNow(tenant, days: mayTrim ? options.settings.rawDays(of: tenant) : nil, by: nil) } catch {
        if !erasures.contains(tenant) { tellFailed(error, ["tenant": "\(tenant)"]) }
      }
    }
  }

  private func tellFailed(_ error: any Error, _ fields: [String: String]) {
    metrics.add("sluice_pack_failures_total", 1)
    log.error(error, fields)
  }

  /// When the newest entry of any tenant was recorded; nil when there is none.
  private func newestEntryMs() async -> Int64? {
    var newest: Int64?
    for tenant in tenantNames() {
      let head = await journal.head(of: .tenant(tenant))
      guard head > .origin, let entry = try? journal.entry(at: head, of: .tenant(tenant)) else { continue }
      newest = max(newest ?? entry.recordedAtMs, entry.recordedAtMs)
    }
    return newest
  }

  /// Packs all that is closed and applied.
  @discardableResult
  func packNow() async throws -> JournalPacker.Report {
    defer { countPacks() }
    let report = try await packer.pack(packingRules)
    metrics.add("sluice_journal_packed_entries_total", report.entries)
    if report.packs > 0 || report.segments > 0 {
      log.info(
        "journal.packed", "Entries moved into packs.",
        ["packs": "\(report.packs)", "entries": "\(report.entries)", "segments": "\(report.segments)"])
    }
    return report
  }

  private nonisolated var packingRules: JournalPacker.Rules {
    .init(
      isApplied: { [weak self] partition, position in await self?.hasApplied(partition, position) ?? false },
      isForgotten: { [weak self] partition in await self?.isForgotten(partition) ?? false },
      shortage: { [reserve] in reserve.shortage() })
  }

  /// Nobody applies what is the host's own.
  private func hasApplied(_ partition: Partition, _ position: Position) async -> Bool {
    if partition == .host { return true }
    guard let name = TenantID(rawValue: partition.name), let runtime = tenants[name]?.runtime else { return false }
    return runtime.appliedNumber >= position.number
  }

  private func isForgotten(_ partition: Partition) -> Bool {
    // Until its log has ended, what is not applied of it must not go.
    TenantID(rawValue: partition.name).map { erasures.contains($0) && tenants[$0] == nil } ?? false
  }

  func countPacks() {
    let status = journal.status
    metrics.set("sluice_journal_segments", status.segments.count)
    metrics.set("sluice_journal_segment_bytes", status.segments.reduce(0) { $0 + $1.bytes })
    for row in status.partitions {
      let labels = [("tenant", row.partition.name)]
      metrics.set("sluice_journal_packs", row.packs, labels)
      metrics.set("sluice_journal_pack_bytes", row.packBytes, labels)
      metrics.set("sluice_journal_first_position", Int(row.firstKept.number), labels)
    }
  }

  /// Segments and packs, and where each partition stands.
  func journalStatus() async -> JSONValue {
    let status = journal.status
    countPacks()
    var partitions: [JSONValue] = []
    for row in status.partitions {
      let tenant = TenantID(rawValue: row.partition.name)
      let trim = tenant.flatMap { name in try? self.tenant(name).view { try LoopAssembly.trimmed($0) } }
      partitions.append([
        "tenant": .string(row.partition.name), "first_position": .integer(Int64(row.firstKept.number)),
        "packed_through": .integer(Int64(row.packedThrough.number)),
        "last_position": .integer(Int64((await journal.head(of: row.partition)).number)),
        "packs": .integer(Int64(row.packs)), "pack_bytes": .integer(Int64(row.packBytes)),
        "raw_days": tenant.flatMap { options.settings.rawDays(of: $0) }.map { .integer(Int64($0)) } ?? .null,
        "trimmed": (trim ?? nil).map {
          [
            "first_kept": .integer(Int64($0.firstKept)), "rule": .string($0.rule),
            "snapshot": .integer(Int64($0.snapshot)), "digest": .string($0.digest.hex),
          ]
        } ?? .null,
      ])
    }
    return [
      "segments": .array(
        status.segments.map { ["number": .integer(Int64($0.number)), "bytes": .integer(Int64($0.bytes))] }),
      "segment_bytes": .integer(Int64(status.segments.reduce(0) { $0 + $1.bytes })),
      "pack_bytes": .integer(Int64(status.partitions.reduce(0) { $0 + $1.packBytes })),
      "partitions": .array(partitions),
    ]
  }

  nonisolated func past(of tenant: TenantID) -> TrimmedPast {
    TrimmedPast(partition: .tenant(tenant), journal: journal, objects: objects, sealer: vault)
  }
}
