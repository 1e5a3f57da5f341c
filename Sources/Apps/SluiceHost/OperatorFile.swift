import CanonicalJSON
package import Domain
import Foundation

/// The files that operators name: the one place where they are read, checked and made.
package enum OperatorFile {
  /// Enough for a checkpoint, a secret or an instance's configuration.
  package static let bytesMax = 16 << 20

  /// As the command line means it: from the caller's folder, which is not the host's.
  package static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }

  /// - Throws: `OperatorFileError`.
  package static func read(_ path: String, bytesMax: Int = bytesMax) throws -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw OperatorFileError.unreadable(path: path, reason: PlainReason.text(errno)) }
    defer { close(file) }
    return try read(file, path, bytesMax)
  }

  /// What is piped into the command.
  package static func standardInput(bytesMax: Int = bytesMax) throws -> [UInt8] {
    try read(STDIN_FILENO, "standard input", bytesMax)
  }

  /// A document that the host itself reads: a file and nothing else, as a pipe would hold everybody up, and none that is too
  /// large, which is known before anything of it is read.
  package static func document(_ path: String, bytesMax: Int = bytesMax) throws -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw OperatorFileError.unreadable(path: path, reason: PlainReason.text(errno)) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw OperatorFileError.unreadable(path: path, reason: PlainReason.text(errno))
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw OperatorFileError.notAFile(path: path, what: "a folder")
    case S_IFIFO: throw OperatorFileError.notAFile(path: path, what: "a pipe")
    default: throw OperatorFileError.notAFile(path: path, what: "a device")
    }
    guard status.st_size <= bytesMax else { throw OperatorFileError.tooLarge(path: path, bytesMax: bytesMax) }
    guard let text = String(validating: try read(file, path, bytesMax), as: UTF8.self) else {
      throw OperatorFileError.notText(path: path)
    }
    return text
  }

  private static func read(_ file: Int32, _ path: String, _ bytesMax: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Foundation.read(file, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw OperatorFileError.unreadable(path: path, reason: PlainReason.text(errno)) }
      if count == 0 { return bytes }
      bytes += buffer.prefix(count)
      guard bytes.count <= bytesMax else { throw OperatorFileError.tooLarge(path: path, bytesMax: bytesMax) }
    }
  }

  /// Whether nobody but its owner may read or write it.
  package static func isPrivate(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o077 == 0
  }

  package static func text(_ path: String) throws -> String {
    guard let text = String(validating: try read(path), as: UTF8.self) else {
      throw OperatorFileError.notText(path: path)
    }
    return text
  }

  package static func json(_ path: String) throws -> JSONValue {
    let bytes = try read(path)
    do { return try JSONValue(parsing: bytes) } catch {
      throw OperatorFileError.notJSON(path: path, reason: error.message)
    }
  }

  /// Whether a file can be written there, before work is done whose result it is to hold. Changes nothing.
  package static func checkWritable(_ path: String) throws {
    let isNew = access(path, F_OK) != 0
    let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(errno)) }
    close(file)
    if isNew { unlink(path) }
  }

  /// Makes a file that must not exist yet, with these rights from its first byte on.
  package static func create(_ path: String, _ bytes: [UInt8], mode: UInt32) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard file >= 0 else {
      let number = errno
      if number == EEXIST { throw OperatorFileError.exists(path: path) }
      throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(number))
    }
    defer { close(file) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { Foundation.write(file, $0.baseAddress! + written, bytes.count - written) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let reason = PlainReason.text(errno)
        unlink(path)
        throw OperatorFileError.unwritable(path: path, reason: reason)
      }
      written += count
    }
  }

  /// The same where a file may stand, which then gives way: its rights are not kept.
  package static func replace(_ path: String, _ bytes: [UInt8], mode: UInt32) throws {
    unlink(path)
    try create(path, bytes, mode: mode)
  }

  /// The same, and nothing is left of what fails. What is no file, such as a device, is written as it is.
  package static func put(_ path: String, _ bytes: [UInt8], mode: UInt32) throws {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else {
      return try replace(path, bytes, mode: mode)
    }
    try writing(path) { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
  }

  /// Before work is done whose result must not take the place of another one.
  package static func checkNew(_ path: String) throws {
    guard access(path, F_OK) != 0 else { throw OperatorFileError.exists(path: path) }
    try checkWritable(path)
  }

  /// Runs what writes at `path`; what the system refuses is said of that path.
  package static func writing<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as any OperatorError { throw error } catch {
      throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(error))
    }
  }
}

package enum OperatorFileError: OperatorError, Equatable {
  case unreadable(path: String, reason: String)
  case notAFile(path: String, what: String)
  case exists(path: String)
  case tooLarge(path: String, bytesMax: Int)
  case notText(path: String)
  case notJSON(path: String, reason: String)
  case unwritable(path: String, reason: String)

  package var code: String {
    switch self {
    case .unreadable: "file.unreadable"
    case .notAFile: "file.not_a_file"
    case .exists: "file.exists"
    case .tooLarge: "file.too_large"
    case .notText: "file.not_text"
    case .notJSON: "file.not_json"
    case .unwritable: "file.unwritable"
    }
  }
  package var message: String {
    switch self {
    case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)."
    case .notAFile(let path, let what): "\(path) is \(what), and not a file."
    case .exists(let path): "\(path) exists already."
    case .tooLarge(let path, let bytesMax): "\(path) has more than \(bytesMax) bytes."
    case .notText(let path): "\(path) is not text in UTF-8."
    case .notJSON(let path, let reason): "\(path) is not JSON. \(reason)"
    case .unwritable(let path, let reason): "\(path) cannot be written: \(reason)."
    }
  }
  package var remedy: String {
    switch self {
    case .unreadable: "Name a file that exists and that this user may read."
    case .notAFile(_, let what): what == "a folder" ? "Name a file in it." : "Name a file."
    case .exists: "It is not written over: name another file, or move that one away."
    case .tooLarge: "Check that it is the file you mean."
    case .notText: "Save it as UTF-8, or name another file."
    case .notJSON: "Correct the file, or name another one."
    case .unwritable(_, let reason) where !PlainReason.special.contains(reason):
      "Name a place where this user may write."
    case .unwritable(_, PlainReason.text(EEXIST)):
      "Somebody else makes it at this moment: wait for that, or name another place."
    case .unwritable: "Make room on that disk, or name a place on another one; nothing is left of what was begun."
    }
  }
}

/// What failed without a code of ours, in words that people can use: never the text of a library.
package struct UnnamedFault: OperatorError {
  package let message: String
  package init(_ error: any Error) {
    let path = (error as NSError).userInfo[NSFilePathErrorKey] as? String
    message = path.map { "\($0): \(PlainReason.text(error))." } ?? "Something failed: \(PlainReason.text(error))."
  }
  package var code: String { "command.failed" }
  package var remedy: String {
    "Check the path and the rights of this user; if it stays so, report it with the host's log."
  }

  /// The error itself when it has a code, else this.
  package static func named(_ error: any Error) -> any OperatorError {
    error as? any OperatorError ?? UnnamedFault(error)
  }
}

/// Why the operating system refused, in its own short words.
enum PlainReason {
  static func text(_ number: Int32) -> String { String(cString: strerror(number)) }

  /// Reasons that have nothing to do with rights.
  static let special = [ENOSPC, EDQUOT, EEXIST].map(text)

  static func text(_ error: any Error) -> String {
    let error = error as NSError
    let cause = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
    if cause.domain == NSPOSIXErrorDomain { return text(Int32(cause.code)) }
    guard error.domain == NSCocoaErrorDomain else { return "\(error.domain) \(error.code)" }
    switch CocoaError.Code(rawValue: error.code) {
    case .fileNoSuchFile, .fileReadNoSuchFile: return text(ENOENT)
    case .fileReadNoPermission, .fileWriteNoPermission: return text(EACCES)
    case .fileWriteFileExists: return text(EEXIST)
    case .fileWriteOutOfSpace: return text(ENOSPC)
    default: return "the system refused it (\(error.code))"
    }
  }
}
