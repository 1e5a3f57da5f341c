import CanonicalJSON
package import Domain
import SQLiteStorage
import Synchronization

/// What is taken in, and why it may not be now.
extension TenantRuntime {
  /// Appends entries and returns when they are durable. Applying goes on by itself.
  /// - Throws: `IntakePause` for what can wait while nothing is taken in, `DiskFull`, `JournalError`.
  @discardableResult
  package nonisolated func append(_ entries: [NewEntry]) async throws -> [Position] {
    if entries.contains(where: \.kind.canWait), let pause = intakePause() { throw pause }
    let positions = try await appendDurably(entries)
    // Who applies already finds these too.
    if progress.withLock({ $0.begin() }) { Task { try? await self.applyAll(true) } }
    return positions
  }

  /// Why nothing may be taken in now; nil when it may.
  nonisolated func intakePause() -> (any IntakePause)? {
    let terms = terms
    if let suspension = terms.suspension { return TenantSuspended(tenant: tenant, suspension: suspension) }
    if let used = use?.counts.total, let most = terms.quotaBytes, used >= most {
      return DiskQuotaReached(tenant: tenant, usedBytes: used, quotaBytes: most)
    }
    return reserve.shortage()
  }

  /// Whether it is suspended, and how much of the disk it may use.
  nonisolated var terms: TenantTerms { held.withLock { $0 } }

  nonisolated func readTerms() throws {
    let terms = try store.view { try TenantTerms($0, standard: standardTerms) }
    held.withLock { $0 = terms }
  }

  /// Appends one input as canonical JSON.
  @discardableResult
  package nonisolated func append(_ kind: EntryKind, _ body: some Encodable & Sendable, id: Digest) async throws
    -> Position
  {
    let json = try JSONValue(encoding: body)
    let entry = NewEntry(
      id: id, kind: kind, cause: nil, recordedAtMs: clock.wallMs(), body: json.canonicalBytes)
    return try await append([entry])[0]
  }

  static func recordBytes(_ entries: [(kind: EntryKind, body: [UInt8])]) -> Int {
    entries.reduce(0) { $1.kind == .intake ? $0 + $1.body.count : $0 }
  }

  @discardableResult
  nonisolated func appendDurably(_ entries: [NewEntry]) async throws -> [Position] {
    // Counted before they can be applied, so that nothing is taken off that was never there.
    let bytes = Self.recordBytes(entries.map { ($0.kind, $0.body) })
    let epoch = progress.withLock { progress in
      progress.lineBytes += bytes
      return progress.epoch
    }
    let positions: [Position]
    do { positions = try await journal.append(entries, to: partition, epoch: epoch) } catch {
      progress.withLock { $0.lineBytes = max(0, $0.lineBytes - bytes) }
      throw error
    }
    if let last = positions.last { progress.withLock { $0.head = max($0.head, last) } }
    return positions
  }
}
