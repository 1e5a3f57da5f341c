import Foundation
import Synchronization

/// A listener on this machine's own address, and its port.
func listenLocally() -> (socket: Int32, port: UInt16) {
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
  return (listener, UInt16(bigEndian: address.sin_port))
}

func connectLocally(_ port: UInt16) -> Int32 {
  let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  address.sin_port = port.bigEndian
  let code = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(made, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  if code == 0 { return made }
  close(made)
  return -1
}

/// Begins an answer and sends a byte of it whenever the last one has left, for as long as somebody listens.
final class DrippingServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let count = Mutex(0)
  var sent: Int { count.withLock { $0 } }

  init() {
    (listener, port) = listenLocally()
    Thread.detachNewThread { [listener, self] in
      let peer = accept(listener, nil, nil)
      var request = [UInt8](repeating: 0, count: 65_536)
      _ = recv(peer, &request, request.count, 0)
      let head = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
      _ = head.withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      // The pause between two bytes ends at once when the client is gone.
      var hangUp = pollfd(fd: peer, events: Int16(POLLIN), revents: 0)
      while poll(&hangUp, 1, 20) == 0 {
        guard [UInt8(65)].withUnsafeBytes({ send(peer, $0.baseAddress, 1, Int32(MSG_NOSIGNAL)) }) == 1 else { break }
        count.withLock { $0 += 1 }
      }
      close(peer)
    }
  }
  deinit { shutdown(listener, Int32(SHUT_RDWR)) }
}

/// A proxy that leads to whatever it is asked for on this machine, and keeps what it was asked.
final class TunnelServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let heads = Mutex<[String]>([])
  var asked: [String] { heads.withLock { $0 } }

  init() {
    (listener, port) = listenLocally()
    Thread.detachNewThread { [listener, self] in
      while true {
        let peer = accept(listener, nil, nil)
        guard peer >= 0 else { return }
        Thread.detachNewThread { self.serve(peer) }
      }
    }
  }
  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve(_ peer: Int32) {
    var head = ""
    while !head.hasSuffix("\r\n\r\n") {
      var byte: UInt8 = 0
      guard recv(peer, &byte, 1, 0) == 1 else { return }
      head.unicodeScalars.append(Unicode.Scalar(byte))
    }
    heads.withLock { $0.append(head) }
    let target = head.split(separator: " ")[1].split(separator: ":").last.flatMap { UInt16($0) } ?? 0
    let upstream = connectLocally(target)
    let answer = Array("HTTP/1.1 \(upstream < 0 ? 502 : 200) x\r\n\r\n".utf8)
    _ = answer.withUnsafeBytes { send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    guard upstream >= 0 else {
      close(peer)
      return
    }
    Thread.detachNewThread { Self.copy(upstream, peer) }
    Self.copy(peer, upstream)
  }

  private static func copy(_ from: Int32, _ to: Int32) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(from, &buffer, buffer.count, 0)
      guard count > 0, send(to, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
    }
    shutdown(to, Int32(SHUT_WR))
  }
}

/// Runs `openssl`, of which libcurl's own library is part on every machine that builds this.
@discardableResult
func openssl(_ arguments: [String], input: [UInt8] = []) throws -> [UInt8] {
  try run("openssl", arguments, input: input)
}

func gzip(_ bytes: [UInt8]) throws -> [UInt8] { try run("gzip", ["-9", "-c"], input: bytes) }

private func run(_ program: String, _ arguments: [String], input: [UInt8]) throws -> [UInt8] {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = [program] + arguments
  let (given, got) = (Pipe(), Pipe())
  process.standardInput = given
  process.standardOutput = got
  process.standardError = FileHandle.nullDevice
  try process.run()
  Thread.detachNewThread {
    try? given.fileHandleForWriting.write(contentsOf: Data(input))
    try? given.fileHandleForWriting.close()
  }
  let output = try got.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
  return [UInt8](output)
}

/// An authority, and certificates of it for `crm.example` and for a client.
final class TestIdentity {
  let folder: URL
  let authority: [UInt8]
  let client: [UInt8]

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "egress-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let folder = folder
    func path(_ name: String) -> String { folder.appending(path: name).path }
    func make(_ name: String, _ subject: String, _ extra: [String]) throws {
      try openssl(
        [
          "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
          subject, "-keyout", path(name + ".key"), "-out", path(name + ".crt"),
        ] + extra)
    }
    try make("ca", "/CN=ca", [])
    try make(
      "server", "/CN=crm",
      ["-addext", "subjectAltName=DNS:crm.example"] + ["-CA", path("ca.crt"), "-CAkey", path("ca.key")])
    try make("client", "/CN=client", ["-CA", path("ca.crt"), "-CAkey", path("ca.key")])
    func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appending(path: name))) }
    authority = try bytes("ca.crt")
    client = try bytes("client.crt") + bytes("client.key")
  }
  deinit { try? FileManager.default.removeItem(at: folder) }
}

/// `openssl s_server` on a free port, ended with the test.
final class TLSServer {
  let port: UInt16
  private let process = Process()
  private let input = Pipe()

  init(_ identity: TestIdentity, arguments: [String]) throws {
    let (listener, port) = listenLocally()
    close(listener)
    self.port = port
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      [
        "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert",
        identity.folder.appending(path: "server.crt").path,
        "-key", identity.folder.appending(path: "server.key").path, "-CAfile",
        identity.folder.appending(path: "ca.crt").path,
      ] + arguments
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    var said = ""
    while !said.contains("ACCEPT") {
      let part = output.fileHandleForReading.availableData
      guard !part.isEmpty else { throw CocoaError(.executableLoad) }
      said += String(decoding: part, as: UTF8.self)
    }
    output.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
  }
  // The signals of a test's threads may be blocked, and their children's with them.
  deinit { kill(process.processIdentifier, SIGKILL) }
}

/// An HTTPS server that keeps its connections open, and counts them; `openssl s_server` closes each.
final class KeepingServer {
  let port: UInt16
  private let process = Process()

  private static let program = """
    import http.server, ssl, sys
    seen = set()
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            seen.add(self.client_address)
            self.send_response(200 + len(seen))
            self.send_header("Content-Length", "0")
            self.end_headers()
        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()
    """

  /// Its status is 200 and the number of connections so far.
  init(_ identity: TestIdentity) throws {
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [
      "python3", "-c", Self.program, identity.folder.appending(path: "server.crt").path,
      identity.folder.appending(path: "server.key").path,
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    guard let port = UInt16(line.trimmingCharacters(in: .newlines)) else { throw CocoaError(.executableLoad) }
    self.port = port
  }
  // The signals of a test's threads may be blocked, and their children's with them.
  deinit { kill(process.processIdentifier, SIGKILL) }
}

/// An HTTPS server that speaks TLS 1.3, asks for a client's certificate, and hangs up on everybody once it has judged it.
final class JudgingServer: Sendable {
  let port: UInt16
  private let process = Process()
  private let output = Pipe()
  private let said = Mutex<[String]>([])
  /// "refused" or "taken", for each connection.
  var verdicts: [String] { said.withLock { $0 } }

  private static let program = """
    import socket, ssl, struct, sys
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    context.load_verify_locations(sys.argv[3])
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            context.wrap_socket(peer, server_side=True).close()
            said = "taken"
        except ssl.SSLError:
            said = "refused"
        print(said, flush=True)
    """

  init(_ identity: TestIdentity) throws {
    func path(_ name: String) -> String { identity.folder.appending(path: name).path }
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", "-c", Self.program, path("server.crt"), path("server.key"), path("ca.crt")]
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    guard let port = UInt16(Self.line(output)) else { throw CocoaError(.executableLoad) }
    self.port = port
  }
  // The signals of a test's threads may be blocked, and their children's with them.
  deinit { kill(process.processIdentifier, SIGKILL) }

  private static func line(_ output: Pipe) -> String {
    var line = ""
    while let byte = try? output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
      line.unicodeScalars.append(Unicode.Scalar(byte))
    }
    return line
  }

  /// Returns once it has judged the newest connection and hung up.
  func waitForVerdict() {
    let line = Self.line(output)
    said.withLock { $0.append(line) }
  }
}
