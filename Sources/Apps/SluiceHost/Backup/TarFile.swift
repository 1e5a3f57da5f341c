import Domain
import Foundation

/// The container of backups and of plugins' packs: a POSIX ustar archive, which `tar` reads too. Only what they need: regular
/// files, mode 0600, no times.
package enum TarFile {
  package static let blockBytes = 512
  static let pieceBytes = 1 << 20

  /// - Returns: nil when the path is too long for the format.
  package static func header(path: String, bytes: Int) -> [UInt8]? {
    var name = Array(path.utf8)
    var prefix: [UInt8] = []
    if name.count > 100 {
      // The longest end that fits, split at a slash.
      guard let split = name.indices.first(where: { name[$0] == 0x2F && name.count - $0 - 1 <= 100 }), split <= 155
      else { return nil }
      prefix = Array(name[..<split])
      name = Array(name[(split + 1)...])
    }
    var block = [UInt8](repeating: 0, count: blockBytes)
    func put(_ text: some Collection<UInt8>, at place: Int) {
      block.replaceSubrange(place..<(place + text.count), with: text)
    }
    func octal(_ number: Int, _ width: Int) -> [UInt8] {
      let digits = String(number, radix: 8)
      return Array((String(repeating: "0", count: max(0, width - digits.count)) + digits).utf8)
    }
    put(name, at: 0)
    put(octal(0o600, 7), at: 100)
    put(octal(0, 7), at: 108)
    put(octal(0, 7), at: 116)
    put(octal(bytes, 11), at: 124)
    put(octal(0, 11), at: 136)
    put([UInt8](repeating: 0x20, count: 8), at: 148)
    put(Array("0".utf8), at: 156)
    put(Array("ustar\0".utf8) + Array("00".utf8), at: 257)
    put(prefix, at: 345)
    put(octal(block.reduce(0) { $0 + Int($1) }, 6) + [0, 0x20], at: 148)
    return block
  }

  /// - Returns: nil unless the block is, byte for byte, a header that `header` writes.
  package static func read(_ block: [UInt8]) -> (path: String, bytes: Int)? {
    func text(_ range: Range<Int>) -> String { String(decoding: block[range].prefix { $0 != 0 }, as: UTF8.self) }
    let (name, prefix) = (text(0..<100), text(345..<500))
    guard let bytes = Int(text(124..<136), radix: 8), bytes >= 0, !name.isEmpty else { return nil }
    let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
    return header(path: path, bytes: bytes) == block ? (path, bytes) : nil
  }

  package static func padding(after bytes: Int) -> Int { (blockBytes - bytes % blockBytes) % blockBytes }
}

/// A file that is written once, piece by piece.
final class OutputFile {
  let path: String
  let descriptor: Int32

  /// Makes the file, where there is nothing yet.
  init(path: String, mode: UInt32 = 0o600) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
    guard descriptor >= 0 else { throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(errno)) }
    // Whatever the umask takes away.
    fchmod(descriptor, mode)
  }

  deinit { close(descriptor) }

  func write(_ bytes: [UInt8]) throws {
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw OperatorFileError.unwritable(path: path, reason: PlainReason.text(errno)) }
      written += count
    }
  }
}

/// A file that is read from its beginning to its end.
final class InputFile {
  let path: String
  private let descriptor: Int32

  init(path: String, followsLink: Bool = true) throws {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC | (followsLink ? 0 : O_NOFOLLOW))
    guard descriptor >= 0 else { throw OperatorFileError.unreadable(path: path, reason: PlainReason.text(errno)) }
  }

  deinit { close(descriptor) }

  /// As long as it is now.
  var bytes: Int {
    get throws {
      var status = stat()
      guard fstat(descriptor, &status) == 0 else {
        throw OperatorFileError.unreadable(path: path, reason: PlainReason.text(errno))
      }
      return Int(status.st_size)
    }
  }

  /// So many bytes, or fewer at the end of the file.
  func read(_ count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = bytes[filled...].withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw OperatorFileError.unreadable(path: path, reason: PlainReason.text(errno)) }
      if got == 0 { break }
      filled += got
    }
    bytes.removeLast(count - filled)
    return bytes
  }
}
