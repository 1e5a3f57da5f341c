import CanonicalJSON
import Domain
import FileStorage
import Foundation
import LedgerVerifier
import Testing

@testable import SluiceHost

/// What a stranger finds in the published files of a tenant that was restored, with the key alone.
@Suite struct `The logs of a restored tenant` {
  let bench = BackupBench()

  /// A backup whose log has two checkpoints, and what was restored of it.
  private func restored() async throws -> (backup: String, ledger: String) {
    let host = try await bench.host()
    try await bench.order(host)
    try await bench.order(host)
    try await bench.ask(host, "backup.create", ["to": .string(bench.path("a.backup"))])
    try await host.stop()
    _ = try await bench.restore(bench.path("a.backup"))
    return (bench.path("a.backup"), bench.path("restored/tenants/demo/ledger"))
  }

  private func verify(_ ledger: String, _ change: (inout [String: [UInt8]]) throws -> Void = { _ in }) throws
    -> LogChainReport
  {
    let store = try FileObjectStore(root: ledger)
    var files: [String: [UInt8]] = [:]
    for path in try store.list("") { files[path] = try store.read(path) }
    let vkey = String(decoding: files["log.vkey"]!.dropLast(), as: UTF8.self)
    try change(&files)
    let held = files
    return LogChain.verify(vkey: vkey, paths: held.keys.sorted()) { held[$0] }
  }

  @Test func `are sound, each for itself and one after the other, by their files alone`() async throws {
    let report = try verify(try await restored().ledger)
    #expect(report.allFindings == [])
    #expect(report.logs.count == 2 && report.logs.allSatisfy { $0.report?.isSound == true })
    let link = try #require(report.logs.last?.goesOnAfter)
    #expect(link.previous == "sluice/demo" && link.restoredSize == report.logs[0].report?.size)
    #expect(link.publishedSize == link.restoredSize)
  }

  @Test func `do not fit when the older one ends elsewhere, is gone, or a third one lies between`() async throws {
    let (backup, ledger) = try await restored()
    func isBroken(_ report: LogChainReport) -> Bool {
      report.findings.contains { $0.code == "ledger.link_broken" }
    }
    let shorter = try verify(ledger) { files in
      let older = try #require(files.keys.filter { $0.hasPrefix("checkpoint.") }.min { $0.count < $1.count || $0 < $1 })
      files["checkpoint"] = files[older]
    }
    #expect(shorter.logs[0].report?.isSound == true && isBroken(shorter))
    #expect(isBroken(try verify(ledger) { $0["checkpoint"] = nil }))
    // Two restores of one backup: each is sound where it is, and only one of them goes on here.
    _ = try await bench.restore(backup, to: "other")
    let others = bench.path("other/tenants/demo/ledger")
    let epoch = try #require(
      try FileManager.default.contentsOfDirectory(atPath: others).first { $0.hasPrefix("epoch-") })
    try FileManager.default.copyItem(atPath: "\(others)/\(epoch)", toPath: "\(ledger)/\(epoch)")
    #expect(isBroken(try verify(ledger)))
    let host = try await bench.host("restored")
    #expect(
      try await refusal { try await bench.ask(host, "ledger.verify", ["tenant": "demo"]) } == "ledger.link_broken")
    try await host.stop()
  }

  @Test func `are not taken for whole when the newest one's files are gone`() async throws {
    let ledger = try await restored().ledger
    let host = try await bench.host("restored")
    for name in try FileManager.default.contentsOfDirectory(atPath: ledger) where name.hasPrefix("epoch-") {
      try FileManager.default.removeItem(atPath: "\(ledger)/\(name)")
    }
    #expect(
      try await refusal { try await bench.ask(host, "ledger.verify", ["tenant": "demo"]) } == "ledger.link_broken")
    try await host.stop()
  }

  @Test func `name the payload that was changed, also that of the entry with which one begins`() async throws {
    let report = try verify(try await restored().ledger) { files in
      let payload = try #require(
        files.keys.first { $0.hasPrefix("epoch-") && $0.contains("/payload/") && files[$0]!.count > 300 })
      files[payload]![40] ^= 1
    }
    #expect(report.allFindings.mostSpecific?.code == "ledger.payload_differs")
  }
}
