import Domain
import FileStorage
import Foundation

/// The folder that holds everything one host knows, and the lock that lets one host at a time use it.
package final class DataFolder: Sendable {
  /// 2: what the journal holds may be compressed and packed.
  package static let formatVersion = 2
  /// From this one on `FolderMigration` leads up to it.
  package static let oldestFormat = 1
  /// Stands in a folder as long as it is being restored.
  package static let restoringMark = "restoring"
  /// Holds copies of databases while a backup is made.
  static let staging = "staging"
  package let path: String
  private let lock: Int32

  /// Opens the folder.
  /// - Parameters:
  ///   - mayMake: Make it when it does not exist or is empty; otherwise such a folder is refused.
  ///   - isRestoring: This is `restore`; to anybody else a folder that it has not finished is refused.
  ///   - isMigrating: This is `FolderMigration`; to anybody else a folder of an older format is refused.
  /// - Throws: `DataFolderError`.
  package init(path: String, mayMake: Bool = true, isRestoring: Bool = false, isMigrating: Bool = false) throws {
    let files = FileManager.default
    guard !path.isEmpty else { throw DataFolderError.notAFolder(path: "The empty path") }
    guard isRestoring || !files.fileExists(atPath: path + "/" + Self.restoringMark) else {
      throw DataFolderError.halfRestored(path: path)
    }
    // What may not be looked into is not empty.
    guard Self.mayBeUsed(path) else { throw DataFolderError.notPermitted(path: path) }
    let isMade = files.fileExists(atPath: path + "/format")
    guard isMade || mayMake else { throw DataFolderError.nothingThere(path: path) }
    let others = isMade ? [] : (try? files.contentsOfDirectory(atPath: path)) ?? []
    // `lost+found`: the top of a file system of its own. `lock`: an earlier start that came no further. `plugins`: installed
    // before any host ran.
    guard Set(others).isSubset(of: ["lost+found", "lock", "plugins", Self.restoringMark]) else {
      throw DataFolderError.somebodyElses(path: path)
    }
    if !files.fileExists(atPath: path) {
      do {
        try files.createDirectory(
          atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      } catch { throw DataFolderError.cannotMake(path: path, reason: PlainReason.text(error)) }
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw DataFolderError.notAFolder(path: path)
    }
    guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      throw DataFolderError.notPrivate(path: path)
    }
    lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw DataFolderError.notAFolder(path: path) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      throw DataFolderError.inUse(path: path)
    }
    self.path = path
    try checkFormat(mayBeOlder: isMigrating)
    // What a backup left whose host was killed. Nobody else makes one now: the lock is ours.
    if files.fileExists(atPath: file(Self.staging)) { try files.removeItem(atPath: file(Self.staging)) }
  }

  deinit { close(lock) }

  private static func mayBeUsed(_ path: String) -> Bool {
    var status = stat()
    guard stat(path, &status) == 0 else { return errno != EACCES }
    return status.st_mode & S_IFMT != S_IFDIR || access(path, R_OK | W_OK | X_OK) == 0
  }

  /// Lets another host use the folder.
  package func unlock() { flock(lock, LOCK_UN) }

  private func checkFormat(mayBeOlder: Bool) throws {
    guard let found = try Self.format(of: path) else { return try writeFormat() }
    guard found != Self.formatVersion else { return }
    guard (Self.oldestFormat..<Self.formatVersion).contains(found) else {
      throw DataFolderError.otherFormat(path: path, found: "\(found)", understood: Self.formatVersion)
    }
    if !mayBeOlder { throw DataFolderError.olderFormat(path: path, found: found, understood: Self.formatVersion) }
  }

  /// - Returns: nil where there is no folder, or one in which no host ever ran.
  static func format(of path: String) throws -> Int? {
    let file = path + "/format"
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    // What cannot be read as a number may be a format of tomorrow: it is refused, never written over.
    let found = String(decoding: try OperatorFile.read(file).prefix(40), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    guard let number = Int(found), "\(number)" == found else {
      throw DataFolderError.otherFormat(path: path, found: found, understood: formatVersion)
    }
    return number
  }

  /// Durable when it returns.
  func writeFormat() throws {
    try OperatorFile.writing(file("format")) {
      try FileObjectStore(root: path).write([("format", Array("\(Self.formatVersion)\n".utf8))])
    }
  }

  package func file(_ name: String) -> String { path + "/" + name }

  /// Whose folders there are, in order of name. What is none of them is somebody's slip: it is told of, and left.
  func tenants(told log: HostLog) throws -> [TenantID] {
    let home = try folder("tenants")
    return try FileManager.default.contentsOfDirectory(atPath: home).sorted().compactMap { name in
      var isFolder: ObjCBool = false
      let isThere = FileManager.default.fileExists(atPath: "\(home)/\(name)", isDirectory: &isFolder)
      if isThere, isFolder.boolValue, let tenant = TenantID(rawValue: name) { return tenant }
      log.warning(
        "host.odd_tenant", "This is no tenant's folder, and is left alone. Move it to where it belongs.",
        ["path": "\(home)/\(name)"])
      return nil
    }
  }

  /// Makes a folder inside, readable by its owner only.
  package func folder(_ name: String) throws -> String {
    let folder = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    return folder
  }
}

package enum DataFolderError: OperatorError, Equatable {
  case notAFolder(path: String)
  case cannotMake(path: String, reason: String)
  case nothingThere(path: String)
  case somebodyElses(path: String)
  case notPrivate(path: String)
  case notPermitted(path: String)
  case inUse(path: String)
  case halfRestored(path: String)
  case otherFormat(path: String, found: String, understood: Int)
  case olderFormat(path: String, found: Int, understood: Int)
  case noHostKey(path: String)
  case badHostKey(path: String)
  case noKeystore(path: String)
  case inside(path: String)
  case stateBehind(tenant: String, log: String)

  package var code: String {
    switch self {
    case .notAFolder: "host.not_a_folder"
    case .cannotMake: "host.cannot_make_folder"
    case .nothingThere: "host.no_data_folder"
    case .somebodyElses: "host.folder_of_others"
    case .notPrivate: "host.folder_not_private"
    case .notPermitted: "host.folder_not_permitted"
    case .inUse: "host.folder_in_use"
    case .halfRestored: "host.half_restored"
    case .otherFormat: "host.folder_format"
    case .olderFormat: "host.older_folder"
    case .noHostKey: "host.no_key"
    case .badHostKey: "host.bad_key"
    case .noKeystore: "host.no_keystore"
    case .inside: "host.inside_folder"
    case .stateBehind: "host.state_behind"
    }
  }
  package var message: String {
    switch self {
    case .notAFolder(let path): "\(path) is not a folder that can be used."
    case .cannotMake(let path, let reason): "\(path) cannot be made: \(reason)."
    case .nothingThere(let path): "\(path) is not a data folder: no host has run there."
    case .somebodyElses(let path): "\(path) holds other files and is not a data folder."
    case .notPrivate(let path): "\(path) is not private: it must belong to this user with mode 0700."
    case .notPermitted(let path): "This user may not use \(path)."
    case .inUse(let path): "Another host is running on \(path)."
    case .halfRestored(let path): "The restore into \(path) has not come to its end."
    case .otherFormat(let path, let found, let understood):
      "\(path) has format \"\(found)\"; this version of Sluice understands format \(understood)."
    case .olderFormat(let path, let found, let understood):
      "\(path) was written by an older version of Sluice, in format \(found); this one works on format \(understood)."
    case .noHostKey(let path): "The host key \(path) does not exist, but the data folder was made with one."
    case .badHostKey(let path):
      "\(path) does not hold a host key of 64 hexadecimal characters, readable by its owner only."
    case .noKeystore(let path): "\(path) is missing, but the folder holds journals that only its keys open."
    case .inside(let path): "\(path) is in the data folder, which is the host's alone; nothing was written."
    case .stateBehind(let tenant, let log):
      "The state.db of \(tenant) is missing, or does not know of the log \(log): what is to be backed up cannot be told."
    }
  }
  package var remedy: String {
    switch self {
    case .notAFolder, .cannotMake: "Give another folder with `--data-dir`."
    case .nothingThere: "Name it with `--data-dir`, or make one with `sluice up` or `sluice tenant create`."
    case .somebodyElses: "Give an empty folder, or a new name, with `--data-dir`."
    case .notPrivate(let path): "Run `chmod 700 \(path)` as its owner, or give another folder with `--data-dir`."
    case .notPermitted: "Run it as the user whose folder it is, or give another folder with `--data-dir`."
    case .inUse: "Stop that host, or speak to it: the command line does so by itself through `control.sock`."
    case .halfRestored(let path):
      "Wait for it; if it was interrupted, remove \(path) and run `sluice restore` again."
    case .otherFormat: "Run the version of Sluice that wrote it, or a newer one; nothing was changed."
    case .olderFormat:
      "Start it with `sluice up`, which makes a backup and then brings the folder to this version's format; nothing was changed."
    case .inside: "Name a place outside, best on another disk: what is lost with the folder is no copy of it."
    case .stateBehind:
      "Start the version of Sluice that wrote the folder once, which makes the state anew, stop it, and start this one; nothing was changed."
    case .noHostKey: "Restore the key file, or name it with `--host-key FILE`."
    case .badHostKey: "Run `chmod 600` on it, or restore it from where you keep keys."
    case .noKeystore: "Restore it from a backup. A new one would open nothing that was ever stored here."
    }
  }
}

/// The key that wraps all others: a file of its own outside the data folder, a systemd credential, or standard input.
package enum HostKey {
  /// Reads the key; makes the file when neither it nor the data folder's keystore exists yet.
  package static func load(path: String, keystoreExists: Bool, random: (Int) -> [UInt8]) throws -> [UInt8] {
    if path == "-" { return try parse(readLine() ?? "", path: "standard input") }
    guard FileManager.default.fileExists(atPath: path) else {
      guard !keystoreExists else { throw DataFolderError.noHostKey(path: path) }
      let key = random(32)
      try OperatorFile.writing(path) {
        try FileManager.default.createDirectory(
          atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o700])
      }
      let made = FileManager.default.createFile(
        atPath: path, contents: Data((Hex.encode(key) + "\n").utf8), attributes: [.posixPermissions: 0o600])
      guard made else { throw DataFolderError.badHostKey(path: path) }
      return key
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & 0o077 == 0 else { throw DataFolderError.badHostKey(path: path) }
    guard let text = try? OperatorFile.text(path) else { throw DataFolderError.badHostKey(path: path) }
    return try parse(text, path: path)
  }

  /// Beside the data folder, never inside: a copy of the folder alone must not open.
  package static func defaultPath(dataFolder: String) -> String {
    if let credentials = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] {
      return credentials + "/sluice-host-key"
    }
    // A folder has one key, by whichever name it is called: links are followed.
    let path = URL(fileURLWithPath: dataFolder).standardizedFileURL.resolvingSymlinksInPath()
    return path.deletingLastPathComponent().path + "/" + path.lastPathComponent + ".hostkey"
  }

  private static func parse(_ text: String, path: String) throws -> [UInt8] {
    guard let key = Hex.decode(text.trimmingCharacters(in: .whitespacesAndNewlines)), key.count == 32 else {
      throw DataFolderError.badHostKey(path: path)
    }
    return key
  }
}
