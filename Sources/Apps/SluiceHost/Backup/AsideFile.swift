import Domain
import Foundation

/// A file that gets its name once it is whole and durable. Until then it stands beside it, under a name that nobody else uses:
/// `NAME.0123456789abcdef.making`.
///
/// Its maker holds a lock on it, so that the next one tells what a dead maker left from what another one is writing.
struct AsideFile {
  let path: String
  let output: OutputFile
  private static let end = ".making"

  init(of path: String) throws {
    self.path = path
    Self.removeAbandoned(path)
    while true {
      let output = try OutputFile(path: "\(path).\(Hex.encode(SystemSources.random(8)))\(Self.end)")
      flock(output.descriptor, LOCK_EX)
      var status = stat()
      // Somebody who tidied up may have come between the name and the lock.
      guard fstat(output.descriptor, &status) == 0, status.st_nlink > 0 else { continue }
      self.output = output
      return
    }
  }

  /// - Throws: `BackupError.exists` when the name has been given since.
  func giveName() throws {
    guard link(output.path, path) == 0 else {
      if errno == EEXIST { throw BackupError.exists(path: path) }
      throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(errno))
    }
    remove()
    try OutputFile.synchronize(folder: (path as NSString).deletingLastPathComponent)
  }

  func remove() { unlink(output.path) }

  private static func removeAbandoned(_ path: String) {
    let (folder, name) = ((path as NSString).deletingLastPathComponent, (path as NSString).lastPathComponent)
    for other in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      guard other.hasPrefix(name + "."), other.hasSuffix(end),
        Hex.decode(other.dropFirst(name.count + 1).dropLast(end.count))?.count == 8
      else { continue }
      let file = open("\(folder)/\(other)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
      guard file >= 0 else { continue }
      defer { close(file) }
      var status = stat()
      guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
        flock(file, LOCK_EX | LOCK_NB) == 0
      else { continue }
      unlink("\(folder)/\(other)")
    }
  }
}
