import CanonicalJSON
import Cryptography
package import Domain
import FileStorage
import Foundation
import SQLiteStorage
import Vault

/// Makes a data folder of a backup, in which each tenant goes on in a new log.
///
/// The folder bears a mark until it is whole; with the mark no host starts on it. What was erased since the backup stays
/// erased, and nothing is carried out before somebody has looked: the backup does not know what was done after it.
package struct Restore {
  package struct Wish: Sendable {
    package let backup: String
    /// Where to, with which host key.
    package let options: RunningHost.Options
    /// The list of erasures: a file, `none`, or nil for the one beside the host key.
    package let erasures: String?
    /// Signed checkpoints that others have seen, each with the name of its file.
    package let checkpoints: [(file: String, note: [UInt8])]
    /// Leave out the kill switch.
    package let mayAct: Bool
    package let by: UserID

    package init(
      backup: String, options: RunningHost.Options, erasures: String?, checkpoints: [(file: String, note: [UInt8])],
      mayAct: Bool, by: UserID
    ) {
      self.backup = backup
      self.options = options
      self.erasures = erasures
      self.checkpoints = checkpoints
      self.mayAct = mayAct
      self.by = by
    }
  }

  private let wish: Wish
  private let folder: String
  private var options: RunningHost.Options
  private var crash: any CrashInjector { wish.options.crash }

  /// - Throws: `BackupError`, `DataFolderError`, `VaultError`; then the folder is as empty as it was.
  package static func run(_ wish: Wish) async throws -> JSONValue {
    var listed: [UInt8] = []
    let contents = try BackupReader.read(wish.backup) { part, _ in
      part == BackupManifest.erasuresPath ? { listed += $0 } : nil
    }
    let hostKey = try HostKey.load(path: wish.options.hostKeyPath, keystoreExists: true) { SystemSources.random($0) }
    // Nothing of what it says counts before it is known who made it.
    try BackupOrigin.check(contents, hostKey: hostKey, path: wish.backup)
    let manifest = contents.manifest
    // What an older version backed up is read like its folder.
    guard (DataFolder.oldestFormat...DataFolder.formatVersion).contains(manifest.dataFormat) else {
      throw DataFolderError.otherFormat(
        path: wish.backup, found: "\(manifest.dataFormat)", understood: DataFolder.formatVersion)
    }
    var erasures = try Erasures.parse(listed, path: "\(wish.backup), \(BackupManifest.erasuresPath)")
    erasures.add(try knownErasures(wish))
    let restore = Restore(wish, hostKey: hostKey)
    try restore.claim()
    do {
      return try await LongWork().run { [erasures] _ in try await restore.fill(contents, erasures, hostKey) }
    } catch {
      // A refused restore leaves nothing that somebody could take for one.
      for name in try FileManager.default.contentsOfDirectory(atPath: restore.folder) where name != "lost+found" {
        try? FileManager.default.removeItem(atPath: "\(restore.folder)/\(name)")
      }
      throw error
    }
  }

  private init(_ wish: Wish, hostKey: [UInt8]) {
    self.wish = wish
    folder = wish.options.dataFolder
    options = wish.options
    options.hostKey = hostKey
    options.isRestoring = true
    options.mayMakeFolder = true
  }

  private static func knownErasures(_ wish: Wish) throws -> Erasures {
    if wish.erasures == "none" { return Erasures() }
    let path =
      wish.erasures ?? Erasures.pathBesideKey(wish.options.hostKeyPath, dataFolder: wish.options.dataFolder)
    guard let list = try Erasures.read(path) else { throw BackupError.noErasures(path: path) }
    return list
  }

  /// Takes the folder, which must be empty, and marks it.
  private func claim() throws {
    let there = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    if there.contains(DataFolder.restoringMark) { throw DataFolderError.halfRestored(path: folder) }
    guard Set(there).isSubset(of: ["lost+found"]) else { throw BackupError.notEmpty(folder: folder) }
    try OperatorFile.writing(folder) {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }
    let mark = try OutputFile(path: "\(folder)/\(DataFolder.restoringMark)")
    try mark.write(Array("\(wish.backup)\n".utf8))
    try mark.synchronize()
    try OutputFile.synchronize(folder: folder)
  }

  private nonisolated(nonsending) func fill(
    _ contents: BackupReader.Contents, _ erasures: Erasures, _ hostKey: [UInt8]
  ) async throws -> JSONValue {
    crash.reach(.restoreBeforeParts)
    let manifest = contents.manifest
    let data = try DataFolder(path: folder, isRestoring: true)
    try takeParts(contents, erasures)
    try erasures.write(data.file("erasures"))
    let keystore = try SQLiteKeystore(path: data.file(BackupManifest.keystorePath))
    let vault = try Vault(hostKey: hostKey, keystore: keystore, random: { SystemSources.random($0) })
    // What is left of them goes when the folder is opened; before that nothing may make a new log for them.
    for erasure in erasures.erased { try TenantKeys.destroy(erasure.tenant, in: keystore) }
    crash.reach(.restoreBeforeEpoch)

    let objects = try FileObjectStore(root: folder)
    let journal = try SQLiteJournal(
      folder: try data.folder("journal"), objects: objects, sealer: vault, random: { SystemSources.random($0) },
      crash: crash)
    var unknown = Dictionary(wish.checkpoints.map { ($0.file, $0.note) }, uniquingKeysWith: { $1 })
    let names = try await tenants(in: journal, keystore, erasures)
    var tenants: [JSONValue] = []
    for tenant in names {
      let path = try data.folder("tenants/\(tenant)")
      let beginning = NewEpoch(
        tenant: tenant, folder: path, journal: journal,
        past: TrimmedPast(partition: .tenant(tenant), journal: journal, objects: objects, sealer: vault), vault: vault,
        backupMadeAtMs: manifest.madeAtMs, by: wish.by)
      tenants.append(try await beginning.begin(seen: &unknown, mayAct: wish.mayAct))
    }
    try await journal.close()
    if let file = unknown.keys.sorted().first { throw BackupError.otherLog(file: file) }
    data.unlock()
    crash.reach(.restoreBeforeOpening)
    let lacking = try await open(names)
    try finish()
    return [
      "data_dir": .string(folder), "made_at": manifest.json["made_at"] ?? .null, "tenants": .array(tenants),
      "erased": .array(erasures.erased.map { .string($0.tenant.rawValue) }),
      "missing_libraries": .array(lacking),
      "next": wish.mayAct
        ? "Start it with `sluice up`." : "Start it with `sluice up`, look, then `sluice unkill all` for each tenant.",
    ]
  }

  /// Everybody of whom there is an entry or a key: whoever went on in an old log would sign a second history.
  private func tenants(
    in journal: SQLiteJournal, _ keystore: SQLiteKeystore, _ erasures: Erasures
  ) async throws -> [TenantID] {
    let keys = try keystore.names(withPrefix: "\(TenantRow.key)/").compactMap(TenantRow.key.tenant(of:))
    var known = Set(keys)
    for name in await journal.partitionNames where name != Partition.host.name {
      guard let tenant = TenantID(rawValue: name) else {
        throw BackupError.notOne(path: wish.backup, reason: "its journal has entries of \(name), which is no tenant")
      }
      known.insert(tenant)
    }
    return known.filter { !erasures.contains($0) }.sorted()
  }

  /// Writes every part to its place. What belongs to an erased tenant keeps its log's hashes and no payload.
  private func takeParts(_ contents: BackupReader.Contents, _ erasures: Erasures) throws {
    let tenants = Set(contents.manifest.tenants.map(\.name))
    let again = try BackupReader.read(wish.backup) { part, _ in
      guard let (target, mode) = try place(of: part, tenants, erasures) else { return nil }
      try FileManager.default.createDirectory(
        atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
      let file = try OutputFile(path: target, mode: mode)
      return { try file.write($0) }
    }
    guard again.manifestBytes == contents.manifestBytes else {
      throw BackupError.notOne(path: wish.backup, reason: "it changed while it was read")
    }
    try FileObjectStore(root: folder).synchronizeAll()
  }

  /// - Returns: nil when the part is not written by itself.
  private func place(
    of part: String, _ tenants: Set<TenantID>, _ erasures: Erasures
  ) throws -> (path: String, mode: UInt32)? {
    switch BackupPart(part) {
    case .segment, .keystore: return ("\(folder)/\(part)", 0o600)
    // What is written is the union of this list and the operator's.
    case .erasures: return nil
    case .ledger(let tenant, let inside) where erasures.contains(tenant) && tenants.contains(tenant):
      return inside.split(separator: "/").contains("payload")
        ? nil : ("\(folder)/erased/\(tenant)/ledger/\(inside)", 0o600)
    case .ledger(let tenant, let inside) where tenants.contains(tenant):
      return ("\(folder)/tenants/\(tenant)/ledger/\(inside)", 0o600)
    case .past(let partition, _) where TenantID(rawValue: partition).map(erasures.contains) ?? false: return nil
    case .past(let partition, let inside)
    where partition == Partition.host.name || tenants.map(\.rawValue).contains(partition):
      return ("\(folder)/tenants/\(partition)/\(inside)", 0o600)
    case .plugin(let inside):
      return ("\(InstalledPlugins.folder(dataFolder: folder))/\(inside)", InstalledPlugins.mode(of: inside))
    case .ledger, .past, nil: throw BackupError.unknownPart(path: wish.backup, part: part)
    }
  }

  /// The folder must be one on which a host starts; and the new logs are published, each with its first entry.
  /// - Returns: The enabled instances whose library is not here.
  private func open(_ tenants: [TenantID]) async throws -> [JSONValue] {
    let host = try await RunningHost(options)
    do {
      var lacking: [JSONValue] = []
      for tenant in tenants {
        let open = try await host.opened(tenant)
        try await open.runtime.settle()
        try await open.ledger.publishNow()
        lacking += try await host.missingLibraries(of: tenant)
      }
      try await host.stop()
      return lacking
    } catch {
      try? await host.stop()
      throw error
    }
  }

  private func finish() throws {
    try FileObjectStore(root: folder).synchronizeAll()
    crash.reach(.restoreBeforeDone)
    unlink("\(folder)/\(DataFolder.restoringMark)")
    try OutputFile.synchronize(folder: folder)
    crash.reach(.restoreAfterDone)
  }
}
