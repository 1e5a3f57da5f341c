import Foundation
import Glibc
import Synchronization

/// One request as it arrived, byte for byte.
struct UpstreamRequest: Sendable {
  /// The endpoint of the manifest that it was sent to.
  let endpoint: String
  let method: String
  let path: String
  let query: String
  let headers: [(name: String, value: String)]
  let body: [UInt8]
  /// Which request to this server it is, from 0.
  let number: Int

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
  /// The pairs of the query, percent-decoded.
  var pairs: [String: String] {
    var pairs: [String: String] = [:]
    for part in query.split(separator: "&") {
      let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let value = (sides.count == 2 ? sides[1] : "").replacingOccurrences(of: "+", with: " ")
      pairs[sides[0].removingPercentEncoding ?? sides[0]] = value.removingPercentEncoding ?? value
    }
    return pairs
  }
}

/// What to answer, and how badly.
struct UpstreamAnswer: Sendable {
  enum Manner: Sendable, Equatable {
    case whole
    /// The connection ends after so many bytes of the body, although more were announced.
    case cut(after: Int)
    /// The connection ends before any answer.
    case none
    /// Nothing comes, and the connection stays.
    case silent
    /// So many bytes of the body come, then nothing, and the connection stays.
    case stalled(after: Int)
    /// The body comes in pieces of so many bytes, each with a pause of a millisecond, without an end.
    case endless(piece: Int)
  }
  var status = 200
  var headers: [(name: String, value: String)] = []
  var body: [UInt8] = []
  var manner = Manner.whole
}

/// An HTTP/1.1 server on 127.0.0.1 that says exactly what it is told to, wrong lengths and endless bodies included: what a
/// proper server library would not let us say. For the kit alone; it knows nothing of RFC 9112 that libcurl does not send.
final class UpstreamServer: Sendable {
  private struct Content {
    var answer: @Sendable (UpstreamRequest) -> UpstreamAnswer = { _ in UpstreamAnswer(status: 404) }
    var seen: [UpstreamRequest] = []
    var open: Set<Int32> = []
    var isClosed = false
  }
  private let content = Mutex(Content())
  private let listening: Int32
  let port: Int

  init() throws {
    let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listening, $0, length) == 0 && listen(listening, 64) == 0 && getsockname(listening, $0, &length) == 0
      }
    }
    guard listening >= 0, bound else { throw KitError.noUpstream(errno: errno) }
    self.listening = listening
    port = Int(UInt16(bigEndian: address.sin_port))
    Self.thread { [self] in accepts() }
  }

  func answer(_ answer: @escaping @Sendable (UpstreamRequest) -> UpstreamAnswer) {
    content.withLock { $0.answer = answer }
  }
  var seen: [UpstreamRequest] { content.withLock { $0.seen } }
  func forget() { content.withLock { $0.seen = [] } }

  func close() {
    // Under the lock, as is every close: a number that was closed may already be somebody else's descriptor.
    content.withLock { content in
      guard !content.isClosed else { return }
      content.isClosed = true
      shutdown(listening, Int32(SHUT_RDWR))
      for connection in content.open { shutdown(connection, Int32(SHUT_RDWR)) }
    }
  }

  private static func thread(_ body: @escaping @Sendable () -> Void) {
    let thread = Thread { body() }
    thread.stackSize = 256 << 10
    thread.start()
  }

  private func accepts() {
    while true {
      let connection = accept(listening, nil, nil)
      if connection < 0 {
        if errno == EINTR || errno == ECONNABORTED { continue }
        break
      }
      _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
      let isTaken = content.withLock { content in
        guard !content.isClosed else { return false }
        content.open.insert(connection)
        return true
      }
      guard isTaken else {
        Glibc.close(connection)
        break
      }
      Self.thread { [self] in
        serve(connection)
        content.withLock { content in
          content.open.remove(connection)
          Glibc.close(connection)
        }
      }
    }
    content.withLock { content in
      content.isClosed = true
      Glibc.close(listening)
    }
  }

  private func serve(_ connection: Int32) {
    var input: [UInt8] = []
    while let request = next(connection, &input) {
      let answer = content.withLock { content in
        content.seen.append(request)
        return content.answer
      }(request)
      guard send(answer, on: connection) else { return }
    }
  }

  private func receive(_ connection: Int32, _ input: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(connection, &buffer, buffer.count, 0)
    if count > 0 { input += buffer.prefix(count) }
    return count > 0
  }

  private func next(_ connection: Int32, _ input: inout [UInt8]) -> UpstreamRequest? {
    let end = Array("\r\n\r\n".utf8)
    var head: Range<Int>?
    while head == nil {
      head = input.firstRange(of: end)
      guard head != nil || (input.count < 1 << 20 && receive(connection, &input)) else { return nil }
    }
    let lines = String(decoding: input[..<head!.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ")
    guard words.count == 3 else { return nil }
    let headers = lines.dropFirst().compactMap { line -> (name: String, value: String)? in
      guard let colon = line.firstIndex(of: ":") else { return nil }
      return (line[..<colon].lowercased(), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
    }
    let length = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
    while input.count < head!.upperBound + length { guard receive(connection, &input) else { return nil } }
    let body = Array(input[head!.upperBound..<(head!.upperBound + length)])
    input.removeFirst(head!.upperBound + length)
    // `/~ENDPOINT/path?query`: how the kit's overrides tell its endpoints apart.
    let sides = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let parts = sides[0].dropFirst(2).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    return UpstreamRequest(
      endpoint: parts.first.map(String.init) ?? "", method: String(words[0]),
      path: "/" + (parts.count == 2 ? parts[1] : ""), query: sides.count == 2 ? String(sides[1]) : "", headers: headers,
      body: body, number: content.withLock { $0.seen.count })
  }

  /// - Returns: Whether the connection may serve another request.
  private func send(_ answer: UpstreamAnswer, on connection: Int32) -> Bool {
    if answer.manner == .none { return false }
    if answer.manner == .silent {
      var byte: UInt8 = 0
      _ = recv(connection, &byte, 1, 0)  // until the other side or `close` ends it
      return false
    }
    var head = "HTTP/1.1 \(answer.status) Answer\r\n"
    for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
    if case .endless = answer.manner {
      head += "transfer-encoding: chunked\r\n\r\n"
    } else {
      head += "content-length: \(answer.body.count)\r\n\r\n"
    }
    // In one piece: two would wait for each other's acknowledgement (RFC 1122, 4.2.3.2).
    switch answer.manner {
    case .cut(let count):
      _ = write(Array(head.utf8) + answer.body.prefix(count), connection)
      return false
    case .stalled(let count):
      var byte: UInt8 = 0
      if write(Array(head.utf8) + answer.body.prefix(count), connection) { _ = recv(connection, &byte, 1, 0) }
      return false
    case .endless(let piece):
      let chunk = Array("\(String(piece, radix: 16))\r\n".utf8) + [UInt8](repeating: 0x20, count: piece) + [13, 10]
      guard write(Array(head.utf8), connection) else { return false }
      while write(chunk, connection) { usleep(1_000) }
      return false
    default: return write(Array(head.utf8) + answer.body, connection)
    }
  }

  private func write(_ bytes: [UInt8], _ connection: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }
}
