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

  /// - Throws: `BackupError.exists` when the name is given already.
  init(of path: String) throws {
    self.path = path
    Self.removeAbandoned(path)
    guard access(path, F_OK) != 0 else { throw BackupError.exists(path: path) }
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

  /// How a whole file gets its name, where there is nothing yet. Neither writes over what somebody else put there.
  enum Way: CaseIterable {
    /// In one step.
    case link
    /// Where a file system has no links, as FAT has none: the name is taken first, and the whole file then replaces what took it.
    case claim
  }

  /// - Throws: `BackupError.exists` when the name has been given since.
  func giveName(_ ways: [Way] = Way.allCases, crash: any CrashInjector = NoCrash()) throws {
    var reason: Int32 = 0
    for way in ways {
      reason =
        switch way {
        case .link: link(output.path, path) == 0 ? 0 : errno
        case .claim: claim(crash)
        }
      if reason == EEXIST { throw BackupError.exists(path: path) }
      if reason == 0 { break }
    }
    guard reason == 0 else { throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(reason)) }
    remove()
    try OutputFile.synchronize(folder: (path as NSString).deletingLastPathComponent)
  }

  func remove() { unlink(output.path) }

  /// - Returns: 0, or why it has not got the name.
  private func claim(_ crash: any CrashInjector) -> Int32 {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { return errno }
    let text = Self.claim(for: output.path)
    let written = write(file, text, text.count)
    // Durable, so that it is known for what it is, whoever dies before the whole file stands there.
    let failed = written < 0 || fsync(file) != 0 ? errno : written < text.count ? ENOSPC : 0
    close(file)
    guard failed == 0 else { return giveUp(text.prefix(max(0, written)), failed) }
    crash.reach(.backupAfterClaim)
    // Somebody may write to any file, whoever made it.
    guard Self.holds(path, text) else { return EEXIST }
    return rename(output.path, path) == 0 ? 0 : giveUp(text[...], errno)
  }

  private func giveUp(_ claim: ArraySlice<UInt8>, _ reason: Int32) -> Int32 {
    if Self.holds(path, Array(claim)) { unlink(path) }
    return reason
  }

  /// What stands under a name that is taken: which file it waits for.
  private static func claim(for making: String) -> [UInt8] {
    Array("This name is taken for \((making as NSString).lastPathComponent)\n".utf8)
  }

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
      // Its maker may have died with the name taken. Nobody else writes what the claim says.
      if holds(path, claim(for: other)) { unlink(path) }
      unlink("\(folder)/\(other)")
    }
  }

  private static func holds(_ path: String, _ bytes: [UInt8]) -> Bool {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard file >= 0 else { return false }
    defer { close(file) }
    var found = [UInt8](repeating: 0, count: bytes.count + 1)
    return read(file, &found, found.count) == bytes.count && found.starts(with: bytes)
  }
}
