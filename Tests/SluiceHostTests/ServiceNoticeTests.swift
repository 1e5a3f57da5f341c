import Glibc
import Testing

@testable import SluiceHost

@Suite struct `A service manager` {
  @Test(arguments: [
    [:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "@"], ["NOTIFY_SOCKET": "run/notify"],
    ["NOTIFY_SOCKET": "/" + String(repeating: "x", count: 107)],
  ])
  func `is told nothing when it has not asked, or by no socket that can be one`(environment: [String: String]) {
    #expect(ServiceNotice(environment: environment) == nil)
  }

  @Test(
    arguments: [
      (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"], Duration.seconds(30)),
      (["WATCHDOG_USEC": "500"], .microseconds(500)),
      (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"], nil), (["WATCHDOG_USEC": "soon"], nil),
      (["WATCHDOG_USEC": "-1"], nil), (["WATCHDOG_USEC": "0"], nil), ([:], nil),
    ] as [([String: String], Duration?)])
  func `gets signs of life only when it asks this process for them`(asked: [String: String], watchdog: Duration?) throws
  {
    let notice = try #require(
      ServiceNotice(environment: asked.merging(["NOTIFY_SOCKET": "@sluice-test"]) { $1 }, processID: 7))
    #expect(notice.watchdog == watchdog)
  }

  @Test func `reads one status, whatever stands in the text, also by an abstract socket`() async throws {
    let name = "@sluice-notice-\(getpid())"
    let listener = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = [0] + Array(name.utf8.dropFirst())
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sa_family_t>.size + path.count))
      }
    }
    try #require(bound == 0)
    let notice = try #require(ServiceNotice(environment: ["NOTIFY_SOCKET": name]))
    notice.ready("here\nWATCHDOG=trigger\r\nand there")
    var buffer = [UInt8](repeating: 0, count: 512)
    let count = recv(listener, &buffer, buffer.count, 0)
    #expect(
      String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        == "READY=1\nSTATUS=here WATCHDOG=trigger and there")
    // A start that takes longer asks for more time at once.
    #expect(await notice.working { 7 } == 7)
    let more = recv(listener, &buffer, buffer.count, 0)
    #expect(String(decoding: buffer.prefix(max(0, more)), as: UTF8.self).hasPrefix("EXTEND_TIMEOUT_USEC=120000000\n"))
  }
}
