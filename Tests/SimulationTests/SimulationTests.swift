import CanonicalJSON
import Domain
import Foundation
import Testing

/// `make sim SEED=n` runs that seed alone, `make sim RUNS=n` so many from it on; otherwise a few fixed ones and a new one.
private struct Seeds {
  let all: [UInt64]
  /// Somebody asked for these: what they reach is up to them, and is shown.
  let isChosen: Bool

  init(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    let (seed, runs) = (environment["SEED"].flatMap { UInt64($0) }, environment["RUNS"].flatMap { UInt64($0) })
    let new = UInt64.random(in: 1_000..<1_000_000_000)
    isChosen = seed != nil || runs != nil
    all = isChosen ? (0..<(runs ?? 1)).map { (seed ?? new) &+ $0 } : Array(1...8) + [new]
  }
}

/// Runs a simulation and says of a failure all that is needed to see it again.
/// - Returns: nil when every invariant holds.
func failure(of simulation: Simulation) -> String? {
  let seed = simulation.around.setting.seed
  do {
    try simulation.run()
    return nil
  } catch {
    let said = (error as? any OperatorError).map { "\($0.code): \($0.message)" } ?? "\(error)"
    return """
      seed \(seed): \(said)
      The last steps:
        \(simulation.around.trace.last.joined(separator: "\n  "))
      See it again: make sim SEED=\(seed)
      """
  }
}

@Suite struct `The whole loop by a seed` {
  @Test func `keeps every invariant through crashes, lost answers and hasty people`() throws {
    let files = try ReviewedFiles()
    let seeds = Seeds()
    var reached: [String: Int] = [:]
    func run(_ seed: UInt64) {
      let simulation = Simulation(Setting(seed: seed), files: files)
      if let failure = failure(of: simulation) { Issue.record(Comment(rawValue: failure)) }
      reached.merge(simulation.around.trace.counts) { $0 + $1 }
      let journal = simulation.around.disk.journal
      if seeds.isChosen { print("seed \(seed): \(journal.entries.count) entries, \(journal.digest.hex.prefix(16))") }
    }
    print("seeds \(seeds.all.first!) to \(seeds.all.last!)")
    seeds.all.forEach(run)
    guard !seeds.isChosen else {
      return print(reached.sorted { $0.key < $1.key }.map { "\($0.value)\t\($0.key)" }.joined(separator: "\n"))
    }
    // A simulation that never gets there proves nothing: more seeds, until every place was seen.
    for seed in 101...160 as ClosedRange<UInt64> where Self.places.contains(where: { reached[$0] == nil }) { run(seed) }
    let missed = Self.places.filter { reached[$0] == nil }
    #expect(missed == [])
  }

  /// What runs must come to: each daily crash point but the keystore's and its tokens', each verdict, outcome and kind of
  /// effect.
  private static let places =
    CrashPoint.allCases.filter(\.isDaily).map(\.rawValue)
    .filter { !$0.hasPrefix("keystore.") && !$0.hasPrefix("token.") }.map { "crash at \($0)" }
    + Verdict.Outcome.allCases.map { "verdict \($0.rawValue)" }
    + Receipt.Outcome.allCases.map { "receipt \($0.rawValue)" }
    + [
      "crash at object.between", "lost transactions", "recovered", "probed", "withdrew", "refused start",
      "effect alone", "effect approved", "effect that undoes", "received", "published",
    ]

  @Test(arguments: [21, 22] as [UInt64])
  func `gives the same journal and the same published log for the same seed`(seed: UInt64) throws {
    let files = try ReviewedFiles()
    let runs = (0..<2).map { _ in Simulation(Setting(seed: seed), files: files) }
    for run in runs { #expect(failure(of: run) == nil) }
    #expect(runs[0].around.disk.journal.digest == runs[1].around.disk.journal.digest)
    #expect(runs[0].around.disk.objects == runs[1].around.disk.objects)
  }

  @Test(arguments: [31, 32] as [UInt64])
  func `hears the same signals of one history, however it is delivered and wherever the host dies`(
    history: UInt64
  ) throws {
    let files = try ReviewedFiles()
    var heard: [[String]] = []
    for delivery in 0..<3 as Range<UInt64> {
      var setting = Setting(seed: 1_000 * history + delivery)
      (setting.history, setting.days, setting.mode) = (history, 10, .observe)
      (setting.isReplaying, setting.showsEveryVersion, setting.hasPeople) = (true, true, false)
      setting.crashesPerMille = delivery == 0 ? 0 : 15
      let run = Simulation(setting, files: files)
      #expect(failure(of: run) == nil)
      heard.append(try signals(in: run))
    }
    #expect(heard[0].count > 20)
    #expect(heard.dropFirst().allSatisfy { $0 == heard[0] })
  }

  /// Every signal, without the salts that its records were given when they came in.
  private func signals(in run: Simulation) throws -> [String] {
    try run.around.disk.journal.entries.filter { $0.kind == .signals }.flatMap { entry in
      try JSONValue(parsing: entry.body).decode(SignalSet.self).signals.map { signal in
        let evidence = signal.evidence.map { "\($0.stream)/\($0.key)" }
        let facts = JSONValue.object(signal.facts).canonicalText
        return "\(signal.day) \(signal.kind) \(signal.subject) \(facts) \(evidence)"
      }
    }
  }
}
