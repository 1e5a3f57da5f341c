import Domain
import Glibc

/// Tells the service manager that started this process how the host fares: sd_notify(3)'s protocol, datagrams of
/// `NAME=value` lines to the socket that `NOTIFY_SOCKET` names.
///
/// Spoken here and not through libsystemd, which the host would link for one `sendto`.
package struct ServiceNotice: Sendable {
  /// Ours by path, or in the abstract namespace when it begins with `@`.
  let socket: String
  /// Within which a sign of life must come, or the service manager ends the host; nil when it asks for none.
  package let watchdog: Duration?

  /// - Returns: nil when nobody asked to be told, or named a socket that cannot be one.
  package init?(environment: [String: String], processID: Int32 = getpid()) {
    guard let socket = environment["NOTIFY_SOCKET"], socket.hasPrefix("/") || socket.hasPrefix("@"),
      (2..<Self.pathBytesMax).contains(socket.utf8.count)
    else { return nil }
    self.socket = socket
    let asked = environment["WATCHDOG_PID"].map { Int32($0) == processID } ?? true
    let microseconds = asked ? environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0 : 0
    watchdog = microseconds > 0 ? .microseconds(microseconds) : nil
  }

  /// The host serves; `status` is shown by `systemctl status`.
  package func ready(_ status: String) { send(["READY=1", "STATUS=" + Self.line(status)]) }

  package func stopping() { send(["STOPPING=1", "STATUS=Draining"]) }

  /// Asks for more time than a start has, for as long as `body` takes.
  package func working<Result: Sendable>(_ body: () async throws -> Result) async rethrows -> Result {
    @Sendable func ask() {
      send(["EXTEND_TIMEOUT_USEC=120000000", "STATUS=Bringing the data folder to this version's format"])
    }
    ask()
    let asking = Task { while (try? await Task.sleep(for: .seconds(40))) != nil { ask() } }
    defer { asking.cancel() }
    return try await body()
  }

  package func alive() { send(["WATCHDOG=1"]) }

  /// One line, whatever stood in the text: another would be a word of its own.
  private static func line(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

  private static let pathBytesMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path)

  /// What cannot be told is let go: a host does not fail for want of somebody who listens.
  private func send(_ lines: [String]) {
    let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var path = Array(socket.utf8)
    if path[0] == UInt8(ascii: "@") { path[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
    let message = Array(lines.joined(separator: "\n").utf8)
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
  }
}

extension RunningHost {
  /// Gives a sign of life thrice within what the service manager waits, each one only when the loop's thread and this
  /// actor have answered. The disk is not asked: a slow one is no reason to be killed.
  package func giveSignsOfLife(_ notice: ServiceNotice) {
    guard let watchdog = notice.watchdog else { return }
    let milliseconds = Int64(watchdog / .milliseconds(1)) / 3
    _ = pool.after(ms: max(1, milliseconds)) { [weak self] in
      Task { await self?.giveSignOfLife(notice) }
    }
  }

  private func giveSignOfLife(_ notice: ServiceNotice) {
    notice.alive()
    giveSignsOfLife(notice)
  }
}
