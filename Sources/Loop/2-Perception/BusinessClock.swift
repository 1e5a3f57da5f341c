import CanonicalJSON
import Domain

/// How far the tenant's business time has come.
struct BusinessClock {
  /// The first day that a replaying source called complete.
  var firstWatermark: BusinessDay?
  /// The last day whose tick was given out.
  var given: BusinessDay?
  /// The last day whose tick was applied.
  var ticked: BusinessDay?
  var first: BusinessDay?
  /// The earliest engagement known: before enough history no account is called heating or cooling.
  var historyFrom: BusinessDay?
  var ticks = 0

  init() {}
  init(_ row: JSONValue) {
    firstWatermark = row.day("first_watermark")
    given = row.day("given")
    ticked = row.day("ticked")
    first = row.day("first")
    historyFrom = row.day("history_from")
    ticks = row.int("ticks")
  }
  var json: JSONValue {
    [
      "first_watermark": JSONValue(firstWatermark), "given": JSONValue(given), "ticked": JSONValue(ticked),
      "first": JSONValue(first), "history_from": JSONValue(historyFrom), "ticks": JSONValue(ticks),
    ]
  }
}

/// One enabled source.
struct Instance {
  var mappingHash: String
  var streams: [String]
  /// Its history is news: no baseline.
  var isReplaying: Bool
  /// Business time waits for it.
  var givesTicks: Bool
  /// The day and the entry with which its first sync was complete.
  var baselineDay: BusinessDay?
  var baselinePosition: UInt64?

  init(mappingHash: String, streams: [String], isReplaying: Bool, givesTicks: Bool) {
    self.mappingHash = mappingHash
    self.streams = streams
    self.isReplaying = isReplaying
    self.givesTicks = givesTicks
  }
  init?(_ row: JSONValue) {
    guard let hash = row["mapping"]?.string, let streams = row["streams"]?.array?.compactMap(\.string),
      let replay = row["replay"]?.bool, let ticks = row["ticks"]?.bool
    else { return nil }
    self.init(mappingHash: hash, streams: streams, isReplaying: replay, givesTicks: ticks)
    baselineDay = row.day("baseline_day")
    baselinePosition = row["baseline_position"]?.integer.map { UInt64($0) }
  }
  var json: JSONValue {
    [
      "mapping": .string(mappingHash), "streams": .array(streams.map { .string($0) }), "replay": .bool(isReplaying),
      "ticks": .bool(givesTicks), "baseline_day": JSONValue(baselineDay),
      "baseline_position": baselinePosition.map { .integer(Int64($0)) } ?? .null,
    ]
  }

  /// Whether a record that came with the entry at `position` is part of the first sync.
  func isBaseline(_ position: UInt64) -> Bool {
    guard !isReplaying else { return false }
    return baselinePosition.map { position <= $0 } ?? true
  }
}

extension Work {
  /// More days than this are not given out at once, whatever a source claims.
  static let ticksMax = 10_000

  func activate(_ activation: Activation) throws -> [Derived] {
    switch activation.kind {
    case .instance: return try activateInstance(activation)
    case .thresholds:
      try load()
      let before = thresholds
      thresholds = try Thresholds(SourceDocument(name: activation.name, value: activation.document, marks: [:]))
      rows.set(.thresholds, "current", activation.document)
      if (before.heatWindowDays, before.heatBaseDays) != (thresholds.heatWindowDays, thresholds.heatBaseDays) {
        try recountHeat()
      }
    case .playbooks, .policies, .mode, .routes: break
    }
    return []
  }

  /// The document: `{"manifest": {…}, "settings": {"enabled": true, "replay": false, "ticks": true}}`.
  private func activateInstance(_ activation: Activation) throws -> [Derived] {
    let manifest = activation.document["manifest"] ?? [:]
    // A source without a mapping only fills the journal: nothing is perceived of it.
    guard manifest["kind"]?.string == "source", manifest["mapping"]?["streams"] != nil else { return [] }
    let settings = activation.document["settings"] ?? [:]
    let mapping = manifest["mapping"] ?? [:]
    let hash = activation.hash.hex
    _ = try Mapping(DocumentReader(SourceDocument(name: activation.name, value: mapping, marks: [:])))
    var instance = Instance(
      mappingHash: hash, streams: (manifest["streams"]?.array ?? []).compactMap { $0["name"]?.string },
      isReplaying: settings["replay"]?.bool ?? false,
      givesTicks: (settings["ticks"]?.bool ?? true) && (settings["enabled"]?.bool ?? true))
    if let before = try self.instance(activation.name) {
      (instance.baselineDay, instance.baselinePosition) = (before.baselineDay, before.baselinePosition)
    }
    rows.set(.mapping, hash, mapping)
    put(activation.name, instance)
    try load()
    // A source for which time waited may have been disabled.
    return try ticksDue()
  }

  /// A stream is complete up to the end of the UTC day in which the watermark lies.
  func advance(_ name: String, _ stream: String, watermarkMs: Int64) throws -> [Derived] {
    guard var instance = try instance(name) else { return [] }
    let day = BusinessDay(number: Int((Double(watermarkMs) / 86_400_000).rounded(.down)))
    let key = RowKey.of(name, stream)
    if let before = try rows.get(.watermark, key)?.string.flatMap({ BusinessDay($0) }), before >= day { return [] }
    rows.set(.watermark, key, JSONValue(day))
    if instance.isReplaying {
      clock.firstWatermark = min(clock.firstWatermark ?? day, day)
    } else if instance.baselineDay == nil, let complete = try completeDay(of: name, instance) {
      (instance.baselineDay, instance.baselinePosition) = (complete, position.number)
      put(name, instance)
    }
    return try ticksDue()
  }

  private func completeDay(of name: String, _ instance: Instance) throws -> BusinessDay? {
    var complete: BusinessDay?
    for stream in instance.streams {
      guard let day = try rows.get(.watermark, RowKey.of(name, stream))?.string.flatMap({ BusinessDay($0) }) else {
        return nil
      }
      complete = min(complete ?? day, day)
    }
    return complete
  }

  /// A tick for each day that all sources have completed and that was not given yet.
  private func ticksDue() throws -> [Derived] {
    var complete: BusinessDay?
    for (name, row) in try rows.scan(.instance, prefix: "") {
      guard let instance = Instance(row), instance.givesTicks, !instance.streams.isEmpty else { continue }
      guard let day = try completeDay(of: name, instance) else { return keep([]) }
      complete = min(complete ?? day, day)
    }
    guard let complete else { return keep([]) }
    let from = clock.given.map { $0.advanced(byDays: 1) } ?? min(clock.firstWatermark ?? complete, complete)
    guard from <= complete else { return keep([]) }
    let last = min(complete, from.advanced(byDays: Self.ticksMax - 1))
    clock.given = last
    return keep(
      (from.number...last.number).map { number in
        Derived(kind: .tick, body: ["day": .string(BusinessDay(number: number).description)])
      })
  }

  private func keep(_ derived: [Derived]) -> [Derived] {
    rows.set(.clock, "clock", clock.json)
    return derived
  }
}
