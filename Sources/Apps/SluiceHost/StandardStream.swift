import Foundation

/// Writes to standard output and standard error that nothing depends on: a full disk or a reader who has left must not
/// end the host, as Foundation's `FileHandle.write` does.
package enum StandardStream {
  package static func output(_ text: String) { write(text, to: STDOUT_FILENO) }
  package static func error(_ text: String) { write(text, to: STDERR_FILENO) }

  /// Writes all of it, or as much as finds room.
  package static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
