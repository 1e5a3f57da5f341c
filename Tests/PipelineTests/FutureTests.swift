import CanonicalJSON
import Decision
import Domain
import Foundation
import Testing
import WholeLoop

/// Decisions over one pipeline whose later records are in the state from the beginning, or are not there at all.
private struct Foresight {
  let pipeline: ExportedPipeline
  /// The last day that is looked at, and how many more are played.
  let day: BusinessDay
  let more = 5

  init() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-future-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    var cases = EdgeCases(seed: 3)
    try cases.write(to: folder)
    pipeline = try ExportedPipeline(folder: folder)
    day = pipeline.first.advanced(byDays: 75)
  }

  /// Every signal, proposal and verdict up to the day, byte for byte.
  /// - Parameter isWhole: Whether the records of later days have been delivered, all of them before the first day ends.
  func decided(isWhole: Bool, rates: RateLookup? = nil) throws -> [[UInt8]] {
    var decision = DecisionStage()
    if let rates { decision.rates = rates }
    let tenant = try WholeTenant(
      mode: .act, thresholds: ["load": ["open_deals_min": 8], "rates": ["band_days": 60]],
      rate: ["of": "won_of_reached", "trials_min": 30], assembly: LoopAssembly(decision: decision))
    let known = isWhole ? pipeline.versions : pipeline.versions.filter { $0.day <= day }
    for stream in ["accounts", "products", "reps", "opportunities"] {
      try tenant.deliver(known.filter { $0.stream == stream }.map(\.record), of: stream)
    }
    let last = isWhole ? day.advanced(byDays: more) : day
    for number in pipeline.first.number...last.number { try tenant.day(BusinessDay(number: number)) }
    return try tenant.entries.filter { [.signals, .proposals, .verdicts].contains($0.kind) }.filter { entry in
      try JSONValue(parsing: entry.body)["day"]?.string.flatMap { BusinessDay($0) }.map { $0 <= day } ?? false
    }.map(\.body)
  }

  /// Counts what is delivered and whose day has not come: a rate that knows how deals will end.
  static let peeking: RateLookup = { question, view in
    let honest = try ClosingRates.lookup(question, view)
    let ahead = try view.scan(Space("perception.pending")).map(\.1)
    let won = ahead.count { $0["fields"]?["stage"]?.string == "won" }
    let lost = ahead.count { $0["fields"]?["stage"]?.string == "lost" }
    let interval = WilsonInterval(successes: honest.successes + won, trials: honest.trials + won + lost)
    return Confidence(
      of: honest.of, successes: honest.successes + won, trials: interval.trials, ratePpm: interval.ratePpm,
      lowPpm: interval.lowPpm, highPpm: interval.highPpm, stillOpen: honest.stillOpen, baseRatePpm: honest.baseRatePpm)
  }
}

@Suite struct `What has not happened yet` {
  @Test
  func `changes no byte of what is decided before, though all of it is in the state; a peeking rate is found out`()
    throws
  {
    let foresight = try Foresight()
    let whole = try foresight.decided(isWhole: true)
    let cut = try foresight.decided(isWhole: false)
    #expect(whole == cut)
    let rates = try whole.flatMap { try JSONValue(parsing: $0)["proposals"]?.array ?? [] }
      .filter { $0["confidence"]?.isNull == false }
    #expect(rates.count > 20, "too little is decided by a rate to tell anything")
    // The same comparison, of a loop that looks ahead.
    let peeked = try foresight.decided(isWhole: true, rates: Foresight.peeking)
    #expect(peeked != (try foresight.decided(isWhole: false, rates: Foresight.peeking)))
  }
}
