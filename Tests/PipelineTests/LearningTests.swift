import CanonicalJSON
import Domain
import Foundation
import Learning
import MemoryStorage
import TestKit
import Testing

@Suite struct `Learning from the public pipeline` {
  private func signals(percent: Int64) throws -> [SignalSet] {
    let loop = Loop()
    try loop.activate(thresholds: ["sluice": 1, "stall": ["percent": .integer(percent)]])
    try loop.play(try ExportedPipeline(folder: shared!.appending(path: "data/crm-pipeline")))
    return try loop.signals.map { try $0.decode() }
  }

  /// The first suggestion, and the counts as they stood on its day.
  private func suggestion(_ sets: [SignalSet], percent: Int64) throws -> ThresholdSuggestion? {
    var journal = MemoryJournalLine()
    let store = MemoryStateStore()
    let document: JSONValue = [
      "sluice": 1, "stall": ["percent": .integer(percent)],
      "learning": ["enabled": true, "stall_percent_min": 50, "stall_percent_max": 100],
    ]
    let activation = Activation(
      kind: .thresholds, name: "thresholds.yaml", hash: Digest([UInt8](repeating: 0, count: 32))!, document: document,
      by: nil)
    _ = try store.transaction { try LearningStage().apply(journal.append(.activation, activation), to: $0) }
    for set in sets {
      let found = try store.transaction { try LearningStage().apply(journal.append(.signals, set), to: $0) }
      if let found { return found }
    }
    return nil
  }

  @Test(.enabled(if: shared != nil, "the shared test data is absent; set SLUICE_SHARED"))
  func `wants deals flagged later when most of the flagged ones are won`() throws {
    let sets = try signals(percent: 60)
    let found = try #require(try suggestion(sets, percent: 60))
    #expect(found.percentNow == 60 && found.percentSuggested == 61)
    // The same counts, taken from the signals alone.
    var flagged: Set<String> = []
    var (won, closed) = (0, 0)
    for signal in sets.filter({ $0.day <= found.day }).flatMap(\.signals) {
      let id = signal.subject.id
      switch signal.kind {
      case "deal.stalled": flagged.insert(id)
      case "deal.won", "deal.lost":
        guard flagged.remove(id) != nil else { continue }
        closed += 1
        won += signal.kind == "deal.won" ? 1 : 0
      default: break
      }
    }
    #expect(found.falseAlarms == won && found.flaggedAndClosed == closed && closed >= 30 && won * 2 > closed)
  }

  @Test(.enabled(if: shared != nil, "the shared test data is absent; set SLUICE_SHARED"))
  func `says nothing where too few of the flagged deals have closed`() throws {
    #expect(try suggestion(try signals(percent: 100), percent: 100) == nil)
  }
}
