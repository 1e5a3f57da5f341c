import CanonicalJSON
import Cryptography
import Domain
import FileStorage
import Foundation
import Identity
import SQLiteStorage
import TrustLedger
import Vault

/// Makes what a folder has of an erased tenant unreadable, and takes it away. The tenant is on the list of erasures, and
/// nothing of it runs.
///
/// First the keys: from then on its rows of the journal open for nobody, in this folder and in every backup of it that
/// obeys the list. Each step may be done again; the mark of what was done is written last.
struct TenantErasure {
  let tenant: TenantID
  let folder: DataFolder
  let keystore: SQLiteKeystore
  let vault: Vault
  let directory: Directory
  let packer: JournalPacker
  let crash: any CrashInjector

  /// Where an erased tenant's logs remain: hashes, checkpoints, and the order that ended it.
  static func ledgerFolder(of tenant: TenantID, in folder: DataFolder) -> String {
    folder.file("erased/\(tenant)/ledger")
  }

  private static let marks = "erased/_done"  // no tenant's name begins so

  static func isDone(_ tenant: TenantID, in folder: DataFolder) -> Bool {
    access(folder.file("\(marks)/\(tenant)"), F_OK) == 0
  }

  /// The tenants that were erased from this folder, as what remains of them says, whatever a list does.
  static func remains(in folder: DataFolder) -> [TenantID] {
    let files = FileManager.default
    let names = ["erased", marks].flatMap { (try? files.contentsOfDirectory(atPath: folder.file($0))) ?? [] }
    return Set(names.compactMap(TenantID.init(rawValue:))).sorted()
  }

  /// On its caller's thread.
  nonisolated(nonsending) func finish() async throws {
    await packer.disown(.tenant(tenant))
    crash.reach(.erasureBeforeKeys)
    try TenantKeys.destroy(tenant, in: keystore)
    try directory.forget(tenant)
    try keystore.scrub()
    vault.forget(.tenant(tenant))
    crash.reach(.erasureBeforeJournal)
    try await packer.erase(.tenant(tenant))
    crash.reach(.erasureBeforeFiles)
    try removeFiles()
    // What somebody was about to store when the keys went opens for nobody, and goes too.
    try TenantKeys.destroy(tenant, in: keystore)
    crash.reach(.erasureBeforeDone)
    try FileObjectStore(root: try folder.folder(Self.marks)).write([(tenant.rawValue, [])])
    crash.reach(.erasureAfterDone)
  }

  private func removeFiles() throws {
    let files = FileManager.default
    let (own, kept) = (folder.file("tenants/\(tenant)"), Self.ledgerFolder(of: tenant, in: folder))
    if files.fileExists(atPath: own + "/ledger") {
      try removePayloads(below: own + "/ledger")
      _ = try folder.folder("erased/\(tenant)")
      try files.moveItem(atPath: own + "/ledger", toPath: kept)
      try OutputFile.synchronize(folder: folder.file("erased/\(tenant)"))
    }
    if files.fileExists(atPath: own) { try files.removeItem(atPath: own) }
    try OutputFile.synchronize(folder: try folder.folder("tenants"))
    if files.fileExists(atPath: kept) { try removePayloads(below: kept) }
  }

  /// What the leaves commit to, but for what says how a log began and that it ended: there is nothing of the tenant in it.
  private func removePayloads(below path: String) throws {
    for file in try FileObjectStore(root: path).list("") {
      let isLogs = !file.split(separator: "/").contains("payload") && !file.hasSuffix(".new")
      if isLogs || Self.isKept(FileManager.default.contents(atPath: "\(path)/\(file)"), of: tenant) { continue }
      try FileManager.default.removeItem(atPath: "\(path)/\(file)")
    }
  }

  private static func isKept(_ object: Data?, of tenant: TenantID) -> Bool {
    guard let object, let payload = try? LedgerPayload(object: [UInt8](object)),
      let body = try? JSONValue(parsing: payload.payload)
    else { return false }
    if (try? body.decode(EpochBeginning.self)) != nil { return true }
    return (try? body.decode(Order.self)).map { $0.verb == .eraseTenant && $0.target == tenant.rawValue } ?? false
  }
}

// What remains to be proved of an erased tenant.
extension TenantErasure {
  /// The order that ended a log, and when; nil when it could not be published.
  static func ending(of tenant: TenantID, in folder: DataFolder) throws -> Order? {
    let store = try FileObjectStore(root: ledgerFolder(of: tenant, in: folder))
    for file in try store.list("") where file.split(separator: "/").contains("payload") {
      guard let object = try store.read(file), let payload = try? LedgerPayload(object: object),
        let order = try? JSONValue(parsing: payload.payload).decode(Order.self),
        order.verb == .eraseTenant, payload.commitment.hex == file.split(separator: "/").last.map(String.init)
      else { continue }
      return order
    }
    return nil
  }
}
