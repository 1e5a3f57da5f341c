import CanonicalJSON
import Domain
import FileStorage
import Foundation
import SQLiteStorage
import TrustLedger

extension RunningHost {
  /// Makes a backup while the host goes on.
  /// - Parameter to: A file that does not exist, or a folder, which gets a file named by the time.
  func backUp(to: String) async throws -> JSONValue {
    guard !isBackingUp else { throw BackupError.underWay }
    // It would hold the keys that are about to be destroyed, or are left.
    if let tenant = tenantBeingErased { throw BackupError.erasing(tenant) }
    try checkOutside(to)
    isBackingUp = true
    defer { isBackingUp = false }
    let nowMs = SystemSources.wallClockMs()
    var path = to
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: to, isDirectory: &isFolder), isFolder.boolValue {
      let time = Date(timeIntervalSince1970: Double(nowMs / 1_000)).formatted(
        .iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
      path = (to as NSString).appendingPathComponent("sluice-\(time).backup")
    }
    var sources: [BackupWriter.Source] = []
    for tenant in tenantNames() {
      let open = try opened(tenant)
      // As much as can be is published before, so that the backup's logs prove what its journal holds.
      try await open.ledger.publishNow()
      let folder = try self.folder.folder("tenants/\(tenant)/ledger")
      let epochs = try open.runtime.view { try [.first] + LedgerStage.beginnings(in: $0).map(\.epoch) }
      let logs = try epochs.map { epoch in
        (folder: epoch.name ?? "", objects: try FileObjectStore(root: LedgerPublisher.folder(of: epoch, in: folder)))
      }
      sources.append(.init(name: tenant, epoch: epochs.last!, logs: logs))
    }
    let writer = try BackupWriter(path: path, staging: folder.file(DataFolder.staging), crash: options.crash)
    let holdings = BackupWriter.Holdings(
      journal: journal, keystore: keystore, vault: vault, erasures: erasures, dataFolder: options.dataFolder,
      objects: objects)
    let listed = sources
    let manifest = try await packer.holding { try await writer.write(listed, of: holdings, nowMs: nowMs) }
    log.info("backup.made", "A backup was made.", ["path": path, "parts": "\(manifest.parts.count)"])
    guard case .object(var answer) = manifest.json else { return .null }
    answer["path"] = .string(path)
    return .object(answer)
  }
}

extension RunningHost {
  /// What is to outlive the data folder, or is to be read by others, does not stand in it.
  /// - Throws: `DataFolderError.inside`.
  func checkOutside(_ path: String) throws {
    func real(_ path: String) -> String {
      // Of what is not there yet, the folder that it is to be made in says where it is.
      let path = OperatorFile.absolute(path)
      guard let found = realpath(path, nil) else {
        let parent = (path as NSString).deletingLastPathComponent
        return parent == path ? path : real(parent)
      }
      defer { free(found) }
      return String(cString: found)
    }
    let (place, home) = (real(path), real(options.dataFolder))
    guard place != home, !place.hasPrefix(home + "/") else { throw DataFolderError.inside(path: path) }
  }
}

// The list of erasures.
extension RunningHost {
  var erasuresBesideKey: String {
    Erasures.pathBesideKey(options.hostKeyPath, dataFolder: options.dataFolder)
  }

  /// The second copy of the list. It is made with the first start, so that `restore` can tell an empty list from a lost one.
  /// - Returns: Whether it is there, with all that this folder knows.
  @discardableResult
  func keepErasuresBesideKey() -> Bool {
    do {
      try writeErasuresBesideKey()
      return true
    } catch {
      log.warning(
        "erasures.not_beside_key", "The list of erasures cannot be kept beside the host key; keep a copy yourself.",
        ["path": erasuresBesideKey, "reason": UnnamedFault.named(error).message])
      return false
    }
  }

  /// A list that was lost, beside the key too, is written anew from what remains of those who were erased.
  func addErasuresOfFolder() throws {
    let missing = TenantErasure.remains(in: folder).filter { !erasures.contains($0) }
    guard !missing.isEmpty else { return }
    for tenant in missing {
      let ending = try? TenantErasure.ending(of: tenant, in: folder)
      let path = TenantErasure.ledgerFolder(of: tenant, in: folder)
      let changed = (try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date) ?? Date()
      erasures.add(
        .init(
          tenant: tenant, erasedAtMs: Int64(changed.timeIntervalSince1970 * 1000),
          by: ending?.by ?? UserID(unchecked: "unknown")))
    }
    try erasures.write(folder.file("erasures"))
    log.warning(
      "erasures.list_was_lost",
      "The list of erasures did not name tenants that were erased here. It does again; older backups may hold others.",
      ["tenants": missing.map(\.rawValue).joined(separator: ", ")])
  }

  func writeErasuresBesideKey() throws {
    let path = erasuresBesideKey
    let before = try Erasures.read(path)
    var list = before ?? Erasures()
    list.add(erasures)
    if list != before { try list.write(path) }
  }
}

extension HostCommand {
  static let backupCommands: [HostCommand] = [
    HostCommand(
      "backup.create", "Back everything up into one file, while the host runs", role: nil, whileSuspended: .answered,
      takes: [.text("to")]
    ) { call in
      try await call.host.backUp(to: try call.string("to"))
    }
  ]
}
