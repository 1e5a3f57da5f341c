import CanonicalJSON
import ConnectorFabric
import Domain
import PluginHost

// B, against the version before: an instance that an operator upgrades keeps its configuration, its records and its place.
extension Check {
  static let previous: [Check] = [
    Check(
      "spec-backward-compatible", .standard, "MAN-2",
      "It takes every configuration that the version before took.",
      unless: Subject.isFirst
    ) { stand in
      let before = stand.subject.previous!
      var samples = SchemaSamples(chance: stand.chances())
      var tried: [JSONValue] = []
      for _ in 0..<100 {
        guard let made = samples.value(before.document["config"] ?? ["type": "object"]) else { break }
        let sample = stand.subject.withHostsBefore(made)
        guard before.manifest.misfits(of: sample).isEmpty else { continue }
        tried.append(sample)
        if let misfit = stand.subject.manifest.misfits(of: sample).first {
          throw Fault(
            "\(sample.canonicalText) was a configuration of \(before.manifest.version): `\(misfit.path)` is \(misfit.reason) now."
          )
        }
      }
      if before.lacking == nil {
        let known = [stand.subject.configBefore].compactMap(\.self)
        try await stand.takesAsBefore(known + stand.some(tried, 12))
      }
      return tried.count >= 50 ? .fine : .warning("Only \(tried.count) configurations could be made up.")
    },
    Check(
      "catalog-backward-compatible", .standard, "MAN-2",
      "It still has the streams, mapped fields and actions of the version before.",
      unless: Subject.isFirst
    ) { stand in
      let (before, now) = (stand.subject.previous!.manifest, stand.subject.manifest)
      let streams = before.streams.map(\.name.rawValue).filter { name in
        !now.streams.contains { $0.name.rawValue == name }
      }
      let actions = before.actions.map(\.name).filter { now.action($0) == nil }
      guard streams.isEmpty, actions.isEmpty else { throw Fault("Gone: \(listed(streams + actions)).") }
      for (stream, mapped) in before.mapping["streams"]?.object ?? [:] {
        for (field, old) in mapped["fields"]?.object ?? [:] {
          guard let new = now.mapping["streams"]?[stream]?["fields"]?[field] else {
            throw Fault("\(stream).\(field) is gone.")
          }
          guard new["type"] == old["type"] else { throw Fault("\(stream).\(field) has another type.") }
        }
      }
      return .fine
    },
    Check(
      "inputs-backward-compatible", .standard, "MAN-2",
      "Each action takes every input that it took in the version before.",
      unless: { Subject.isFirst($0) ?? Subject.hadNoActions($0) }
    ) { stand in
      let (before, now) = (stand.subject.previous!.manifest, stand.subject.manifest)
      var samples = SchemaSamples(chance: stand.chances())
      var untried: [String] = []
      for old in before.actions {
        // An action that is gone is the fault of another check.
        guard let new = now.action(old.name) else { continue }
        let known = stand.subject.fixtures.calls.first { $0.action == old.name }?.input
        let (was, takes) = (try ArgumentSchema(old.input), try ArgumentSchema(new.input))
        var tried = 0
        for _ in 0..<100 {
          guard let input = samples.value(old.input, like: known) else { break }
          guard (try? was.check(input)) != nil else { continue }
          tried += 1
          do throws(ArgumentSchema.Misfit) { try takes.check(input) } catch {
            throw Fault(
              "\(input.canonicalText) was an input of \(old.name) in \(before.version): `\(error.path)` is \(error.reason) now."
            )
          }
        }
        if tried < 50 { untried.append(old.name) }
      }
      return untried.isEmpty ? .fine : .warning("Too few inputs could be made up for \(listed(untried)).")
    },
    Check(
      "keys-backward-compatible", .standard, "MAN-2",
      "What the version before gave has the same key now, by pull and by delivery.",
      unless: Subject.hasNoEarlierSource
    ) { stand in
      try await stand.besideTheVersionBefore { old in
        let (oldLive, live) = (try await old.ready(), try await stand.ready(stand.asBefore))
        var warnings: [String] = []
        for stream in stand.streams where old.streams.contains(stream) {
          let was = await old.pull(oldLive, stream)
          guard was.isOK, !was.records.isEmpty else {
            warnings.append(old.gaveNothing(of: stream, was))
            continue
          }
          let now = try await stand.pull(live, stream).succeeded("A pull of \(stream)")
          try sameKeys(was, now, "A pull of \(stream)", than: old.subject.manifest.version)
        }
        for delivery in stand.subject.fixtures.deliveries where old.subject.manifest.webhook != nil {
          let was = await old.deliver(oldLive, delivery)
          guard was.isOK else { continue }
          let now = try await stand.deliver(live, delivery).succeeded("The delivery \(delivery.id)")
          try sameKeys(was, now, "The delivery \(delivery.id)", than: old.subject.manifest.version)
        }
        return .noted(warnings)
      }
    },
    Check(
      "state-backward-compatible", .standard, "ABI-6.16",
      "From each checkpoint of the version before it goes on, migrated or as it is, and nothing is lost.",
      unless: Subject.hasNoEarlierSource
    ) { stand in
      try await stand.besideTheVersionBefore { old in
        var warnings: [String] = []
        for stream in stand.streams where old.streams.contains(stream) {
          let was = await old.pull(try await old.ready(), stream)
          guard was.isOK, !was.checkpoints.isEmpty else {
            warnings.append(old.gaveNothing(of: stream, was))
            continue
          }
          for point in stand.some(Array(was.checkpoints.enumerated()), 6) {
            let done = was.before(checkpoint: point.offset)
            guard try await stand.goesOn(from: point.element, of: old, behind: done) else { continue }
            warnings.append("\(stream): from checkpoint \(point.offset + 1) it gives everything again.")
          }
          if !stand.subject.fixtures.changes.isEmpty {
            // What changed while the operator upgraded.
            for one in [old, stand] { one.upstream.changes() }
            _ = try await stand.goesOn(from: was.checkpoints.last!, of: old, behind: was)
            for one in [old, stand] { one.upstream.changes(false) }
          }
        }
        return .noted(warnings)
      }
    },
  ]
}

/// Throws unless every row of the one has its key in the other.
private func sameKeys(_ was: Observed, _ now: Observed, _ what: String, than version: String) throws(Fault) {
  let (old, new) = (Content([was]).versions, Content([now]).versions)
  let lost = old.keys.filter { new[$0] == nil }.map { String(decoding: $0, as: UTF8.self) }.sorted()
  guard lost.isEmpty else {
    let others = new.keys.filter { old[$0] == nil }.map { String(decoding: $0, as: UTF8.self) }.sorted()
    throw Fault(
      "\(what): \(version) gave \(listed(lost)), which is gone\(others.isEmpty ? "" : ", and now comes \(listed(others))"): a row whose key changes is another one."
    )
  }
  // Where the key is no part of what a record says, one row could have got the key of another.
  let rows = Dictionary(grouping: new.values.filter { !$0.payload.isEmpty }, by: \.payload)
  for record in old.values {
    guard let same = rows[record.payload], !same.contains(where: { $0.key == record.key }) else { continue }
    throw Fault("\(what): what \(version) gave as \(record.keyText) comes as \(same[0].keyText) now.")
  }
}

extension Stand {
  /// An instance that was enabled with the version before.
  var asBefore: Setup {
    var setup = Setup()
    setup.config = subject.configBefore ?? subject.config
    return setup
  }

  /// Runs a check beside a stand of the version before, whose upstream is played from the same fixtures.
  func besideTheVersionBefore(_ check: (Stand) async throws -> Finding) async throws -> Finding {
    let before = subject.before!
    guard subject.configBefore != nil else {
      return .warning("The fixtures' configuration is none of \(before.manifest.version): nothing could be compared.")
    }
    let old = try other(before)
    let finding: Result<Finding, any Error>
    do {
      // Whoever does not start here cannot be compared with; that is no fault of the version that is checked.
      await old.end(try await old.worker())
      finding = .success(try await check(old))
    } catch let failure as WorkerFailure {
      finding = .success(.warning("\(before.manifest.version) does not start here: \(failure.message)"))
    } catch { finding = .failure(error) }
    await old.close()
    return try finding.get()
  }

  func gaveNothing(of stream: String, _ observed: Observed) -> String {
    let version = subject.manifest.version
    guard !observed.isOK else { return "\(version) gave nothing of \(stream) by these fixtures." }
    return "By these fixtures a pull of \(stream) by \(version) ended with \(observed.ending)\(observed.words)."
  }

  /// Throws when the library of the version before makes an instance of a configuration, and this one does not.
  func takesAsBefore(_ configs: [JSONValue]) async throws {
    let old = try other(subject.before!)
    var refused: (config: JSONValue, failure: WorkerFailure)?
    for config in configs where refused == nil {
      var setup = Setup()
      setup.config = config
      guard let taken = try? await old.worker(setup) else { continue }
      await old.end(taken)
      do { await end(try await worker(setup)) } catch let failure as WorkerFailure { refused = (config, failure) }
    }
    await old.close()
    guard let refused else { return }
    throw Fault(
      "\(old.subject.manifest.version) took \(refused.config.canonicalText). \(refused.failure.message)",
      kind: Self.kind(refused.failure))
  }

  /// What the host makes of an old checkpoint at an upgrade: what the plugin migrates it to, or the same.
  func migrated(_ old: Observed.Checkpoint, _ setup: Setup = Setup()) async throws(Fault) -> Observed.Checkpoint {
    let live = try await ready(setup)
    var start = OperationStart(kind: .migrate)
    (start.name, start.state, start.stateVersion) = (old.stream, old.state, old.version)
    let what = "Migrating a state of version \(old.version)"
    let observed = try await run(live, start).alive(what)
    await end(live)
    guard observed.status != .unsupported else { return old }
    try observed.succeeded(what)
    guard let new = observed.checkpoints.last else { throw Fault("A migrated state was not handed over.") }
    return new
  }

  /// Throws when something does not come that the version before would have given from its checkpoint.
  /// - Returns: Whether it gives everything again that came before it, which the version before would not have done.
  fileprivate func goesOn(
    from point: Observed.Checkpoint, of old: Stand, behind done: Observed
  ) async throws(Fault) -> Bool {
    let right = Content([try await old.resume(point.stream, from: point)]).versions
    let from = try await migrated(point, asBefore)
    let live = try await ready(asBefore)
    let what = "A pull of \(point.stream) from a checkpoint of \(old.subject.manifest.version)"
    let found = Content([try await pull(live, point.stream, from: from).succeeded(what)]).versions
    await end(live)
    let missing = right.values.filter { found[$0.key]?.isDelete != $0.isDelete }.map(\.keyText).sorted()
    guard missing.isEmpty else {
      throw Fault("\(what): \(listed(missing)) never came, which \(old.subject.manifest.version) gives from there.")
    }
    let known = Content([done]).versions.keys
    return !known.isEmpty && known.allSatisfy { found[$0] != nil } && !known.allSatisfy { right[$0] != nil }
  }
}
