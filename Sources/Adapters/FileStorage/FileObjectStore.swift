// FileStorage: the object port on a folder. Comes in: paths and bytes. Goes out: the same, durable. It never overwrites in
// place: a reader sees the old object or the new one.

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

  package func write(_ objects: [(path: String, bytes: [UInt8])]) throws {
    var folders: Set<String> = []
    for (path, bytes) in objects {
      try check(path)
      let target = "\(root)/\(path)"
      let folder = (target as NSString).deletingLastPathComponent
      if !FileManager.default.fileExists(atPath: folder) {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        folders.insert((folder as NSString).deletingLastPathComponent)
      }
      try replace(target, with: bytes)
      folders.insert(folder)
    }
    // A new name is durable when its folder is.
    for folder in folders { try synchronize(folder, O_RDONLY | O_DIRECTORY) }
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

  private func replace(_ target: String, with bytes: [UInt8]) throws {
    let temporary = target + ".new"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw ObjectStoreError.cannotWrite(path: target, reason: String(cString: strerror(errno))) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let reason = String(cString: strerror(errno))
        close(file)
        unlink(temporary)
        throw ObjectStoreError.cannotWrite(path: target, reason: reason)
      }
      written += count
    }
    let isDurable = fsync(file) == 0
    close(file)
    guard isDurable, rename(temporary, target) == 0 else {
      throw ObjectStoreError.cannotWrite(path: target, reason: String(cString: strerror(errno)))
    }
  }

  private func synchronize(_ path: String, _ flags: Int32) throws {
    let folder = open(path, flags | O_CLOEXEC)
    guard folder >= 0 else { throw ObjectStoreError.cannotWrite(path: path, reason: String(cString: strerror(errno))) }
    defer { close(folder) }
    guard fsync(folder) == 0 else {
      throw ObjectStoreError.cannotWrite(path: path, reason: String(cString: strerror(errno)))
    }
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

  package var code: String {
    switch self {
    case .badPath: "objects.bad_path"
    case .cannotWrite: "objects.cannot_write"
    }
  }
  package var message: String {
    switch self {
    case .badPath(let path): "\"\(path)\" is not a path inside the object folder."
    case .cannotWrite(let path, let reason): "\(path) could not be written: \(reason)."
    }
  }
  package var remedy: String {
    switch self {
    case .badPath: "This is a fault of the program; report it."
    case .cannotWrite: "Check space and permissions of the data folder; it is tried again."
    }
  }
}
