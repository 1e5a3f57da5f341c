import Foundation
import HTTPEdge
import Testing

/// One connection to a server, byte by byte. It blocks, so it is used on a thread of its own.
final class Dialling {
  private let number: Int32

  init(_ port: Int) {
    number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var time = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
  deinit { close(number) }

  func say(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
  func sayNoMore() { shutdown(number, Int32(SHUT_WR)) }

  /// - Returns: What came next; "" for the end of the connection.
  func hear() -> String {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = recv(number, &bytes, bytes.count, 0)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
  }

  /// Whether nothing has come within so long. Only to show that something did not happen.
  func hearsNothing(milliseconds: Int32) -> Bool {
    var asked = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    return poll(&asked, 1, milliseconds) == 0
  }

  static func onThread<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
    await withCheckedContinuation { done in Thread.detachNewThread { done.resume(returning: body()) } }
  }
}

/// A served edge and the port where it is.
func serving(
  _ load: EdgeLoad = EdgeLoad(), hook: HookAnswer = .notIdentified,
  _ body: (_ port: Int, _ backend: FakeBackend) async throws -> Void
) async throws {
  let backend = FakeBackend(hook: hook)
  let edge = Edge(backend: backend, names: EdgeNames(more: ["127.0.0.1"]))
  let server = EdgeServer(edge: edge, load: load, host: "127.0.0.1", port: 0)
  let running = Task { try await server.run() }
  let port = await server.boundPort()
  try #require(port > 0)
  try await body(port, backend)
  await server.stop()
  try await running.value
}
