import Foundation
import Identity
import Testing

@testable import HTTPEdge

@Suite(.timeLimit(.minutes(2))) struct `A served edge` {
  static func post(_ path: String, _ length: Int, _ more: String = "", host: String = "127.0.0.1") -> String {
    "POST \(path) HTTP/1.1\r\nHost: \(host)\r\n\(more)Content-Length: \(length)\r\n\r\n"
  }
  static let token = "Authorization: Bearer \(FakeBackend.token)\r\nContent-Type: application/json\r\n"

  @Test func `closes a connection too many at once, and takes the next one when another has ended`() async throws {
    var limits = EdgeLimits()
    limits.connectionsMax = 2
    let load = EdgeLoad(limits)
    try await serving(load) { port, _ in
      let health = "GET /healthz HTTP/1.1\r\nHost: any.example\r\n\r\n"
      let heard = await Dialling.onThread { () -> [String] in
        let first = Dialling(port)
        first.say(health)
        var heard = [first.hear()]
        do {
          let second = Dialling(port)
          second.say(Self.post("/hooks/crm", 100))
          while load.counts.connections < 2 { sched_yield() }
          let third = Dialling(port)
          third.say(health)
          heard.append(third.hear())
        }
        while load.counts.connections > 1 { sched_yield() }
        let fourth = Dialling(port)
        fourth.say(health)
        heard.append(fourth.hear())
        return heard
      }
      #expect(heard[0].hasPrefix("HTTP/1.1 200") && heard[1] == "" && heard[2].hasPrefix("HTTP/1.1 200"))
      #expect(load.counts.turnedAway == [.connections: 1])
    }
  }

  @Test func `refuses who is not known, and another site's name, before it reads their body`() async throws {
    try await serving { port, backend in
      let heard = await Dialling.onThread {
        [
          Self.post("/api/v1/top", 1000), Self.post("/api/v1/top", 1000, "Authorization: Bearer wrong\r\n"),
          Self.post("/approvals/x", 1000), Self.post("/api/v1/top", 1000, Self.token, host: "evil.example"),
          Self.post("/api/v1/top", 2 << 20, Self.token), Self.post("/hooks/crm", 2 << 20),
          Self.post("/hooks/unknown", 2 << 20),
        ].map { head in
          let client = Dialling(port)
          client.say(head)
          return client.hear()
        }
      }
      #expect(heard.map { Int($0.dropFirst(9).prefix(3)) } == [401, 401, 401, 421, 413, 413, 413])
      #expect(heard[4].contains("\"code\":\"edge.too_large\"") && !heard[5].contains("edge."))
      #expect(Self.shape(heard[5]) == Self.shape(heard[6]) && backend.calls.isEmpty)
    }
  }

  @Test func `keeps no byte for an address that does not exist, and shows no difference to one that does`() async throws
  {
    let load = EdgeLoad()
    try await serving(load) { port, _ in
      let body = String(repeating: "x", count: 100_000)
      let heard = await Dialling.onThread {
        ["unknown", "crm"].map { name -> (Bool, Int, String) in
          let client = Dialling(port)
          client.say(Self.post("/hooks/\(name)", 100_001) + body)
          while name == "crm" && load.counts.bodyBytes < 100_000 { sched_yield() }
          let waits = client.hearsNothing(milliseconds: 200)
          let held = load.counts.bodyBytes
          client.say("x")
          return (waits, held, client.hear())
        }
      }
      #expect(heard.map(\.0) == [true, true] && heard.map(\.1) == [0, 100_000])
      #expect(heard[0].2.hasPrefix("HTTP/1.1 401") && Self.shape(heard[0].2) == Self.shape(heard[1].2))
      #expect(load.counts.bodyBytes == 0)
    }
  }

  @Test func `holds no more of all bodies than it may, and who is known is served meanwhile`() async throws {
    var limits = EdgeLimits()
    limits.bodyBytesMax = 2 << 20
    let load = EdgeLoad(limits)
    try await serving(load) { port, _ in
      let (heard, api) = await Dialling.onThread { () -> ([String], String) in
        let part = String(repeating: "x", count: 500_000)
        let clients = (0..<3).map { _ in Dialling(port) }
        for client in clients { client.say(Self.post("/hooks/crm", 500_001) + part) }
        while load.counts.bodyBytes < 1_500_000 { sched_yield() }
        let heard = ["crm", "unknown"].map { name -> String in
          let late = Dialling(port)
          late.say(Self.post("/hooks/\(name)", 500_001))
          return late.hear()
        }
        let known = Dialling(port)
        known.say(Self.post("/api/v1/top", 2, Self.token) + "{}")
        let api = known.hear()
        // Those who were first are answered.
        for client in clients { client.say("x") }
        return (heard + clients.map { $0.hear() }, api)
      }
      #expect(heard.map { Int($0.dropFirst(9).prefix(3)) } == [503, 503, 401, 401, 401])
      #expect(heard[0].contains("Retry-After: 5") && Self.shape(heard[0]) == Self.shape(heard[1]))
      #expect(api.hasPrefix("HTTP/1.1 200"))
      #expect(load.counts.bodyBytesPeak <= limits.bodyBytesMax && load.counts.turnedAway[.bodies] == 2)
      while load.counts.bodyBytes > 0 { await Task.yield() }
    }
  }

  @Test func `answers a body that broke off with 400, and says the code where a person or program reads it`()
    async throws
  {
    try await serving(hook: .accepted) { port, backend in
      let heard = await Dialling.onThread {
        [
          Self.post("/hooks/crm", 100), Self.post("/hooks/unknown", 100), Self.post("/api/v1/top", 100, Self.token),
          "POST /api/v1/top HTTP/1.1\r\nHost: 127.0.0.1\r\n\(Self.token)Transfer-Encoding: chunked\r\n\r\n5\r\n",
        ].map { head in
          let client = Dialling(port)
          client.say(head + "{\"a")
          client.sayNoMore()
          return client.hear()
        }
      }
      #expect(heard.map { Int($0.dropFirst(9).prefix(3)) } == [400, 400, 400, 400])
      #expect(Self.shape(heard[0]) == Self.shape(heard[1]) && !heard[0].contains("edge."))
      #expect(heard[2].contains("\"code\":\"edge.cut_off\"") && heard[3].contains("\"code\":\"edge.cut_off\""))
      #expect(backend.calls.isEmpty)
    }
  }

  @Test func `lets go what follows an early answer for a few seconds only`() async throws {
    try await serving { port, _ in
      let seconds = await Dialling.onThread { () -> Double in
        let client = Dialling(port)
        client.say(Self.post("/api/v1/top", 1000))
        _ = client.hear()
        let begin = Date()
        while !client.hear().isEmpty {}
        return Date().timeIntervalSince(begin)
      }
      #expect(seconds < 15)
    }
  }

  /// An answer without the time of day.
  static func shape(_ answer: String) -> [String] {
    answer.split(separator: "\r\n").filter { !$0.lowercased().hasPrefix("date:") }.map(String.init).sorted()
  }
}
