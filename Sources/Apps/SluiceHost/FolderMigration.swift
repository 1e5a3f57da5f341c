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

  /// Does nothing on a folder that is new, or of this version.
  /// - Parameter options: Given the host key when it was needed here: from standard input it can be read once.
  /// - Throws: `DataFolderError`, `BackupError`; then the folder is as it was.
  package static func run(_ options: inout RunningHost.Options) async throws {
    guard let found = try? DataFolder.format(of: options.dataFolder),
      (DataFolder.oldestFormat..<DataFolder.formatVersion).contains(found)
    else { return }
    let folder = try DataFolder(path: options.dataFolder, mayMake: false, isMigrating: true)
    defer { folder.unlock() }
    let hostKey =
      try options.hostKey
      ?? HostKey.load(path: options.hostKeyPath, keystoreExists: true, random: SystemSources.random)
    options.hostKey = hostKey
    try await FolderMigration(options: options, hostKey: hostKey, found: found).run(folder)
  }

  private func run(_ folder: DataFolder) async throws {
    let backup = try await backUp(folder)
    // A backup that cannot be read is none.
    _ = try BackupReader.verify(backup)
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

  /// Beside the folder, which only its owner can read, and not inside: a backup there would be part of the next one.
  private func backUp(_ folder: DataFolder) async throws -> String {
    let nowMs = SystemSources.wallClockMs()
    let time = Date(timeIntervalSince1970: Double(nowMs / 1_000)).formatted(
      .iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
    let data = URL(fileURLWithPath: folder.path).standardizedFileURL.resolvingSymlinksInPath().path
    // With the milliseconds: a service manager may start again at once, and no backup is written over.
    let path = "\(data).format-\(found)-\(time)-\(nowMs % 1_000).backup"
    let keystorePath = folder.file("keystore.db")
    guard FileManager.default.fileExists(atPath: keystorePath) else {
      throw DataFolderError.noKeystore(path: keystorePath)
    }
    let keystore = try SQLiteKeystore(path: keystorePath)
    let vault = try Vault(hostKey: hostKey, keystore: keystore, random: { SystemSources.random($0) })
    let erasures = try Erasures.read(folder.file("erasures")) ?? Erasures()
    let writer = try BackupWriter(path: path, staging: folder.file(DataFolder.staging), crash: options.crash)
    let tenants = try FileManager.default.contentsOfDirectory(atPath: try folder.folder("tenants")).sorted()
    _ = try await writer.write(
      try tenants.compactMap(TenantID.init(rawValue:)).filter { !erasures.contains($0) }.map { try source($0, folder) },
      of: .init(
        journal: try SegmentsAtRest(folder: folder.file("journal")), keystore: keystore, vault: vault,
        erasures: erasures, dataFolder: folder.path, objects: try FileObjectStore(root: folder.path), dataFormat: found),
      nowMs: nowMs)
    return path
  }

  private func source(_ tenant: TenantID, _ folder: DataFolder) throws -> BackupWriter.Source {
    let ledger = try folder.folder("tenants/\(tenant)/ledger")
    let state = try SQLiteStateStore(path: folder.file("tenants/\(tenant)/state.db"))
    defer { try? state.close() }
    let epochs = try state.view { try [.first] + LedgerStage.beginnings(in: $0).map(\.epoch) }
    return .init(
      name: tenant, epoch: epochs.last!,
      logs: try epochs.map { epoch in
        (folder: epoch.name ?? "", objects: try FileObjectStore(root: LedgerPublisher.folder(of: epoch, in: ledger)))
      })
  }
}
