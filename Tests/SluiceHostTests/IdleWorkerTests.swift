import Domain
import Foundation
import Testing

@testable import SluiceHost

@Suite(
  .enabled(if: FileManager.default.fileExists(atPath: built + "/sluice-worker"), "run `make c-worker c-plugins` first"))
struct `A worker that waits for work` {
  @Test func `is left alone while it answers, and replaced once it does not`() async throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let host = try await RunningHost(options(folder))
    try await host.createTenant(demo)
    try await host.run()
    let asked = try await host.dryTrial(try counter(["records": 5]))
    #expect(try await asked.dryCheck().isGood)
    let first = await host.pool.processIDs()
    // It answers in order: behind a further question its answer has come.
    await host.pool.pingIdle()
    #expect(try await asked.dryCheck().isGood)
    await host.pool.pingIdle()
    #expect(first.count == 1)
    #expect(await host.pool.processIDs() == first)
    #expect(!host.metrics.text().contains("sluice_worker_unresponsive_total{"))

    kill(first[0], SIGSTOP)
    await host.pool.pingIdle()
    await host.pool.pingIdle()
    #expect(await host.pool.processIDs().isEmpty)
    #expect(host.metrics.text().contains(#"sluice_worker_unresponsive_total{instance="demo/counter"} 1"#))
    #expect(try await asked.dryCheck().isGood)
    #expect(await host.pool.processIDs().count == 1)
    await asked.stop()
    try await host.stop()
  }
}
