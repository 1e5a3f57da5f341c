import Foundation
import Synchronization
import Testing
import UVLoop

@testable import Egress

/// A server that answers each connection with the same bytes, on a thread, for as long as the test runs.
final class OneAnswerServer: Sendable {
  let port: UInt16
  private let socketNumber: Int32
  init(_ answer: [UInt8], closes: Bool = true) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length)
        getsockname(listener, $0, &length)
      }
    }
    listen(listener, 8)
    port = UInt16(bigEndian: address.sin_port)
    socketNumber = listener
    Thread.detachNewThread {
      while true {
        let peer = accept(listener, nil, nil)
        guard peer >= 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        _ = recv(peer, &buffer, buffer.count, 0)
        var sent = 0
        while sent < answer.count {
          let n = answer[sent...].withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
          if n <= 0 { break }
          sent += n
        }
        if closes { close(peer) }
      }
    }
  }
  deinit { shutdown(socketNumber, Int32(SHUT_RDWR)) }
}

/// Answers the first request of each connection, and hangs up at the second.
final class CountingServer: Sendable {
  let port: UInt16
  private let socketNumber: Int32
  init(received: @escaping @Sendable () -> Void) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length)
        getsockname(listener, $0, &length)
      }
    }
    listen(listener, 8)
    port = UInt16(bigEndian: address.sin_port)
    socketNumber = listener
    Thread.detachNewThread {
      while true {
        let peer = accept(listener, nil, nil)
        guard peer >= 0 else { return }
        Thread.detachNewThread {
          let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8)
          for request in 0..<2 {
            // Head and body may come in two parts.
            var text = ""
            while !text.hasSuffix("{}") {
              var buffer = [UInt8](repeating: 0, count: 65_536)
              let count = recv(peer, &buffer, buffer.count, 0)
              if count <= 0 { break }
              text += String(decoding: buffer.prefix(count), as: UTF8.self)
            }
            guard text.hasSuffix("{}") else { break }
            received()
            if request == 0 { _ = answer.withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } }
          }
          close(peer)
        }
      }
    }
  }
  deinit { shutdown(socketNumber, Int32(SHUT_RDWR)) }
}

/// The status and whole body, or the failure.
func get(_ url: String, _ change: @escaping @Sendable (inout EgressRequest) -> Void = { _ in }) async throws -> (
  Int, [UInt8]
) {
  let loop = EventLoop()
  loop.start()
  defer { loop.stop() }
  return try await withCheckedThrowingContinuation { (done: CheckedContinuation<(Int, [UInt8]), any Error>) in
    loop.post {
      let client = EgressClient(loop: loop)
      var request = EgressRequest(method: "GET", url: url)
      request.allowsPrivateAddress = true
      change(&request)
      var body: [UInt8] = []
      var exchange: EgressExchange?
      func next(_ status: Int) {
        exchange?.read(bytesMax: 1000) { part in
          switch part {
          case .success((let bytes, let isEnd)):
            body += bytes
            if isEnd {
              client.close()
              done.resume(returning: (status, body))
            } else {
              next(status)
            }
          case .failure(let why):
            client.close()
            done.resume(throwing: why)
          }
        }
      }
      exchange = client.send(request) { head in
        switch head {
        case .success(let head): next(head.status)
        case .failure(let why):
          client.close()
          done.resume(throwing: why)
        }
      }
    }
  }
}

@Suite struct `The egress` {
  @Test func `brings a response larger than its window, whole and in order`() async throws {
    let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let server = OneAnswerServer(Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body)
    let (status, got) = try await get("http://127.0.0.1:\(server.port)/x")
    #expect(status == 200)
    #expect(got == body)
  }

  @Test func `sends a path as it is written, encoded or not`() async throws {
    let (listener, port) = listenLocally()
    let path = "/v1/a:b@+=,!$'()*~/Pointe%20du%20Raz%3F%23%C3%AE/./x/../y//z"
    let line = Mutex("")
    let server = Thread {
      let peer = accept(listener, nil, nil)
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = recv(peer, &buffer, buffer.count, 0)
      let text = String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
      line.withLock { $0 = String(text.prefix { !$0.isNewline }) }
      let answer = Array("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".utf8)
      _ = answer.withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      close(peer)
      close(listener)
    }
    server.start()
    #expect(try await get("http://127.0.0.1:\(port)\(path)?a=%2e").0 == 200)
    #expect(line.withLock { $0 } == "GET \(path)?a=%2e HTTP/1.1")
  }

  @Test func `stops at the size limit, broken answers and missing servers, each by name`() async throws {
    let endless = OneAnswerServer(Array("HTTP/1.1 200 OK\r\n\r\n".utf8) + [UInt8](repeating: 65, count: 300_000))
    await #expect(throws: EgressFailure.tooLarge(host: "127.0.0.1:\(endless.port)", bytesMax: 100_000)) {
      try await get("http://127.0.0.1:\(endless.port)/") { $0.responseBytesMax = 100_000 }
    }
    let cut = OneAnswerServer(Array("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".utf8))
    let broken = await #expect(throws: EgressFailure.self) { try await get("http://127.0.0.1:\(cut.port)/") }
    #expect(broken?.code == "egress.broken")
    let gone = await #expect(throws: EgressFailure.self) { try await get("http://127.0.0.1:1/") }
    #expect(gone?.code == "egress.no_connection")
    let silent = OneAnswerServer([], closes: false)
    let late = await #expect(throws: EgressFailure.self) {
      try await get("http://127.0.0.1:\(silent.port)/") { $0.timeoutMs = 50 }
    }
    #expect(late?.code == "egress.timed_out")
  }

  @Test func `goes to no private address and speaks no plain http unless an operator allowed it`() async throws {
    let server = OneAnswerServer(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8))
    for url in [
      "https://127.0.0.1:\(server.port)/", "https://localhost:\(server.port)/", "https://[::1]:\(server.port)/",
    ] {
      let refused = await #expect(throws: EgressFailure.self) { try await get(url) { $0.allowsPrivateAddress = false } }
      #expect(refused?.code == "egress.private_address", "\(url)")
    }
    let plain = await #expect(throws: EgressFailure.self) {
      try await get("http://127.0.0.1:\(server.port)/") { $0.allowsPrivateAddress = false }
    }
    #expect(plain?.code == "egress.plain_http")
  }

  @Test func `sends a request that may leave once only once, though a kept connection breaks under it`() async throws {
    // Answers the first request of each connection and keeps it open; the second one it takes and hangs up.
    let received = Mutex(0)
    let server = CountingServer { received.withLock { $0 += 1 } }
    for (isSentOnce, expected) in [(false, 3), (true, 2)] {
      received.withLock { $0 = 0 }
      let loop = EventLoop()
      loop.start()
      defer { loop.stop() }
      await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
        loop.post {
          let client = EgressClient(loop: loop)
          var request = EgressRequest(method: "POST", url: "http://127.0.0.1:\(server.port)/")
          request.allowsPrivateAddress = true
          request.body = Array("{}".utf8)
          func send(_ left: Int) {
            var exchange: EgressExchange?
            func end() {
              exchange = nil
              guard left == 0 else { return send(left - 1) }
              let soon = LoopTimer(loop)
              soon.start(after: .zero) {
                soon.close()
                client.close()
                done.resume()
              }
            }
            request.isSentOnce = left == 0 && isSentOnce
            exchange = client.send(request) { head in
              guard case .success = head else { return end() }
              exchange?.read(bytesMax: 100) { _ in end() }
            }
          }
          send(1)
        }
      }
      #expect(received.withLock { $0 } == expected, "sent once: \(isSentOnce)")
    }
  }

  @Test func `lets go of a request that is cancelled while libcurl tells of it, and sends the next`() async throws {
    let server = OneAnswerServer(Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".utf8))
    let loop = EventLoop()
    loop.start()
    defer { loop.stop() }
    let left = await withCheckedContinuation { (done: CheckedContinuation<Int, Never>) in
      loop.post {
        let client = EgressClient(loop: loop)
        var request = EgressRequest(method: "GET", url: "http://127.0.0.1:\(server.port)/")
        request.allowsPrivateAddress = true
        var exchange: EgressExchange?
        func next(_ rounds: Int) {
          exchange = client.send(request) { _ in
            exchange?.cancel()
            exchange = nil
            guard rounds == 0 else { return next(rounds - 1) }
            let soon = LoopTimer(loop)
            soon.start(after: .zero) {
              soon.close()
              let left = client.inFlight
              client.close()
              done.resume(returning: left)
            }
          }
        }
        next(20)
      }
    }
    #expect(left == 0)
  }

  @Test(arguments: [
    ("10.1.2.3", true), ("172.31.0.1", true), ("172.32.0.1", false), ("192.168.1.1", true), ("169.254.169.254", true),
    ("100.64.0.1", true), ("127.0.0.1", true), ("8.8.8.8", false), ("224.0.0.1", true), ("0.0.0.0", true),
    ("255.255.255.255", true), ("198.18.0.1", true),
  ])
  func `knows which addresses are private`(text: String, expected: Bool) {
    let parts = text.split(separator: ".").map { UInt32($0)! }
    let address = parts.reduce(0) { $0 << 8 | $1 }
    #expect(NetworkAddress.isPrivate(v4: address) == expected)
    let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [255, 255] + parts.map { UInt8($0) }
    #expect(NetworkAddress.isPrivate(v6: mapped) == expected)
  }

  @Test(arguments: [
    ("2606:4700::1111", false), ("2a00:1450:4001:80b::200e", false), ("2001:4860:4860::8888", false),
    ("2001:200::1", false), ("64:ff9b::8.8.8.8", false), ("2002:808:808::1", false), ("3ffe::1", false),
    ("::", true), ("::1", true), ("fe80::1", true), ("fc00::1", true), ("fd12::1", true), ("ff02::1", true),
    ("64:ff9b::10.0.0.1", true), ("64:ff9b:1::8.8.8.8", true), ("64:ff9b:1:a00:0:1:808:808", true),
    ("64:ff9b:0:1::808:808", true), ("2002:a00:1::1", true), ("2001::1", true), ("2001:2::1", true),
    ("2001:10::1", true), ("2001:20::1", true), ("2001:db8::1", true), ("3fff::1", true), ("3fff:fff::1", true),
    ("5f00::1", true), ("100::1", true), ("::8.8.8.8", true),
  ])
  func `knows which addresses of version 6 are private`(text: String, expected: Bool) {
    #expect(NetworkAddress.isPrivate(text: text) == expected)
  }
}
