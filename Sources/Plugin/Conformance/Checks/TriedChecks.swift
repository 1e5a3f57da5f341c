import ConnectorFabric
import Domain
import PluginHost

// D, of the fixtures: what a source has they try. Without them its checks say nothing, and nothing is claimed of it.
extension Check {
  static let tried: [Check] = [
    Check(
      "every-stream-changes", .standard, "MAN-4", "The fixtures change something of every stream.",
      unless: Subject.isNoAskingSource
    ) { stand in
      let before = try await stand.pullAll()
      stand.upstream.changes()
      let still = zip(before, try await stand.pullAll()).filter { before, after in
        let (was, now) = (Content([before.1]), Content([after.1]))
        return was.missing(of: now).isEmpty && now.missing(of: was).isEmpty
      }
      // What comes by deliveries alone changes by them.
      let idle = still.map(\.0.stream).filter { stand.subject.fixtures.expected[$0] != 0 }
      guard idle.isEmpty else {
        throw Fault(
          "Nothing of \(listed(idle)) changes: give in `changes` what the upstream answers once a record of it is new, updated or deleted. Where it never is, let the manifest skip this check and say why."
        )
      }
      return .fine
    },
    Check(
      "webhook-tried", .standard, "MAN-5", "The fixtures hold a delivery that gives records.",
      unless: Subject.takesNoWebhooks
    ) { stand in
      guard stand.subject.fixtures.deliveries.contains(where: { $0.records > 0 }) else {
        throw Fault(
          "The manifest has a `webhook`, and the fixtures no delivery that gives a record: add one to `deliveries`.")
      }
      return .fine
    },
    Check(
      "migration-tried", .standard, "MAN-6",
      "The fixtures hold a state of an earlier version, which the library writes anew.", unless: Subject.isNoSource
    ) { stand in
      let all = try await stand.pullAll()
      guard try await stand.migrates(all) else { return .inapplicable("It writes no old states anew.") }
      let today = Dictionary(
        all.map { ($0.stream, $0.1.checkpoints.last?.version ?? 0) }, uniquingKeysWith: { first, _ in first })
      guard stand.subject.fixtures.states.contains(where: { $0.version < today[$0.stream] ?? 0 }) else {
        throw Fault(
          "The library has sluice.state-migrate/1, and the fixtures no state of an earlier version: add to `states` one that such a version has saved."
        )
      }
      return .fine
    },
  ]
}

extension Subject {
  static let hasNoChanges: @Sendable (Subject) -> String? = { subject in
    guard subject.fixtures.changes.isEmpty else { return isNoSource(subject) }
    return isNoAskingSource(subject) ?? "The fixtures have no changes: see `every-stream-changes`."
  }
}

extension Stand {
  /// Whether the library has `sluice.state-migrate/1`. For one that has not the worker answers UNSUPPORTED, which it takes
  /// from no plugin.
  fileprivate func migrates(_ pulled: [(stream: String, Observed)]) async throws(Fault) -> Bool {
    let live = try await ready()
    var start = OperationStart(kind: .migrate)
    let point = pulled.compactMap(\.1.checkpoints.last).first
    start.name = point?.stream ?? streams[0]
    (start.state, start.stateVersion) = (point?.state ?? [0], point?.version ?? 0)
    let observed = try await run(live, start).alive("Migrating a state of today")
    await end(live)
    return observed.status != .unsupported
  }
}
