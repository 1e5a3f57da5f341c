import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

// D, its checkpoints: where a source goes on, and what it makes of a state that is not its own.
extension Check {
  static let state: [Check] = [
    Check(
      "resume-from-every-checkpoint", .standard, "ABI-7.1",
      "From each checkpoint a new worker gives everything behind it.", unless: Subject.isNoSource
    ) { stand in
      for (stream, whole) in try await stand.pullAll() {
        for point in stand.some(Array(whole.checkpoints.enumerated()), 8) {
          let rest = try await stand.resume(stream, from: point.element)
          let missing = Content([whole.before(checkpoint: point.offset), rest]).missing(of: Content([whole]))
          guard missing.isEmpty else {
            throw Fault("\(stream): resumed from checkpoint \(point.offset + 1), \(listed(missing)) never came.")
          }
        }
      }
      return .fine
    },
    Check(
      "write-between-restarts", .standard, "ABI-7.1", "What changes while it is down it sees afterwards.",
      unless: Subject.hasNoChanges
    ) { stand in
      var found = 0
      for (stream, before) in try await stand.pullAll() {
        stand.upstream.changes()
        let after = try await stand.resume(stream, from: before.checkpoints.last)
        let whole = try await stand.resume(stream, from: nil)
        let missing = Content([before, after]).missing(of: Content([whole]))
        guard missing.isEmpty else { throw Fault("\(stream): \(listed(missing)) changed and never came.") }
        found += Content([before]).missing(of: Content([after])).count
      }
      guard found > 0 else { throw Fault("The fixtures' changes were seen by no pull: what changes is missed.") }
      return .fine
    },
    Check(
      "read-live", .standard, "ABI-3.3", "What changes between two pulls of one worker comes with the second.",
      unless: Subject.hasNoChanges
    ) { stand in
      let live = try await stand.ready()
      var pulled: [(stream: String, Observed)] = []
      for stream in stand.streams {
        pulled.append((stream, try await stand.pull(live, stream).succeeded("A pull of \(stream)")))
      }
      stand.upstream.changes()
      for (stream, before) in pulled {
        let after = try await stand.pull(live, stream, from: before.checkpoints.last).succeeded(
          "A second pull of \(stream)")
        let missing = Content([before, after]).missing(of: Content([try await stand.resume(stream, from: nil)]))
        guard missing.isEmpty else {
          throw Fault("\(stream): \(listed(missing)) changed, and the same worker did not see it.")
        }
      }
      return .fine
    },
    Check(
      "duplicates-bounded", .standard, "ABI-7.1",
      "From a checkpoint nothing comes again but what came since the one before it.", unless: Subject.isNoSource
    ) { stand in
      var warnings: [String] = []
      for (stream, whole) in try await stand.pullAll() where whole.checkpoints.count >= 2 {
        for index in stand.some(Array(1..<whole.checkpoints.count), 6) {
          let known = Set(whole.before(checkpoint: index - 1).records)
          let late = Set(whole.records.dropFirst(whole.before(checkpoint: index - 1).records.count))
          let again = try await stand.resume(stream, from: whole.checkpoints[index]).records.filter {
            known.contains($0) && !late.contains($0)
          }
          guard !again.isEmpty else { continue }
          warnings.append(
            "\(stream): from checkpoint \(index + 1) \(again.count) records come again that are older than the checkpoint before it, such as \(again[0].keyText)."
          )
          break
        }
      }
      return .noted(warnings)
    },
    Check(
      "state-unknown-version", .standard, "ABI-7.9",
      "A checkpoint of another version is refused by name, or understood.", unless: Subject.isNoSource
    ) { stand in
      for (stream, whole) in try await stand.pullAll() {
        guard let last = whole.checkpoints.last else { continue }
        let future = Observed.Checkpoint(
          stream: stream, state: last.state, version: last.version + 1_000, watermarkMs: nil)
        let live = try await stand.ready()
        try await stand.refuses(live, "\(stream): a checkpoint of version \(future.version)", future)
        await stand.end(live)
      }
      return .fine
    },
    Check(
      "state-garbage", .standard, "ABI-7.9",
      "A checkpoint that is none is refused by name, never taken for the beginning.", unless: Subject.isNoSource
    ) { stand in
      var chance = stand.chances()
      for (stream, whole) in try await stand.pullAll() {
        guard let last = whole.checkpoints.last else { continue }
        let states = [
          chance.bytes(64), chance.bytes(200_000), Array("{}".utf8), Array("null".utf8), [0xFF, 0xFE], Array("-1".utf8),
        ]
        for state in states where state != last.state {
          let live = try await stand.ready()
          let wrong = Observed.Checkpoint(stream: stream, state: state, version: last.version, watermarkMs: nil)
          let shown = String(decoding: state.prefix(16), as: UTF8.self).debugDescription
          try await stand.refuses(live, "\(stream): a checkpoint of \(state.count) bytes, \(shown)", wrong)
          await stand.end(live)
        }
      }
      return .fine
    },
    Check(
      "state-stable", .standard, "ABI-7.8", "The same pull gives the same checkpoints, byte for byte.",
      unless: Subject.isNoSource
    ) { stand in
      let (first, second) = (try await stand.pullAll(), try await stand.pullAll())
      for (one, other) in zip(first, second) where one.1.checkpoints.map(\.state) != other.1.checkpoints.map(\.state) {
        throw Fault("\(one.stream): two pulls of the same upstream gave other checkpoints.")
      }
      return .fine
    },
    Check(
      "state-size-bounded", .standard, "ABI-5.11", "Checkpoints stay small, however much has been read.",
      unless: Subject.isNoSource
    ) { stand in
      for (stream, whole) in try await stand.pullAll() {
        guard let first = whole.checkpoints.first, let largest = whole.checkpoints.map(\.state.count).max() else {
          continue
        }
        guard largest <= 16_384 else { throw Fault("\(stream): a checkpoint of \(largest) bytes.") }
        guard largest <= first.state.count + 256 else {
          throw Fault("\(stream): checkpoints grow with what was read, from \(first.state.count) to \(largest) bytes.")
        }
      }
      return .fine
    },
    Check(
      "state-migrate", .standard, "ABI-6.16",
      "A checkpoint of an earlier version is written anew, and nothing is lost.",
      unless: { $0.fixtures.states.isEmpty ? "The fixtures have no states: see `migration-tried`." : nil }
    ) { stand in
      for old in stand.subject.fixtures.states {
        let whole = try await stand.resume(old.stream, from: nil)
        let point = try await stand.migrated(
          .init(stream: old.stream, state: old.state, version: old.version, watermarkMs: nil))
        // What it gives from there must be the end of what it gives from the beginning.
        let rest = try await stand.resume(old.stream, from: point)
        let keys = whole.records.map(\.keyText)
        guard !rest.records.isEmpty, rest.records == Array(whole.records.suffix(rest.records.count)) else {
          throw Fault(
            "\(old.stream): from a migrated state came \(listed(rest.records.map(\.keyText))), which is no end of \(listed(keys))."
          )
        }
      }
      return .fine
    },
  ]
}

extension Stand {
  /// Throws unless the plugin itself refuses to go on from a state that is not its own.
  fileprivate func refuses(_ live: LiveWorker, _ what: String, _ state: Observed.Checkpoint) async throws(Fault) {
    let before = upstream.unanswered.count
    let observed = await pull(live, state.stream, from: state)
    try observed.failed(what, with: [.permanent, .config])
    // Another upstream would have answered, and perhaps from the beginning.
    if let asked = upstream.unanswered.dropFirst(before).first {
      throw Fault(
        "\(what) was handed on to the upstream: \(asked), for which the fixtures have no answer. To refuse it is the plugin's."
      )
    }
  }
}
