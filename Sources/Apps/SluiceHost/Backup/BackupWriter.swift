import CanonicalJSON
import Cryptography
import Domain
import Foundation
import SQLiteStorage
import TrustLedger
import Vault

/// Makes a backup of a host that runs: the journal first, then what must be at least as new.
///
/// The archive gets its name once it is whole and durable, so that a file of that name is a backup. What is not in it:
/// the host key, the high-water marks, and the tenants' databases, which the journal gives again.
actor BackupWriter {
  private nonisolated let executor = BlockingExecutor(label: "sluice.backup")
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// What is backed up.
  struct Holdings: Sendable {
    let journal: any JournalFiles
    let keystore: SQLiteKeystore
    let vault: Vault
    let erasures: Erasures
    let dataFolder: String
    /// Packs and snapshots.
    let objects: any ObjectStore
    /// The folder's format, which the manifest tells.
    var dataFormat = DataFolder.formatVersion
  }

  /// A tenant's published logs, as far as they must be known before the journal is copied.
  struct Source: Sendable {
    let name: TenantID
    let epoch: LedgerEpoch
    /// Each of its logs, by the folder within the tenant's `ledger`: empty for the first.
    let logs: [(folder: String, objects: any ObjectStore)]
  }

  private let path: String
  private let staging: String
  private let crash: any CrashInjector
  private let aside: AsideFile
  private var output: OutputFile { aside.output }
  private var parts: [BackupManifest.Part] = []
  private var stagedCount = 0

  /// - Parameters:
  ///   - path: Where there is nothing yet.
  ///   - staging: Where there is no folder yet: it holds copies of databases, for nobody else to read, and is removed in the end.
  init(path: String, staging: String, crash: any CrashInjector) throws {
    self.path = path
    self.staging = staging
    self.crash = crash
    aside = try AsideFile(of: path)
  }

  func write(_ sources: [Source], of holdings: Holdings, nowMs: Int64) throws -> BackupManifest {
    defer { try? FileManager.default.removeItem(atPath: staging) }
    do {
      try FileManager.default.createDirectory(
        atPath: staging, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      let manifest = try writeParts(sources, holdings, nowMs)
      crash.reach(.backupBeforeName)
      try aside.giveName(crash: crash)
      crash.reach(.backupAfterName)
      return manifest
    } catch {
      aside.remove()
      // The names of databases are ours; the operator knows the folder.
      throw error is DiskFull ? OperatorFileError.unwritable(path: staging, reason: PlainReason.text(ENOSPC)) : error
    }
  }

  private func writeParts(_ sources: [Source], _ holdings: Holdings, _ nowMs: Int64) throws -> BackupManifest {
    crash.reach(.backupBeforeParts)
    // Read before the journal is copied: no checkpoint in the backup promises more than its journal holds.
    let checkpoints = try sources.map { try $0.logs.map { try $0.objects.read("checkpoint") } }
    var heads: [String: UInt64] = [:]
    for number in holdings.journal.segmentNumbers {
      heads.merge(
        try addStaged("journal/\(SQLiteJournal.fileName(number))") { try holdings.journal.copySegment(number, to: $0) }
      ) { max($0, $1) }
    }
    for row in holdings.journal.status.partitions {
      heads.merge([row.partition.name: row.packedThrough.number]) { max($0, $1) }
    }
    try addPast(of: holdings)
    let rows = try addStaged(BackupManifest.keystorePath) { try holdings.keystore.copy(to: $0) }
    try add(BackupManifest.erasuresPath, try holdings.erasures.bytes)
    try addPlugins(of: holdings.dataFolder)
    for (source, notes) in zip(sources, checkpoints) {
      for (log, note) in zip(source.logs, notes) { try add(log.objects, of: source.name, log.folder, note) }
    }
    // Whom the copies know counts: a tenant may have been made since the sources were listed.
    let known = Set(heads.keys.compactMap(TenantID.init(rawValue:)) + rows.compactMap(TenantRow.key.tenant(of:)))
    let found = Dictionary(
      zip(sources, checkpoints).map { ($0.name, (epoch: $0.epoch, note: $1.last ?? nil)) }, uniquingKeysWith: { $1 })
    let tenants = try known.filter { !holdings.erasures.contains($0) }.sorted().map { name in
      let epoch = found[name]?.epoch ?? .first
      let seed = try holdings.vault.ledgerSeed(.tenant(name))
      let published = try found[name]?.note.map { try Checkpoint(text: try SignedNote(parsing: $0).text) }
      return BackupManifest.Tenant(
        name: name, position: heads[name.rawValue] ?? 0, epoch: epoch,
        vkey: try NoteSigner(name: epoch.origin(of: name), seed: seed).key.vkey,
        published: published.map { EpochBeginning.Mark(size: $0.size, root: $0.root) })
    }
    return try end(
      BackupManifest(
        format: BackupManifest.format(ofData: holdings.dataFormat), madeAtMs: nowMs, dataFormat: holdings.dataFormat,
        hostKeyID: BackupOrigin.keyID(holdings.vault), tenants: tenants, parts: parts), holdings.vault)
  }

  private func end(_ manifest: BackupManifest, _ vault: Vault) throws -> BackupManifest {
    let bytes = try JSONValue(encoding: manifest).canonicalBytes
    if let bytesMax = BackupManifest.bytesMax(of: BackupManifest.path), bytes.count > bytesMax {
      throw OperatorFileError.tooLarge(path: "\(path), \(BackupManifest.path)", bytesMax: bytesMax)
    }
    try add(BackupManifest.path, bytes)
    try add(BackupManifest.codePath, BackupOrigin.code(of: bytes, vault))
    try add(BackupManifest.sumPath, BackupReader.sums(parts.suffix(2)))
    try output.write([UInt8](repeating: 0, count: 2 * TarFile.blockBytes))
    try output.synchronize()
    return manifest
  }

  /// Packs and snapshots, under `past/PARTITION/…`. Nobody packs or trims meanwhile: they are those that the copied
  /// segments know of. A snapshot may be of an order that is journaled and not carried out yet.
  private func addPast(of holdings: Holdings) throws {
    let objects = holdings.objects
    var paths = holdings.journal.packPaths.map(\.path)
    for row in holdings.journal.status.partitions {
      paths += try objects.list(StateSnapshot.folder(row.partition)).filter { $0.hasSuffix(".snapshot") }
    }
    for path in paths {
      guard path.hasPrefix("tenants/"), let size = try objects.size(path) else {
        throw OperatorFileError.unreadable(path: "\(holdings.dataFolder)/\(path)", reason: PlainReason.text(ENOENT))
      }
      try add("past/" + path.dropFirst("tenants/".count), bytes: size) { offset, count in
        try objects.read(path, from: offset, count: count) ?? []
      }
    }
  }

  /// Whole versions only: one that is removed meanwhile is left out.
  private func addPlugins(of dataFolder: String) throws {
    try InstalledPlugins.eachVersion(dataFolder: dataFolder) { files in
      for (path, file) in files { try add("plugins/\(path)", file) }
    }
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

  /// Copies a database and adds the copy.
  private func addStaged<Result>(_ path: String, _ copy: (_ to: String) throws -> Result) throws -> Result {
    stagedCount += 1
    let staged = "\(staging)/\(stagedCount).db"
    defer { unlink(staged) }
    let result = try copy(staged)
    try add(path, try InputFile(path: staged))
    return result
  }

  private func add(_ path: String, _ input: InputFile) throws {
    try add(path, bytes: try input.bytes) { try input.read($1) }
  }

  /// - Parameter read: Gives at most so many bytes from an offset on; it is asked in order.
  private func add(
    _ path: String, bytes size: Int, _ read: (_ offset: Int, _ count: Int) throws -> [UInt8]
  ) throws {
    try output.write(try header(path, size))
    let sum = try SHA256Sum()
    var left = size
    while left > 0 {
      let piece = try read(size - left, min(left, TarFile.pieceBytes))
      guard !piece.isEmpty else { throw BackupError.cutOff(path: self.path, part: path) }
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
