import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

// D: what a source brings, and that it goes on where it stopped.
extension Check {
  static let source = bringing + state + changing + delivered + tried

  private static let bringing: [Check] = [
    Check(
      "check-succeeds", .basic, "ABI-7.3", "A check of a good upstream succeeds, with few requests, and emits nothing."
    ) { stand in
      let observed = try await stand.operation(.check, try await stand.ready()).succeeded("A check")
      guard observed.records.isEmpty, observed.checkpoints.isEmpty else { throw Fault("A check emitted something.") }
      return observed.requestCount <= 5 ? .fine : .warning("A check made \(observed.requestCount) requests.")
    },
    Check(
      "check-bad-auth", .standard, "ABI-4", "Where the upstream refuses the credential the answer is AUTH.",
      unless: Subject.asksNobody
    ) { stand in
      stand.upstream.behaves { _, _ in UpstreamAnswer(status: 401, body: Array("{}".utf8)) }
      let observed = await stand.operation(.check, try await stand.ready())
      guard observed.requestCount > 0 else {
        return .warning("A check asks the upstream nothing: a wrong credential is found later.")
      }
      try observed.failed("A check answered with 401", with: [.auth])
      return .fine
    },
    Check(
      "check-unreachable", .standard, "ABI-4", "Where the upstream cannot be reached the answer is TRANSIENT.",
      unless: Subject.asksNobody
    ) { stand in
      stand.upstream.behaves { _, _ in UpstreamAnswer(manner: .none) }
      let observed = await stand.operation(.check, try await stand.ready())
      guard observed.requestCount > 0 else { return .warning("A check asks the upstream nothing.") }
      try observed.failed("A check without an upstream", with: [.transient])
      return .fine
    },
    Check(
      "discover-valid", .basic, "ABI-7.10", "Discover names the manifest's streams, each once, with a schema.",
      unless: Subject.isNoSource
    ) { stand in
      let offers = try await stand.offers()
      let names = offers.map(\.stream)
      guard Set(names).count == names.count else { throw Fault("A stream is offered twice.") }
      let unknown = names.filter { !stand.streams.contains($0) }, lacking = stand.streams.filter { !names.contains($0) }
      guard unknown.isEmpty else { throw Fault("Offered and not in the manifest: \(listed(unknown)).") }
      guard lacking.isEmpty else { throw Fault("In the manifest and not offered: \(listed(lacking)).") }
      for offer in offers where offer.schema.object == nil { throw Fault("\(offer.stream) has no schema.") }
      return .fine
    },
    Check("read-snapshot", .basic, "ABI-7.1", "A pull from the beginning gives everything.", unless: Subject.isNoSource)
    { stand in
      let expected = stand.subject.fixtures.expected
      for (stream, observed) in try await stand.pullAll() {
        if let expected = expected[stream], Content([observed]).versions.count != expected {
          throw Fault("\(stream) gave \(Content([observed]).versions.count) keys; the fixtures hold \(expected).")
        }
        for record in observed.records where record.stream != stream {
          throw Fault("A pull of \(stream) gave records of \(record.stream).")
        }
      }
      let missing = stand.upstream.missing
      let uncounted = stand.streams.filter { expected[$0] == nil }
      return .noted(
        (missing.isEmpty ? [] : ["The fixtures have no answer for \(listed(missing))."])
          + (uncounted.isEmpty ? [] : ["The fixtures do not say what to `expect` of \(listed(uncounted))."]))
    },
    Check(
      "every-stream-returns", .basic, "ABI-7.1", "Every stream gives a record, by a pull or else by a delivery.",
      unless: Subject.isNoSource
    ) { stand in
      let empty = try await stand.pullAll().filter(\.1.records.isEmpty).map(\.stream)
      let silent = empty.filter { stand.subject.fixtures.expected[$0] != 0 }
      guard silent.isEmpty else { throw Fault("Nothing came of \(listed(silent)).") }
      guard !empty.isEmpty else { return .fine }
      let live = try await stand.ready()
      var delivered: Set<String> = []
      for delivery in stand.subject.fixtures.deliveries {
        delivered.formUnion(await stand.deliver(live, delivery).records.map(\.stream))
      }
      let never = empty.filter { !delivered.contains($0) }
      guard never.isEmpty else {
        throw Fault("Nothing came of \(listed(never)), neither by a pull nor by a delivery of the fixtures.")
      }
      return .fine
    },
    Check(
      "checkpoint-last", .basic, "ABI-7.6", "A pull that gave records ends with a checkpoint behind them.",
      unless: Subject.isNoSource
    ) { stand in
      for (stream, observed) in try await stand.pullAll() where !observed.records.isEmpty {
        let last = observed.events.last { event in
          switch event {
          case .record, .checkpoint: true
          default: false
          }
        }
        guard case .checkpoint = last else {
          throw Fault("The last records of \(stream) have no checkpoint behind them: every pull gives them again.")
        }
        for point in observed.checkpoints where point.stream != stream {
          throw Fault("A pull of \(stream) gave a checkpoint of \(point.stream).")
        }
      }
      return .fine
    },
    Check(
      "record-matches-schema", .standard, "ABI-7.10", "Records are JSON objects that fit what discover promised.",
      unless: Subject.isNoSource
    ) { stand in
      let offers = Dictionary(
        try await stand.offers().map { ($0.stream, $0.schema) }, uniquingKeysWith: { first, _ in first })
      var warnings: [String] = []
      for (stream, observed) in try await stand.pullAll() {
        let schema = offers[stream].flatMap { try? ArgumentSchema($0.withoutFormats) }
        if schema == nil { warnings.append("The schema of \(stream) uses keywords that the kit does not check.") }
        for record in observed.records where !record.isDelete {
          guard let payload = try? JSONValue(parsing: record.payload) else {
            throw Fault("\(stream)/\(record.keyText) is not JSON.")
          }
          do throws(ArgumentSchema.Misfit) { try schema?.check(payload) } catch {
            throw Fault("\(stream)/\(record.keyText): `\(error.path)` is \(error.reason).")
          }
        }
      }
      return .noted(warnings)
    },
    Check(
      "primary-key-unique", .basic, "ABI-5.5", "One version of one key comes once in a pull.",
      unless: Subject.isNoSource
    ) { stand in
      for (stream, observed) in try await stand.pullAll() {
        var seen: Set<Observed.Record> = []
        for record in observed.records where !seen.insert(record).inserted {
          throw Fault("\(stream)/\(record.keyText) came twice in one pull.")
        }
      }
      return .fine
    },
    Check(
      "sequential-reads-consistent", .basic, "ABI-7.8", "A second pull from the beginning gives the same.",
      unless: Subject.isNoSource
    ) { stand in
      let (first, second) = (try await stand.pullAll(), try await stand.pullAll())
      for (one, other) in zip(first, second) {
        let missing = Content([other.1]).missing(of: Content([one.1]))
        guard missing.isEmpty else {
          throw Fault("\(one.stream): the second pull lacks or changes \(listed(missing)).")
        }
      }
      return .fine
    },
    Check(
      "read-idle", .standard, "ABI-7.1", "Where nothing is new a pull ends soon, with little work.",
      unless: Subject.isNoSource
    ) { stand in
      let live = try await stand.ready()
      for stream in stand.streams {
        let first = try await stand.pull(live, stream).succeeded("A pull of \(stream)")
        guard let last = first.checkpoints.last else { continue }
        let before = live.processorMs
        let again = try await stand.pull(live, stream, from: last).succeeded("A pull of \(stream) that has caught up")
        let fresh = Content([first]).missing(of: Content([again]))
        guard fresh.isEmpty else { throw Fault("\(stream): something new came of nothing: \(listed(fresh)).") }
        guard again.requestCount <= max(first.requestCount, 3) else {
          throw Fault(
            "\(stream): \(again.requestCount) requests where nothing is new; the whole took \(first.requestCount).")
        }
        if let before, let after = live.processorMs, after - before > 500 {
          throw Fault("\(stream): \(after - before) ms of processor time where nothing is new.")
        }
      }
      return .fine
    },
  ]

  private static let changing: [Check] = [
    Check(
      "mutations-detected", .standard, "ABI-7.1", "Updates come as new versions, deletions as deletions.",
      unless: Subject.hasNoChanges
    ) { stand in
      let expected = stand.subject.fixtures.changed
      let uncounted = stand.streams.filter { expected[$0] == nil && stand.subject.fixtures.expected[$0] != 0 }
      var warnings = uncounted.isEmpty ? [] : ["The fixtures do not say what is `changed` of \(listed(uncounted))."]
      var isVersioned = false
      for (stream, before) in try await stand.pullAll() {
        stand.upstream.changes()
        let after = try await stand.resume(stream, from: before.checkpoints.last)
        let known = Content([before]).versions
        var found = Fixtures.Changed(updates: 0, deletes: 0)
        for record in Content([after]).versions.values {
          guard let old = known[record.key] else { continue }
          if old.payload == record.payload, old.isDelete == record.isDelete { continue }
          if record.isDelete { found.deletes += 1 } else { found.updates += 1 }
          let hasVersions = !record.version.isEmpty || record.ordinal != 0
          isVersioned = isVersioned || hasVersions
          guard old.version != record.version || old.ordinal != record.ordinal || !hasVersions else {
            throw Fault("\(stream)/\(record.keyText) changed and kept its version.")
          }
        }
        if let right = expected[stream], right != found {
          throw Fault(
            "\(stream): of what was known \(found.updates) came updated and \(found.deletes) deleted; the fixtures change \(right.updates) and delete \(right.deletes)."
          )
        }
      }
      if !isVersioned, expected.values.contains(where: { $0.updates + $0.deletes > 0 }) {
        warnings.append("No record has a version or an ordinal: which of two came later nobody knows.")
      }
      return .noted(warnings)
    }
  ]
}

extension Stand {
  func offers() async throws(Fault) -> [(stream: String, schema: JSONValue)] {
    let observed = try await operation(.discover, try await ready()).succeeded("Discover")
    guard let json = try? observed.result.get().json, let list = (try? JSONValue(parsing: json))?.array else {
      throw Fault("Discover gave no JSON array as its result.")
    }
    return try list.map { (item) throws(Fault) in
      guard let stream = item["stream"]?.string, let schema = item["schema"] else {
        throw Fault("An offer lacks `stream` or `schema`: \(item.canonicalText.prefix(120))")
      }
      return (stream, schema)
    }
  }

  /// At most so many of a list, spread by chance, the first and the last among them.
  func some<Element>(_ list: [Element], _ most: Int) -> [Element] {
    guard list.count > most else { return list }
    var chance = chances()
    let inner = (1..<(list.count - 1)).shuffled(using: &chance).prefix(most - 2)
    return ([0] + inner.sorted() + [list.count - 1]).map { list[$0] }
  }
}

extension Observed {
  /// Calls that the kit counts: everything but what the worker itself reported.
  var callCount: Int { events.count - violations().count }

  /// What came before the so-manieth checkpoint: what is durable with it.
  func before(checkpoint index: Int) -> Observed {
    var (cut, passed) = (self, -1)
    cut.events = []
    guard index >= 0 else { return cut }
    for event in events {
      cut.events.append(event)
      if case .checkpoint = event { passed += 1 }
      if passed == index { break }
    }
    return cut
  }
}

extension JSONValue {
  /// `format` only describes (JSON Schema 2020-12, 7.2.1), and `ArgumentSchema` knows no word that it does not check.
  fileprivate var withoutFormats: JSONValue {
    switch self {
    case .object(let members):
      .object(members.filter { $0.key != "format" || $0.value.string == nil }.mapValues(\.withoutFormats))
    case .array(let items): .array(items.map(\.withoutFormats))
    default: self
    }
  }
}
