import CanonicalJSON
import Cryptography
import Domain
import Foundation
import MemoryStorage
import PluginHost
import Synchronization
import TestKit
import Testing
import UVLoop
import Vault

@testable import ConnectorFabric
@testable import Egress
@testable import SluiceHost

@Suite struct `An access token` {
  @Test func `is asked for once, however many need it at the same time, and kept`() async throws {
    let bench = try await TokenBench()
    #expect(TokenBench.texts(try await bench.get(20)) == [String](repeating: "at-1", count: 20))
    #expect(TokenBench.texts(try await bench.get(3, letting: 0)) == ["at-1", "at-1", "at-1"])
    #expect(bench.server.asked.count == 1)
    try await bench.end()
  }

  @Test func `is asked for in a place of its credential's, like any other request`() async throws {
    let bench = try await TokenBench()
    let giveBack = try await bench.takePlace()
    bench.server.letOne()
    try bench.beginAsking()
    try await bench.loop.run {}
    #expect(bench.server.asked.isEmpty && bench.value("sluice_throttle_queued") == 1)
    giveBack()
    #expect(TokenBench.texts(try await bench.get(1, letting: 0)) == ["at-1"])
    try await bench.loop.run {}
    #expect(bench.server.asked.count == 1)
    #expect(bench.value("sluice_throttle_queued") == 0 && bench.value("sluice_throttle_in_flight") == 0)
    try await bench.end()
  }

  @Test func `whose endpoint says 429 is asked for again only after the pause that it asks for`() async throws {
    let bench = try await TokenBench()
    bench.server.retryAfter.withLock { $0 = "3000" }
    #expect(TokenBench.texts(try await bench.get(3)) == [String](repeating: "token.too_many", count: 3))
    bench.server.letOne()
    try bench.beginAsking()
    try await bench.loop.run {}
    #expect(bench.server.asked.count == 1)
    #expect(bench.metrics.sums("sluice_throttle_held", by: "cause") == ["retry_after": 1])
    #expect(bench.metrics.sums("sluice_tokens_total", by: "ending") == ["too_many": 1])
    try await bench.end()
  }

  @Test func `that was refused is renewed once, whoever comes with it and how late`() async throws {
    let bench = try await TokenBench()
    let old = try await bench.get(1)[0].get()
    #expect(TokenBench.texts(try await bench.get(5, after: old)) == [String](repeating: "at-2", count: 5))
    // One more comes with the old one when the new one is there already.
    #expect(TokenBench.texts(try await bench.get(1, after: old, letting: 0)) == ["at-2"])
    #expect(bench.server.asked.count == 2)
    try await bench.end()
  }

  @Test func `is used only once the refresh token that came with it is durable, and that is shown next`() async throws {
    let bench = try await TokenBench()
    let old = try await bench.get(1)[0].get()
    #expect(bench.crashes.withLock { $0 } == ["token.before_kept -", "token.after_kept rt-1"])
    _ = try await bench.get(1, after: old)
    #expect(bench.server.asked.map { $0.contains("refresh_token=rt-0&") } == [true, false])
    #expect(bench.server.asked[1].contains("refresh_token=rt-1&"))
    #expect(try bench.kept() == "rt-2")
    try await bench.end()
  }

  @Test func `comes with the refresh token that counts now, which no upstream may give back`() async throws {
    let bench = try await TokenBench()
    let held = try await bench.get(1)[0].get()
    #expect(held.renewal?.reveal { String(decoding: $0, as: UTF8.self) } == "rt-1")
    let next = try await bench.get(1, after: held)[0].get()
    #expect(next.renewal?.reveal { String(decoding: $0, as: UTF8.self) } == "rt-2")
    try await bench.end()
  }

  @Test func `is used by nobody while the keystore cannot be written, and used as soon as it can`() async throws {
    let bench = try await TokenBench()
    bench.keystore.isFull.withLock { $0 = true }
    #expect(TokenBench.texts(try await bench.get(2)) == ["token.not_kept", "token.not_kept"])
    bench.keystore.isFull.withLock { $0 = false }
    // The token that was given is kept now: the upstream is not asked again, and the old one is not shown twice.
    #expect(TokenBench.texts(try await bench.get(2, letting: 0)) == ["at-1", "at-1"])
    #expect(try bench.kept() == "rt-1" && bench.server.asked.count == 1)
    try await bench.end()
  }

  @Test func `that is refused for good is not asked for again by a burst of calls, but at once with a new secret`()
    async throws
  {
    let bench = try await TokenBench()
    bench.server.isRefusing.withLock { $0 = true }
    #expect(TokenBench.texts(try await bench.get(2)) == ["token.refused", "token.refused"])
    #expect(TokenBench.texts(try await bench.get(5, letting: 0)) == [String](repeating: "token.refused", count: 5))
    #expect(bench.server.asked.count == 1)
    bench.server.isRefusing.withLock { $0 = false }
    try bench.put("consented-again")
    #expect(TokenBench.texts(try await bench.get(1)) == ["at-2"])
    try await bench.end()
  }

  @Test func `that is on its way when the host stops is waited for, and the refresh token that came with it is kept`()
    async throws
  {
    let bench = try await TokenBench()
    try bench.beginAsking()
    while bench.server.asked.isEmpty { await Task.yield() }
    let closing = bench.beginClosing()
    try await bench.loop.run {}
    #expect(bench.isClosed.withLock { $0 } == false)
    bench.server.letOne()
    await closing.value
    #expect(try bench.kept() == "rt-1")
    try await bench.endLoop()
  }

  @Test func `whose refresh token is being written when the host stops is waited for`() async throws {
    let bench = try await TokenBench()
    let disk = DispatchSemaphore(value: 0)
    bench.disk.withLock { $0 = disk }
    bench.server.letOne()
    try bench.beginAsking()
    while bench.crashes.withLock({ $0.isEmpty }) { await Task.yield() }
    let closing = bench.beginClosing()
    try await bench.loop.run {}
    #expect(bench.isClosed.withLock { $0 } == false)
    disk.signal()
    await closing.value
    #expect(try bench.kept() == "rt-1")
    try await bench.endLoop()
  }

  @Test func `whose refresh token could not be written is tried once more when the host stops`() async throws {
    let bench = try await TokenBench()
    bench.keystore.isFull.withLock { $0 = true }
    _ = try await bench.get(1)
    bench.keystore.isFull.withLock { $0 = false }
    try await bench.end()
    #expect(try bench.kept() == "rt-1")
  }

  @Test func `that waits for its turn when its tenant is forgotten is never asked for`() async throws {
    let bench = try await TokenBench()
    let giveBack = try await bench.takePlace()
    try bench.beginAsking()
    try await bench.loop.run {}
    await bench.forget()
    giveBack()
    #expect(TokenBench.texts(try await bench.get(1)) == ["at-1"])
    #expect(bench.server.asked.count == 1)
    try await bench.end()
  }

  @Test(.timeLimit(.minutes(1)))
  func `that is under way when its tenant is forgotten gives its place back, and is used by nobody`() async throws {
    let bench = try await TokenBench()
    try bench.beginAsking()
    while bench.server.asked.isEmpty { await Task.yield() }
    await bench.forget()
    #expect(TokenBench.texts(try await bench.get(1, letting: 2)) == ["at-2"])
    #expect(try bench.kept() == "rt-2")
    try await bench.end()
  }

  @Test func `is asked for by nobody once the host stops`() async throws {
    let bench = try await TokenBench()
    await bench.beginClosing().value
    try bench.beginAsking()
    try await bench.loop.run {}
    #expect(bench.server.asked.isEmpty)
    try await bench.endLoop()
  }

  @Test func `of an earlier manifest's scopes is not given once there is another manifest`() async throws {
    let bench = try await TokenBench()
    _ = try await bench.get(1)
    #expect(TokenBench.texts(try await bench.get(1, scopes: #""crm.read""#)) == ["at-2"])
    // The grant is the same one: its rotated refresh token goes on.
    #expect(bench.server.asked[1].contains("refresh_token=rt-1&scope=crm.read"))
    try await bench.end()
  }

  @Test func `of an earlier manifest is not given after its refresh token could not be kept at first`() async throws {
    let bench = try await TokenBench()
    bench.keystore.isFull.withLock { $0 = true }
    #expect(TokenBench.texts(try await bench.get(1)) == ["token.not_kept"])
    bench.keystore.isFull.withLock { $0 = false }
    // Kept is what the upstream has rotated; the access token was for other scopes.
    #expect(TokenBench.texts(try await bench.get(1, scopes: #""crm.read""#)) == ["at-2"])
    #expect(bench.server.asked[1].contains("refresh_token=rt-1&scope=crm.read"))
    #expect(try bench.kept() == "rt-2")
    try await bench.end()
  }

  @Test func `of an earlier secret is not given for the one that an operator has stored since`() async throws {
    let bench = try await TokenBench()
    _ = try await bench.get(1)
    try bench.put("consented-again")
    #expect(try bench.kept() == nil)
    #expect(TokenBench.texts(try await bench.get(1)) == ["at-2"])
    #expect(bench.server.asked[1].contains("refresh_token=consented-again&"))
    try await bench.end()
  }
}
