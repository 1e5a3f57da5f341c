import Cryptography
import Domain
import FileStorage
import Foundation
import SQLiteStorage
import TrustLedger
import Vault

/// Brings a data folder that an older version wrote to this version's format, after a backup that leads back.
///
/// Only `sluice up` does so: who merely asks something must not take the way back from an operator.
package struct FolderMigration {
  /// What a format brought that the one before cannot read, for the log.
  struct Step: Sendable {
    let from: Int
    let what: String
  }
  static let steps = [
    Step(from: 1, what: "the journal may hold compressed entries, and packs in place of old segments")
  ]

  private let options: RunningHost.Options
  private let hostKey: [UInt8]
  private let found: Int

  /// Whether the folder is of an older version.
  package static func isNeeded(_ options: RunningHost.Options) -> Bool { older(options) != nil }

  private static func older(_ options: RunningHost.Options) -> Int? {
    guard let found = try? DataFolder.format(of: options.dataFolder),
      (DataFolder.oldestFormat..<DataFolder.formatVersion).contains(found)
    else { return nil }
    return found
  }

  /// Does nothing on a folder that is new, or of this version.
  /// - Returns: The options, with the host key when it was needed here: from standard input it can be read once.
  /// - Throws: `DataFolderError`, `BackupError`; then the folder is as it was.
  package static func run(_ given: RunningHost.Options) async throws -> RunningHost.Options {
    guard let found = older(given) else { return given }
    var options = given
    let folder = try DataFolder(path: options.dataFolder, mayMake: false, isMigrating: true)
    defer { folder.unlock() }
    let hostKey =
      try options.hostKey
      ?? HostKey.load(path: options.hostKeyPath, keystoreExists: true, random: SystemSources.random)
    options.hostKey = hostKey
    try await FolderMigration(options: options, hostKey: hostKey, found: found).run(folder)
    return options
  }

  private func run(_ folder: DataFolder) async throws {
    let backup = try await backUp(folder)
    options.crash.reach(.migrationBeforeFormat)
    try folder.writeFormat()
    options.crash.reach(.migrationAfterFormat)
    options.log.warning(
      "host.migrated", "The folder has a new format. With the backup, an older version can be returned to.",
      [
        "data_dir": options.dataFolder, "from": "\(found)", "to": "\(DataFolder.formatVersion)", "backup": backup,
        "what": Self.steps.filter { $0.from >= found }.map(\.what).joined(separator: "; "),
      ])
  }

  /// Beside the folder, which only its owner can read, and not inside: a backup there would be part of the next one. Under
  /// one name, so that a start that is tried again and again leaves no more than one.
  private func backUp(_ folder: DataFolder) async throws -> String {
    let nowMs = SystemSources.wallClockMs()
    let data = URL(fileURLWithPath: folder.path).standardizedFileURL.resolvingSymlinksInPath().path
    var path = "\(data).format-\(found).backup"
    let keystorePath = folder.file("keystore.db")
    guard FileManager.default.fileExists(atPath: keystorePath) else {
      throw DataFolderError.noKeystore(path: keystorePath)
    }
    let keystore = try SQLiteKeystore(path: keystorePath)
    let vault = try Vault(hostKey: hostKey, keystore: keystore, random: { SystemSources.random($0) })
    let erasures = try Erasures.read(folder.file("erasures")) ?? Erasures()
    let journal = try SegmentsAtRest(folder: folder.file("journal"))
    if access(path, F_OK) == 0 {
      if try isOfThis(path, journal, keystore, folder) { return path }
      // An older version has run on the folder since: no backup is written over.
      let time = Date(timeIntervalSince1970: Double(nowMs / 1_000)).formatted(
        .iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
      path = "\(data).format-\(found)-\(time).backup"
    }
    let writer = try BackupWriter(path: path, staging: folder.file(DataFolder.staging), crash: options.crash)
    let tenants = try folder.tenants(told: options.log).filter { !erasures.contains($0) }
    _ = try await writer.write(
      try tenants.map { try source($0, folder) },
      of: .init(
        journal: journal, keystore: keystore, vault: vault, erasures: erasures, dataFolder: folder.path,
        objects: try FileObjectStore(root: folder.path), dataFormat: found),
      nowMs: nowMs)
    // A backup that cannot be read is none.
    _ = try BackupReader.verify(path)
    return path
  }

  /// Whether a backup is whole, made under this host key, and of what the folder holds now.
  private func isOfThis(
    _ path: String, _ journal: SegmentsAtRest, _ keystore: SQLiteKeystore, _ folder: DataFolder
  ) throws -> Bool {
    let copy = folder.file("keystore.copy")
    unlink(copy)
    defer { unlink(copy) }
    guard let contents = try? BackupReader.read(path, taker: { _, _ in nil }),
      (try? BackupOrigin.check(contents, hostKey: hostKey, path: path)) != nil, contents.manifest.dataFormat == found
    else { return false }
    _ = try keystore.copy(to: copy)
    let keys = try InputFile(path: copy).read(1 << 30)
    let heads = try journal.heads()
    let kept = contents.manifest.parts.first { $0.path == BackupManifest.keystorePath }
    return kept?.sha256 == SHA256.digest(keys)
      && contents.manifest.tenants.allSatisfy { $0.position == heads[$0.name.rawValue] ?? 0 }
  }

  private func source(_ tenant: TenantID, _ folder: DataFolder) throws -> BackupWriter.Source {
    let ledger = try folder.folder("tenants/\(tenant)/ledger")
    let state = try SQLiteStateStore(path: folder.file("tenants/\(tenant)/state.db"))
    defer { try? state.close() }
    let epochs = try state.view { try [.first] + LedgerStage.beginnings(in: $0).map(\.epoch) }
    let known = Set(epochs.compactMap(\.name))
    for name in try FileManager.default.contentsOfDirectory(atPath: ledger)
    where name.hasPrefix("epoch-") && !known.contains(name) {
      throw DataFolderError.stateBehind(tenant: tenant.rawValue, log: name)
    }
    return .init(
      name: tenant, epoch: epochs.last!,
      logs: try epochs.map { epoch in
        (folder: epoch.name ?? "", objects: try FileObjectStore(root: LedgerPublisher.folder(of: epoch, in: ledger)))
      })
  }
}
