import Domain
import Foundation
import GRDB

/// Why a database file cannot be used.
package enum StorageError: OperatorError, Equatable {
  /// What a file is for; it decides what can be done about it.
  package enum Purpose: Sendable { case state, journal, keystore }

  case formatMismatch(path: String, found: Int, understood: Int)
  case notDurable(path: String)
  case damagedRow(path: String, row: String, reason: String)
  case unusable(path: String, purpose: Purpose, reason: String)
  case notPermitted(path: String)
  case tooManyFiles(path: String)

  package var code: String {
    switch self {
    case .formatMismatch: "storage.format_mismatch"
    case .notDurable: "storage.not_durable"
    case .damagedRow: "storage.damaged_row"
    case .unusable: "storage.unusable_file"
    case .notPermitted: "storage.not_permitted"
    case .tooManyFiles: "storage.too_many_files"
    }
  }
  package var message: String {
    switch self {
    case .formatMismatch(let path, let found, let understood):
      "\(path) has format \(found); this version of Sluice understands format \(understood)."
    case .notDurable(let path): "\(path) could not be opened with synchronous=FULL."
    case .damagedRow(let path, let row, let reason): "\(path), row \(row): \(reason)."
    case .unusable(let path, _, let reason): "\(path) cannot be used: \(reason)."
    case .tooManyFiles(let path):
      "\(path) was not opened: this process, or the machine, has as many files open as it may."
    case .notPermitted(let path): "This user may not read and write \(path), or the folder that it is in."
    }
  }
  package var remedy: String {
    switch self {
    case .formatMismatch: "Run the version of Sluice that wrote this data folder, or a newer one."
    case .notPermitted:
      "Nothing is wrong with the file. Give it and its folder back to the user as whom the host runs, readable and writable; nothing is to be restored."
    case .tooManyFiles:
      "Nothing is wrong with the file, and nothing is to be restored. Try again; if it stays so, raise the limit of open files (`ulimit -n`, `LimitNOFILE=`)."
    case .notDurable: "Check the file system; Sluice does not acknowledge what may be lost."
    case .damagedRow, .unusable(_, .state, _):
      "Stop the host, move the tenant's database away and start: it is rebuilt from the journal."
    case .unusable(_, .journal, _): "Stop the host and restore the segment from a backup; keep the damaged one."
    case .unusable(_, .keystore, _): "Stop the host and restore the keystore from a backup; without it nothing opens."
    }
  }
}

extension StorageError {
  /// - Parameter whyNotOpened: The system's number for why a file cannot be opened now; 0 where it can. SQLite keeps none.
  init(
    _ error: DatabaseError, path: String, purpose: Purpose,
    whyNotOpened: (_ path: String) -> Int32 = { path in
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return errno }
      close(descriptor)
      return 0
    }
  ) {
    let isUnopened = [.SQLITE_CANTOPEN, .SQLITE_IOERR].contains(error.resultCode)
    let isShortOfDescriptors = isUnopened && [EMFILE, ENFILE].contains(whyNotOpened(path))
    self =
      error.isForWantOfRights(to: path)
      ? .notPermitted(path: path)
      : isShortOfDescriptors
        ? .tooManyFiles(path: path) : .unusable(path: path, purpose: purpose, reason: error.plainReason)
  }

  /// Runs `body`; what SQLite refuses in it is said of this file, in our words.
  static func naming<Result>(_ path: String, _ purpose: Purpose, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as DatabaseError {
      // Nothing is wrong with the file: nobody is to replace it by an older one.
      if error.isForWantOfSpace { throw DiskFull(path: path) }
      throw StorageError(error, path: path, purpose: purpose)
    }
  }
}

extension DatabaseError {
  /// A full disk, as SQLite tells it: when a page finds no room, or when the log cannot be made longer.
  var isForWantOfSpace: Bool {
    resultCode == .SQLITE_FULL || extendedResultCode == .SQLITE_IOERR_WRITE
      || extendedResultCode == .SQLITE_IOERR_SHMSIZE
  }

  /// The file, or its folder, is there and somebody else's.
  fileprivate func isForWantOfRights(to path: String) -> Bool {
    guard [.SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH].contains(resultCode) else { return false }
    let folder = (path as NSString).deletingLastPathComponent
    let isThere = access(path, F_OK) == 0 || errno == EACCES
    return isThere && (access(path, R_OK | W_OK) != 0 || access(folder, R_OK | W_OK | X_OK) != 0)
  }

  /// What [SQLite's result](https://sqlite.org/rescode.html) means to an operator.
  fileprivate var plainReason: String {
    switch resultCode {
    case .SQLITE_NOTADB: "it is no database"
    case .SQLITE_CORRUPT, .SQLITE_ERROR, .SQLITE_MISMATCH: "it is damaged, or the database of another program"
    case .SQLITE_CANTOPEN: "it cannot be opened"
    case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: "this user may not write it"
    case .SQLITE_BUSY, .SQLITE_LOCKED: "another program holds it"
    case .SQLITE_IOERR: "the disk fails to read or write it"
    case .SQLITE_FULL: "there is no room on the disk"
    default: "the database engine refuses it with result \(extendedResultCode.rawValue)"
    }
  }
}
