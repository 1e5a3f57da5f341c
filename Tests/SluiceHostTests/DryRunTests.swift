import ConnectorFabric
import Cryptography
import Domain
import Foundation
import Perception
import Testing

@testable import SluiceHost

private let deals = StreamName(rawValue: "deals")!
private let owners = StreamName(rawValue: "owners")!

/// One batch of each stream, as an operation emits them.
private func taken(_ batches: [(StreamName, keys: [String])], payload: String = #"{"a":1}"#) throws
  -> SluiceHost.Intake.Taken
{
  var taken = SluiceHost.Intake.Taken()
  for (stream, keys) in batches {
    var assembler = IntakeAssembler(
      instance: InstanceID(rawValue: "crm")!, stream: stream, origin: .pull, random: { SystemSources.random($0) })
    assembler.add(
      keys.map {
        .init(
          isDelete: false, eventTimeMs: nil, sourceOrdinal: 1, key: Array($0.utf8), sourceVersion: [],
          payload: Array(payload.utf8))
      })
    taken.entries += try assembler.take(all: true)
  }
  return taken
}

@Suite struct `What a dry run shows` {
  @Test func `is each record under the stream that it was emitted to, whichever was pulled`() throws {
    var pull = DryPull(recordsMax: 9, bytesMax: 1_000) { record, stream in
      (record.key, stream) == ("1", owners) ? .copy : .new
    }
    try pull.add(taken([(deals, ["1", "2"]), (owners, ["1", "3"])]))
    #expect(pull.found.map(\.stream) == [deals, deals, owners])
    #expect(pull.found.map(\.record.key) == ["1", "2", "3"] && pull.knownCount == 1)
  }

  @Test func `tells a copy from another content of the same version`() throws {
    var pull = DryPull(recordsMax: 9, bytesMax: 1_000) { record, _ in record.key == "1" ? .conflict : .copy }
    try pull.add(taken([(deals, ["1", "2"])]))
    #expect(pull.found.map(\.isConflict) == [true] && pull.knownCount == 1)
  }

  @Test func `ends with so many records, or so many bytes of them with their keys`() throws {
    var few = DryPull(recordsMax: 3, bytesMax: 1_000) { _, _ in .new }
    try few.add(taken([(deals, ["1", "2", "3", "4"])]))
    #expect(few.found.count == 3 && few.isCutOff)
    var wide = DryPull(recordsMax: 100, bytesMax: 1_000) { _, _ in .new }
    try wide.add(taken([(deals, (1...9).map { "\($0)" + String(repeating: "k", count: 499) })], payload: "{}"))
    #expect(wide.found.count == 2 && wide.bytes == 1_004 && wide.isCutOff)
  }

  @Test func `ends before a further stream when enough is shown, or the others took too long`() {
    let extent = DryRunExtent()
    #expect(extent.ending(shownBytes: extent.allBytesMax - 1, askedForMs: extent.patienceMs - 1) == nil)
    #expect(extent.ending(shownBytes: extent.allBytesMax, askedForMs: 0)?.contains("enough is shown") == true)
    #expect(extent.ending(shownBytes: 0, askedForMs: extent.patienceMs)?.contains("too long") == true)
  }
}

@Suite struct `What an executor would do` {
  @Test func `is shown as it says, unless nobody could read it`() {
    func shown(_ json: String) -> JSONValue { WorkerPool.Outcome.shown(Array(json.utf8)) }
    #expect(shown(#"{"a":1}"#) == ["a": 1])
    #expect(
      shown("[\(String(repeating: "1,", count: 100_000))1]") == "200003 bytes, which are more than 65536")
    #expect(shown("{") == .null)
  }
}

@Suite(
  .enabled(if: FileManager.default.fileExists(atPath: built + "/sluice-worker"), "run `make c-worker c-plugins` first"))
struct `A dry run that was stopped` {
  @Test func `starts no worker any more, whatever it was about to ask`() async throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let host = try await RunningHost(options(folder))
    try await host.createTenant(demo)
    try await host.run()
    let trial = try await host.dryTrial(try counter(["records": 5]))
    #expect(try await trial.dryCheck().isGood)
    #expect(await host.pool.processIDs().count == 1)
    await trial.stop()
    // Its question was on its way when it was stopped.
    let late = try await trial.dryCheck()
    #expect(!late.isGood)
    #expect(await host.pool.processIDs().isEmpty)
    try await host.stop()
  }
}

extension RunningHost {
  func dryTrial(_ enabling: Enabling) throws -> ConnectorInstance {
    let manifest = try Manifest(SourceDocument(name: enabling.source, value: enabling.manifest, marks: [:]))
    let trial = aside(enabling, manifest, demo, try tenant(demo), isDryRun: true)
    pool.begin(trial.route)
    return trial
  }
}
