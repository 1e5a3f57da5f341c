import CanonicalJSON
import ConnectorFabric
import Cryptography
import Domain
import Foundation
import MemoryStorage
import Perception
import TestKit
import Testing
import WorldModel
import YAMLFiles

let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// Shared test data; nil where this machine has none.
let shared: URL? = {
  let path = ProcessInfo.processInfo.environment["SLUICE_SHARED"]
  let folder = path.map { URL(filePath: $0) } ?? root.appending(path: "../shared")
  return FileManager.default.fileExists(atPath: folder.appending(path: "tools/pipeline_oracle.py").path) ? folder : nil
}()

/// A folder beside the shared one, to try another pipeline: `SLUICE_PIPELINE=DIR`.
let otherPipeline = ProcessInfo.processInfo.environment["SLUICE_PIPELINE"].map { URL(filePath: $0) }

func reviewed(_ path: String) throws -> SourceDocument {
  try YAMLFile.document(
    String(contentsOf: root.appending(path: path), encoding: .utf8), name: path)
}

/// What the independent check finds in a folder.
func oracle(_ folder: URL) throws -> JSONValue {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = ["python3", shared!.appending(path: "tools/pipeline_oracle.py").path, folder.path]
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return try JSONValue(parsing: Array(bytes))
}

/// Both stages over one store, driven as the host drives them.
final class Loop {
  let store: any StateStore
  let perception = PerceptionStage()
  let world = WorldModelStage()
  var journal = MemoryJournalLine()
  var signals: [JSONValue] = []

  init(store: any StateStore = MemoryStateStore()) { self.store = store }

  func activate(replay: Bool = true, thresholds: JSONValue? = nil) throws {
    let manifest = try reviewed("manifests/crm.yaml").value
    for (kind, name, document) in [
      (.thresholds, "thresholds.yaml", try thresholds ?? reviewed("policies/thresholds.yaml").value),
      (.instance, "crm", ["manifest": manifest, "settings": ["replay": .bool(replay)]]),
    ] as [(Activation.Kind, String, JSONValue)] {
      let hash = SHA256.digest(document.canonicalBytes)
      try apply(
        journal.append(.activation, Activation(kind: kind, name: name, hash: hash, document: document, by: nil)))
    }
  }

  func apply(_ entry: Entry) throws {
    var waiting = [entry]
    while !waiting.isEmpty {
      let entry = waiting.removeFirst()
      let derived = try store.transaction { state in
        let (derived, changes) = try perception.apply(entry, to: state)
        try world.apply(changes, to: state)
        try world.apply(entry, to: state)
        return derived
      }
      for one in derived {
        if one.kind == .signals { signals.append(one.body) }
        waiting.append(journal.append(one))
      }
    }
  }

  /// Plays a pipeline day by day: webhooks for most deals, then the pull of each stream in pages.
  func play(_ pipeline: ExportedPipeline, page: Int = 200, webhooks: Bool = true, reversed: Bool = false) throws {
    let byDay = Dictionary(grouping: pipeline.versions, by: \.day)
    for number in pipeline.first.number...pipeline.last.number {
      let day = BusinessDay(number: number)
      var versions = byDay[day] ?? []
      if reversed { versions.reverse() }
      if webhooks {
        let announced = versions.filter { $0.stream == "opportunities" && !$0.record.key.hasSuffix("7") }
        for chunk in announced.chunks(of: 25) { try deliver("opportunities", chunk.map(\.record), nil, pushed: true) }
      }
      var streams = ["accounts", "products", "reps", "opportunities"]
      if reversed { streams.reverse() }
      for stream in streams {
        let records = versions.filter { $0.stream == stream }.map(\.record)
        let pages = records.chunks(of: page)
        for (index, chunk) in pages.enumerated() {
          try deliver(stream, chunk, index == pages.count - 1 ? day : nil)
        }
        if pages.isEmpty { try deliver(stream, [], day) }
      }
    }
  }

  private func deliver(_ stream: String, _ records: [IntakeRecord], _ day: BusinessDay?, pushed: Bool = false) throws {
    let checkpoint = day.map { IntakeBatch.Checkpoint(stateHex: "", stateVersion: 1, watermarkMs: $0.endMs) }
    try apply(
      journal.append(
        IntakeBatch(
          header: .init(
            instance: InstanceID(unchecked: "crm"), stream: StreamName(unchecked: stream),
            origin: pushed ? .delivery(.origin) : .pull, checkpoint: checkpoint), records: records)))
  }

  var summary: PipelineSummary { get throws { try store.view { try PipelineSummary($0) } } }
}

extension Array {
  func chunks(of size: Int) -> [[Element]] {
    stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
  }
}

@Suite struct `The whole pipeline` {
  static let folders: [URL] = [shared?.appending(path: "data/crm-pipeline"), otherPipeline].compactMap(\.self)

  @Test(.enabled(if: shared != nil, "the shared test data is absent; set SLUICE_SHARED"), arguments: folders)
  func `gives what an independent check of the same exports finds`(folder: URL) throws {
    try compare(folder, page: 200, reversed: false)
  }

  @Test(
    .enabled(if: shared != nil, "the shared test data is absent; set SLUICE_SHARED"), arguments: [1, 2] as [UInt64])
  func `agrees with it on exports full of odd cases, in whatever order they are delivered`(seed: UInt64) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-edge-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    var cases = EdgeCases(seed: seed)
    try cases.write(to: folder)
    try compare(folder, page: 7, reversed: seed == 2)
  }

  private func compare(_ folder: URL, page: Int, reversed: Bool) throws {
    let loop = Loop()
    try loop.activate()
    let pipeline = try ExportedPipeline(folder: folder)
    let took = try ContinuousClock().measure { try loop.play(pipeline, page: page, reversed: reversed) }
    print("played \(pipeline.versions.count) versions in \(took), \(loop.journal.entries.count) entries")
    let expected = try oracle(folder)
    let found = try JSONValue(encoding: try loop.summary)
    for key in Set(expected.object!.keys).union(found.object!.keys).sorted() {
      #expect(found[key] == expected[key], "\(key)")
    }
    let letters = try loop.store.view { try DeadLetter.all(in: $0) }
    #expect(letters.isEmpty)
  }
}
