import CanonicalJSON
import Cryptography
import Domain
import Foundation
import SQLiteStorage
import TrustLedger

/// Makes a backup of a host that runs: the journal first, then what must be at least as new.
///
/// The archive gets its name once it is whole and durable, so that a file of that name is a backup. What is not in it:
/// the host key, the high-water marks, and the tenants' databases, which the journal gives again.
actor BackupWriter {
  private nonisolated let executor = BlockingExecutor(label: "sluice.backup")
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// One tenant, as far as it must be known before the journal is copied.
  struct Source: Sendable {
    let name: TenantID
    let epoch: LedgerEpoch
    let vkey: String
    /// Each of its logs, by the folder within the tenant's `ledger`: empty for the first.
    let logs: [(folder: String, objects: any ObjectStore)]
  }

  private let path: String
  private let crash: any CrashInjector
  private let output: OutputFile
  private var parts: [BackupManifest.Part] = []
  private var making: String { path + ".making" }
  private var staged: String { path + ".part" }

  /// - Parameter path: Where there is nothing yet.
  init(path: String, crash: any CrashInjector) throws {
    guard access(path, F_OK) != 0 else { throw BackupError.exists(path: path) }
    self.path = path
    self.crash = crash
    output = try OutputFile(path: path + ".making")
  }

  func write(
    _ tenants: [Source], journal: SQLiteJournal, keystore: SQLiteKeystore, erasures: Erasures, nowMs: Int64
  ) throws -> BackupManifest {
    do {
      let manifest = try writeParts(tenants, journal, keystore, erasures, nowMs)
      crash.reach(.backupBeforeName)
      guard link(making, path) == 0 else {
        if errno == EEXIST { throw BackupError.exists(path: path) }
        throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(errno))
      }
      unlink(making)
      try OutputFile.synchronize(folder: (path as NSString).deletingLastPathComponent)
      crash.reach(.backupAfterName)
      return manifest
    } catch {
      unlink(making)
      unlink(staged)
      // The names of databases are ours; the operator knows the backup's.
      throw error is DiskFull ? OperatorFileError.unwritable(path: path, reason: PlainReason.text(ENOSPC)) : error
    }
  }

  private func writeParts(
    _ tenants: [Source], _ journal: SQLiteJournal, _ keystore: SQLiteKeystore, _ erasures: Erasures, _ nowMs: Int64
  ) throws -> BackupManifest {
    crash.reach(.backupBeforeParts)
    // Read before the journal is copied: no checkpoint in the backup promises more than its journal holds.
    let checkpoints = try tenants.map { try $0.logs.map { try $0.objects.read("checkpoint") } }
    var heads: [String: UInt64] = [:]
    for number in journal.segmentNumbers {
      heads.merge(try journal.copySegment(number, to: staged)) { max($0, $1) }
      try addStaged("journal/\(SQLiteJournal.fileName(number))")
    }
    try keystore.copy(to: staged)
    try addStaged(BackupManifest.keystorePath)
    try add(BackupManifest.erasuresPath, try erasures.bytes)
    for (tenant, notes) in zip(tenants, checkpoints) {
      for (log, note) in zip(tenant.logs, notes) { try add(log.objects, of: tenant.name, log.folder, note) }
    }
    let manifest = BackupManifest(
      format: BackupManifest.formatVersion, madeAtMs: nowMs, dataFormat: DataFolder.formatVersion,
      tenants: try zip(tenants, checkpoints).map { tenant, notes in
        let note = try notes.last?.map { try Checkpoint(text: try SignedNote(parsing: $0).text) }
        return BackupManifest.Tenant(
          name: tenant.name, position: heads[tenant.name.rawValue] ?? 0, epoch: tenant.epoch, vkey: tenant.vkey,
          published: note.map { EpochBeginning.Mark(size: $0.size, root: $0.root) })
      }, parts: parts)
    let bytes = try JSONValue(encoding: manifest).canonicalBytes
    try add(BackupManifest.path, bytes)
    try add(BackupManifest.sumPath, Array((SHA256.digest(bytes).hex + "\n").utf8))
    try output.write([UInt8](repeating: 0, count: 2 * TarFile.blockBytes))
    try output.synchronize()
    return manifest
  }

  /// One log as its checkpoint of before says. Later checkpoints are left out; later tiles and payloads do no harm.
  private func add(_ objects: any ObjectStore, of tenant: TenantID, _ folder: String, _ note: [UInt8]?) throws {
    let inside = "ledger/\(tenant)/" + (folder.isEmpty ? "" : folder + "/")
    let size = try note.map { try Checkpoint(text: try SignedNote(parsing: $0).text).size } ?? 0
    for path in try objects.list("") where !path.hasSuffix(".new") {
      // The first log's folder holds the others'.
      if folder.isEmpty, path.hasPrefix("epoch-") { continue }
      if path == "checkpoint" { continue }
      if path.hasPrefix("checkpoint."), Int(path.dropFirst("checkpoint.".count)).map({ $0 > size }) ?? true { continue }
      if let bytes = try objects.read(path) { try add(inside + path, bytes) }
    }
    if let note { try add(inside + "checkpoint", note) }
  }

  private func add(_ path: String, _ bytes: [UInt8]) throws {
    try output.write(try header(path, bytes.count) + bytes + padding(bytes.count))
    parts.append(.init(path: path, bytes: bytes.count, sha256: SHA256.digest(bytes)))
  }

  private func addStaged(_ path: String) throws {
    defer { unlink(staged) }
    let input = try InputFile(path: staged)
    let size = (try FileManager.default.attributesOfItem(atPath: staged)[.size] as? Int) ?? 0
    try output.write(try header(path, size))
    let sum = try SHA256Sum()
    var left = size
    while left > 0 {
      let piece = try input.read(min(left, TarFile.pieceBytes))
      guard !piece.isEmpty else { throw BackupError.cutOff(path: staged, part: path) }
      sum.add(piece)
      try output.write(piece)
      left -= piece.count
    }
    try output.write(padding(size))
    parts.append(.init(path: path, bytes: size, sha256: sum.finish()))
  }

  private func padding(_ bytes: Int) -> [UInt8] { [UInt8](repeating: 0, count: TarFile.padding(after: bytes)) }

  private func header(_ path: String, _ bytes: Int) throws -> [UInt8] {
    guard let header = TarFile.header(path: path, bytes: bytes) else {
      throw OperatorFileError.unwritable(path: path, reason: "its name is too long for a backup")
    }
    return header
  }
}

// Durable writes; the points of a backup and of a restore stand between them.
extension OutputFile {
  func synchronize() throws {
    guard fsync(descriptor) == 0 else {
      throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(errno))
    }
  }

  /// Makes the names in a folder durable.
  static func synchronize(folder: String) throws {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw OperatorFileError.unwritable(path: folder, reason: PlainReason.text(errno)) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw OperatorFileError.unwritable(path: folder, reason: PlainReason.text(errno))
    }
  }
}
