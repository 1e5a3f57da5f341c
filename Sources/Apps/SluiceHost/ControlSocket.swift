import CanonicalJSON
package import Domain
import Foundation
import Synchronization

/// The host's own door for the command line: a socket in the data folder, one JSON line in, one JSON line out.
///
/// Who connects is told by the kernel (`SO_PEERCRED`): the host's own user and root are let in, nobody else.
package final class ControlServer: Sendable {
  private let socketNumber: Int32
  private let path: String

  package init(path: String, answer: @escaping @Sendable (_ command: String, _ arguments: JSONValue) async -> JSONValue)
    throws
  {
    self.path = path
    unlink(path)
    socketNumber = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let bound = try ControlAddress.with(path) { address, length in bind(socketNumber, address, length) }
    guard bound == 0, chmod(path, 0o600) == 0, listen(socketNumber, 64) == 0 else {
      throw ControlError.cannotListen(path: path, reason: String(cString: strerror(errno)))
    }
    let listener = socketNumber
    let clients = Clients(most: 256)
    Thread.detachNewThread {
      while true {
        let peer = accept(listener, nil, nil)
        if peer < 0 {
          if errno == EINTR || errno == ECONNABORTED { continue }
          guard [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) else { return }
          // Who waits is let in once there is room; asking again at once would only take a processor.
          Thread.sleep(forTimeInterval: 0.1)
          continue
        }
        _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
        // Who says nothing, or does not read its answer, is let go; who is one too many is turned away at once.
        guard clients.enter() else {
          Foundation.close(peer)
          continue
        }
        ControlLine.limit(peer, seconds: 10)
        // Reading and writing block: a thread for each client, not one that others wait for.
        Thread.detachNewThread {
          ControlServer.serve(peer, answer)
          Foundation.close(peer)
          clients.leave()
        }
      }
    }
  }

  package func close() {
    shutdown(socketNumber, Int32(SHUT_RDWR))
    Foundation.close(socketNumber)
    unlink(path)
  }

  /// How many are being served.
  private final class Clients: Sendable {
    private let most: Int
    private let count = Mutex(0)
    init(most: Int) { self.most = most }
    func enter() -> Bool {
      count.withLock { count in
        guard count < most else { return false }
        count += 1
        return true
      }
    }
    func leave() { count.withLock { $0 -= 1 } }
  }

  private static func serve(
    _ peer: Int32, _ answer: @escaping @Sendable (String, JSONValue) async -> JSONValue
  ) {
    var credentials = PeerCredentials()
    var length = socklen_t(MemoryLayout<PeerCredentials>.size)
    guard getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0,
      credentials.uid == geteuid() || credentials.uid == 0, let line = ControlLine.read(peer)
    else { return }
    guard let request = try? JSONValue(parsing: line), let command = request["command"]?.string else {
      let refusal = ControlClient.refusal(
        CommandError.refused(
          code: "command.not_json", message: "This line is no command.",
          remedy: #"Send one line of JSON: {"command":"NAME","arguments":{}}."#))
      return ControlLine.write(peer, refusal.canonicalBytes)
    }
    let reply = Mutex<JSONValue>(.null)
    let answered = DispatchSemaphore(value: 0)
    Task {
      let given = await answer(command, request["arguments"] ?? [:])
      reply.withLock { $0 = given }
      answered.signal()
    }
    answered.wait()
    ControlLine.write(peer, reply.withLock { $0 }.canonicalBytes)
  }
}

/// The kernel's `struct ucred` (unix(7)), which Glibc's module does not show to Swift.
private struct PeerCredentials {
  var pid: Int32 = 0
  var uid: UInt32 = .max
  var gid: UInt32 = .max
}

/// Why the host's own door cannot be opened.
package enum ControlError: OperatorError, Equatable {
  case cannotListen(path: String, reason: String)

  package var code: String { "host.no_control_socket" }
  package var message: String {
    switch self {
    case .cannotListen(let path, let reason): "The host cannot listen on \(path): \(reason)."
    }
  }
  package var remedy: String { "Check that the data folder is on a file system that knows sockets, and not full." }
}

extension ControlServer {
  /// Answers the command line for a running host, as the operating system's user who asks.
  package static func serving(_ host: RunningHost, as user: UserID) throws -> ControlServer {
    try ControlServer(path: host.options.dataFolder + "/control.sock") { command, arguments in
      await ControlClient.reply {
        try await HostCommand.named(command).run(.init(host: host, arguments: arguments, user: user))
      }
    }
  }
}

package enum ControlClient {
  /// - Returns: nil when no host listens there.
  package static func ask(path: String, command: String, arguments: JSONValue) throws -> JSONValue? {
    let peer = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    defer { Foundation.close(peer) }
    let connected = try ControlAddress.with(path) { address, length in connect(peer, address, length) }
    guard connected == 0 else { return nil }
    let request = (["command": .string(command), "arguments": arguments] as JSONValue).canonicalBytes
    // The host would hang up on more, and that would look like its end.
    guard request.count < ControlLine.bytesMax else { throw CommandError.tooLarge(bytesMax: ControlLine.bytesMax) }
    ControlLine.write(peer, request)
    guard let line = ControlLine.read(peer) else {
      throw CommandError.refused(
        code: "command.cut_off", message: "The host ended before it answered.",
        remedy: "Look into its log, start it again, and look whether the command took effect before you repeat it.")
    }
    let reply = try JSONValue(parsing: line)
    if let error = reply["error"] {
      throw CommandError.refused(
        code: error["code"]?.string ?? "command.failed", message: error["message"]?.string ?? "The command failed.",
        remedy: "")
    }
    return reply["result"] ?? .null
  }

  /// The reply of a server: a result, or the error's words.
  package static func reply(_ work: () async throws -> JSONValue) async -> JSONValue {
    do { return ["result": try await work()] } catch {
      return refusal(UnnamedFault.named(error))
    }
  }

  static func refusal(_ error: any OperatorError) -> JSONValue {
    ["error": ["code": .string(error.code), "message": .string("\(error.message) \(error.remedy)")]]
  }
}

private enum ControlAddress {
  static func with<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) throws -> R {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8) + [0]
    // An address holds 108 bytes; a longer path is reached through its open folder.
    var folder: Int32 = -1
    defer { if folder >= 0 { close(folder) } }
    if bytes.count > MemoryLayout.size(ofValue: address.sun_path) {
      folder = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      bytes = Array("/proc/self/fd/\(folder)/\((path as NSString).lastPathComponent)".utf8) + [0]
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }
}

private enum ControlLine {
  static let bytesMax = 64 << 20

  /// Bounds each single read and write.
  static func limit(_ peer: Int32, seconds: Int) {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(peer, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  static func read(_ peer: Int32) -> [UInt8]? {
    var line: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while line.count < bytesMax {
      let count = Foundation.read(peer, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return nil }
      line += buffer.prefix(count)
      if line.last == 0x0A { return line.dropLast() }
    }
    return nil
  }

  static func write(_ peer: Int32, _ bytes: [UInt8]) {
    let line = bytes + [0x0A]
    var sent = 0
    while sent < line.count {
      let count = line[sent...].withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      sent += count
    }
  }
}
