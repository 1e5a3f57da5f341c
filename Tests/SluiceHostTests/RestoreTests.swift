import CanonicalJSON
import Cryptography
import Domain
import Foundation
import Testing
import TrustLedger
import WholeLoop

@testable import SluiceHost

@Suite struct `A restore` {
  let bench = BackupBench()
  private static let erased = #"{"format":1,"erased":[{"tenant":"demo","erasedAtMs":1764000000000,"by":"os-0"}]}"#

  @Test(arguments: ["erasures", "tenants/demo/state.db", "high-water/demo.json", "keystore.db"])
  func `refuses a backup that somebody has written again, sums and all`(part: String) async throws {
    let backup = try await bench.backUp()
    var parts = try BackupParts(backup)
    parts[part] = part == "erasures" ? Array(Self.erased.utf8) : (parts[part] ?? []) + [1]
    try parts.sumAgain()
    try parts.write(bench.path("forged"))
    #expect(try BackupReader.verify(bench.path("forged"))["sound"]?.bool == true, "no key, no word on forgery")
    #expect(try await refusal { _ = try await bench.restore(bench.path("forged")) } == "restore.rewritten")
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder).contains("restored") == false)
  }

  @Test(arguments: [
    "tenants/demo/state.db", "high-water/demo.json", "journal/../x", "journal/0000000001.segment-wal",
    "ledger/other/checkpoint",
    "ledger/demo/state.db", "ledger/demo/epoch-2-0/../checkpoint", "plugins/x", "plugins/.new/1/x", "format",
    "plugins/a/1/../../x",
  ])
  func `writes no part that has no place in a data folder, whoever made the backup`(part: String) async throws {
    let backup = try await bench.backUp()
    var parts = try BackupParts(backup)
    parts[part] = [1]
    try parts.sumAgain(hostKey: try HostKey.load(path: bench.key, keystoreExists: true) { _ in [] })
    try parts.write(bench.path("odd"))
    #expect(try await refusal { _ = try await bench.restore(bench.path("odd")) } == "restore.unknown_part")
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.path("restored")) == [])
  }

  @Test func `makes no state of its own from one that lies there already`() async throws {
    let backup = try await bench.backUp()
    let point = AtPoint(.restoreBeforeEpoch)
    point.set {
      try FileManager.default.createDirectory(
        atPath: bench.path("restored/tenants/demo"), withIntermediateDirectories: true)
      try Data([1]).write(to: URL(fileURLWithPath: bench.path("restored/tenants/demo/state.db")))
    }
    #expect(try await refusal { _ = try await bench.restore(backup, crash: point) } == "restore.state_there")
  }

  @Test func `of the same backup again commits to what the first restored log has published, and goes on past it`()
    async throws
  {
    let backup = try await bench.backUp()
    let first = try await bench.restore(backup, to: "first")["tenants"]?.array?.first?["log"]?.string ?? ""
    let host = try await bench.host("first")
    try await bench.order(host)
    let note = try #require(try await host.opened(demo).ledger.objects.read("checkpoint"))
    try await host.stop()
    try Data(note).write(to: URL(fileURLWithPath: bench.path("seen")))

    let row = try await bench.restore(backup, to: "second", checkpoints: [bench.path("seen")])["tenants"]?.array?.first
    #expect(row?["log"]?.string?.hasPrefix("sluice/demo/epoch-3-") == true, "\(String(describing: row))")
    #expect(row?["also_published"]?.array?.first?["log"]?.string == first)
    let again = try await bench.host("second")
    let beginning = try await again.opened(demo).runtime.view { try LedgerStage.beginnings(in: $0) }.last
    #expect(beginning?.alsoPublished == [String(decoding: note, as: UTF8.self)])
    #expect(beginning?.previous == .first)
    try await bench.ask(again, "ledger.verify", ["tenant": "demo"])
    try await bench.ask(
      again, "ledger.verify", ["tenant": "demo", "since": .string(String(decoding: note, as: UTF8.self))])
    try await again.stop()
    // The first one's mark is answered by that entry; a larger one of it is not.
    try FileManager.default.removeItem(atPath: bench.path("second/high-water/demo.json"))
    try FileManager.default.copyItem(
      atPath: bench.path("first/high-water/demo.json"), toPath: bench.path("second/high-water/demo.json"))
    try await bench.host("second").stop()
    let ahead = try await bench.host("first")
    try await bench.order(ahead)
    try await ahead.stop()
    try FileManager.default.removeItem(atPath: bench.path("second/high-water/demo.json"))
    try FileManager.default.copyItem(
      atPath: bench.path("first/high-water/demo.json"), toPath: bench.path("second/high-water/demo.json"))
    #expect(try await refusal { try await bench.host("second").stop() } == "ledger.unanswered_mark")
  }

  @Test func `does not start beside a mark of another history of the old log, however short`() async throws {
    _ = try await bench.restore(try await bench.backUp())
    let path = bench.path("restored/high-water/demo.json")
    let size = try await bench.restored(demo).restored.size
    let note = try OperatorFile.text(bench.path("restored/tenants/demo/ledger/checkpoint.\(size)"))
    let root = try Checkpoint(text: try SignedNote(parsing: Array(note.utf8)).text).root
    func start(with mark: HighWater) async throws -> String? {
      try FileManager.default.removeItem(atPath: path)
      try Data(try JSONValue(encoding: mark).canonicalBytes).write(to: URL(fileURLWithPath: path))
      return try await refusal { try await bench.host("restored").stop() }
    }
    #expect(try await start(with: HighWater(size: size, root: SHA256.digest("other"))) == "ledger.unanswered_mark")
    #expect(try await start(with: HighWater(size: size, root: root)) == nil)
    let elsewhere = LedgerEpoch(number: 1, id: "00ff00ff00ff00ff")
    #expect(try await start(with: HighWater(size: 1, root: root, epoch: elsewhere)) == "ledger.unanswered_mark")
  }

  @Test func `does not start beside a mark of the old log that says more than its new log's first entry`() async throws
  {
    let backup = try await bench.backUp()
    let host = try await bench.host()
    try await bench.order(host)
    try await host.stop()
    _ = try await bench.restore(backup)
    let mark = bench.path("restored/high-water/demo.json")
    try FileManager.default.removeItem(atPath: mark)
    try FileManager.default.copyItem(atPath: bench.path("data/high-water/demo.json"), toPath: mark)
    #expect(try await refusal { try await bench.host("restored").stop() } == "ledger.unanswered_mark")
    // The same restore with the newest checkpoint answers that mark.
    _ = try await bench.restore(
      backup, to: "answered", checkpoints: [bench.path("data/tenants/demo/ledger/checkpoint")])
    try FileManager.default.removeItem(atPath: bench.path("answered/high-water/demo.json"))
    try FileManager.default.copyItem(atPath: mark, toPath: bench.path("answered/high-water/demo.json"))
    try await bench.host("answered").stop()
  }
}
