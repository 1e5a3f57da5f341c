// FileStorage: the object port on a folder. Comes in: paths and bytes. Goes out: the same, durable. It never overwrites in
// place: a reader sees the old object or the new one.

import CSync
import Domain
import Foundation

/// Objects as files below one folder.
package final class FileObjectStore: ObjectStore {
  private let root: String

  /// Makes the folder, readable by its owner only.
  package init(root: String) throws {
    self.root = root
    try FileManager.default.createDirectory(
      atPath: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  package func read(_ path: String) throws -> [UInt8]? {
    try check(path)
    return FileManager.default.contents(atPath: "\(root)/\(path)").map { [UInt8]($0) }
  }

  package func read(_ path: String, from offset: Int, count: Int) throws -> [UInt8]? {
    try check(path)
    let file = open("\(root)/\(path)", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      guard errno == ENOENT || errno == ENOTDIR else { throw unreadable(path) }
      return nil
    }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: max(0, count))
    var filled = 0
    while filled < bytes.count {
      let part = bytes.withUnsafeMutableBytes {
        pread(file, $0.baseAddress! + filled, $0.count - filled, off_t(offset + filled))
      }
      if part < 0, errno == EINTR { continue }
      guard part >= 0 else { throw unreadable(path) }
      if part == 0 { break }
      filled += part
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  package func size(_ path: String) throws -> Int? {
    try check(path)
    var status = stat()
    guard stat("\(root)/\(path)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  package func remove(_ path: String) throws {
    try check(path)
    guard unlink("\(root)/\(path)") == 0 || errno == ENOENT else { throw failure(path) }
  }

  /// All bytes first, under names that nobody reads; once they are durable, the names.
  package func write(_ objects: [(path: String, bytes: [UInt8])]) throws {
    let isEachSynchronized = objects.count <= Self.synchronizedOneByOneMax
    var folders: Set<String> = []
    for (path, bytes) in objects {
      try check(path)
      let folder = ("\(root)/\(path)" as NSString).deletingLastPathComponent
      if folders.insert(folder).inserted { folders.formUnion(try makeFolder(folder)) }
      try writeAside("\(root)/\(path)", bytes, synchronized: isEachSynchronized)
    }
    if !isEachSynchronized { try synchronizeAll() }
    for path in Set(objects.map(\.path)) where rename("\(root)/\(path).new", "\(root)/\(path)") != 0 {
      throw failure(path)
    }
    // A new name is durable when its folder is.
    for folder in folders { try synchronize(folder) }
  }

  package func write<Result>(
    _ path: String, by body: (_ append: ([UInt8]) throws -> Void) throws -> Result
  ) throws -> Result {
    try check(path)
    let target = "\(root)/\(path)"
    let folder = (target as NSString).deletingLastPathComponent
    let folders = try makeFolder(folder).union([folder])
    let file = try openAside(target)
    defer { close(file) }
    let result: Result
    do {
      result = try body { try append($0, to: file, target) }
      guard fsync(file) == 0, rename(target + ".new", target) == 0 else { throw failure(target) }
    } catch {
      unlink(target + ".new")
      throw error
    }
    for folder in folders { try synchronize(folder) }
    return result
  }

  /// More files than this are made durable together, with whatever else was written to the file system.
  private static let synchronizedOneByOneMax = 8

  /// - Returns: The folders that hold a new one.
  private func makeFolder(_ folder: String) throws -> Set<String> {
    guard !FileManager.default.fileExists(atPath: folder) else { return [] }
    var holders: Set<String> = []
    var holder = folder
    repeat {
      holder = (holder as NSString).deletingLastPathComponent
      holders.insert(holder)
    } while holder.utf8.count > root.utf8.count && !FileManager.default.fileExists(atPath: holder)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return holders
  }

  package func list(_ prefix: String) throws -> [String] {
    let base = "\(root)/\(prefix)"
    guard let files = FileManager.default.enumerator(atPath: base) else { return [] }
    var paths: [String] = []
    for case let file as String in files {
      var isFolder: ObjCBool = false
      if FileManager.default.fileExists(atPath: "\(base)/\(file)", isDirectory: &isFolder), !isFolder.boolValue {
        paths.append(prefix.isEmpty ? file : "\(prefix)/\(file)")
      }
    }
    return paths.sorted()
  }

  private func writeAside(_ target: String, _ bytes: [UInt8], synchronized: Bool) throws {
    let file = try openAside(target)
    defer { close(file) }
    do { try append(bytes, to: file, target) } catch {
      unlink(target + ".new")
      throw error
    }
    if synchronized, fsync(file) != 0 { throw failure(target) }
  }

  /// Under a name that nobody reads.
  private func openAside(_ target: String) throws -> Int32 {
    let file = open(target + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure(target) }
    return file
  }

  private func append(_ bytes: [UInt8], to file: Int32, _ target: String) throws {
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure(target) }
      written += count
    }
  }

  private func synchronize(_ path: String) throws {
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure(path) }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw failure(path) }
  }

  /// Makes all that was written to the folder's file system durable.
  package func synchronizeAll() throws {
    let folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure(root) }
    defer { close(folder) }
    let reason = sluice_syncfs(folder)
    guard reason == 0 else { throw failure(root, reason) }
  }

  private func failure(_ path: String, _ reason: Int32 = errno) -> ObjectStoreError {
    .cannotWrite(path: path, reason: String(cString: strerror(reason)))
  }

  private func unreadable(_ path: String) -> ObjectStoreError {
    .cannotRead(path: path, reason: String(cString: strerror(errno)))
  }

  /// Paths are ours, but one that leaves the folder must never be followed.
  private func check(_ path: String) throws {
    guard !path.isEmpty, !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
      throw ObjectStoreError.badPath(path)
    }
  }
}

package enum ObjectStoreError: OperatorError, Equatable {
  case badPath(String)
  case cannotWrite(path: String, reason: String)
  case cannotRead(path: String, reason: String)

  package var code: String {
    switch self {
    case .badPath: "objects.bad_path"
    case .cannotWrite: "objects.cannot_write"
    case .cannotRead: "objects.cannot_read"
    }
  }
  package var message: String {
    switch self {
    case .badPath(let path): "\"\(path)\" is not a path inside the object folder."
    case .cannotWrite(let path, let reason): "\(path) could not be written: \(reason)."
    case .cannotRead(let path, let reason): "\(path) could not be read: \(reason)."
    }
  }
  package var remedy: String {
    switch self {
    case .badPath: "This is a fault of the program; report it."
    case .cannotWrite: "Check space and permissions of the data folder; it is tried again."
    case .cannotRead: "Check the disk and the rights on the data folder; restore the file from a backup if it is gone."
    }
  }
}
