import ConnectorFabric
import Domain
import PluginHost

// C: what a plugin holds when it has worked for long, and when an operation is over.
extension Check {
  static let holding: [Check] = [
    Check(
      "restart-100", .standard, "ABI-3.3",
      "A hundred operations in one worker leave its memory, threads and descriptors as they were."
    ) { stand in
      let live = try await stand.ready(.countingDescriptors)
      var (early, held): (Int?, Held?)
      for round in 1...100 {
        var last = try await stand.operation(.check, live).succeeded("Check \(round)")
        if stand.subject.isSource, let stream = stand.streams.first, round % 5 == 0 {
          last = try await stand.pull(live, stream).succeeded("Pull \(round / 5)")
        }
        // Memory settles late. Of the others there are few: what leaks soon has no more to leak.
        if round == 40 { early = live.residentBytes }
        if round == 5 { held = Held(live, last) }
        if round == 100, let held, let more = Held(live, last).more(than: held) {
          throw Fault("After 100 operations \(more) than after 5.")
        }
      }
      guard let early, let late = live.residentBytes else { return .warning("The worker's memory could not be read.") }
      let grown = late - early
      guard grown <= 1 << 20 else { throw Fault("Its memory grew by \(grown >> 10) KiB over 60 operations.") }
      return .fine
    },
    Check(
      "leak-at-end", .standard, "ABI-6.15",
      "Every response that it opens it closes, and no operation leaves another thread or descriptor behind."
    ) { stand in
      let live = try await stand.ready(.countingDescriptors)
      var held: [String: Held] = [:]
      for round in 1...2 {
        for (what, run) in stand.operations(live) {
          let observed = try await run().alive(what)
          guard observed.opened == observed.closed else {
            throw Fault("\(what) opened \(observed.opened) responses and closed \(observed.closed).")
          }
          // The first time something may be made that is kept.
          let now = Held(live, observed)
          if round == 2, let before = held[what], let more = now.more(than: before) {
            throw Fault("\(what), for the second time: \(more) than after the first.")
          }
          held[what] = now
        }
      }
      return .fine
    },
  ]
}

/// What a worker holds after an operation, beyond memory.
private struct Held {
  let threads: Int?
  let descriptors: Int?
  init(_ live: LiveWorker, _ observed: Observed) {
    (threads, descriptors) = (live.threadCount, observed.openDescriptors)
  }

  /// In words; nil when it is not more.
  func more(than before: Held) -> String? {
    if let now = threads, let then = before.threads, now > then { return "\(now - then) more threads run" }
    if let now = descriptors, let then = before.descriptors, now > then {
      return "\(now - then) more descriptors are open"
    }
    return nil
  }
}

extension Stand.Setup {
  fileprivate static var countingDescriptors: Self {
    var setup = Self()
    setup.checking = [.descriptors]
    return setup
  }
}

extension Stand {
  /// Each operation that the fixtures allow, by name.
  fileprivate func operations(_ live: LiveWorker) -> [(String, () async -> Observed)] {
    var all: [(String, () async -> Observed)] = [("A check", { await self.operation(.check, live) })]
    for stream in subject.isSource ? streams : [] {
      all.append(("A pull of \(stream)", { await self.pull(live, stream) }))
    }
    for delivery in subject.isSource ? subject.fixtures.deliveries : [] {
      all.append(("The delivery \(delivery.id)", { await self.deliver(live, delivery) }))
    }
    for call in subject.isExecutor ? subject.fixtures.calls : [] {
      for kind in [OperationStart.Kind.dryRun, .execute, .probe] {
        all.append(("\(kind) of \(call.action)", { await self.act(kind, live, call) }))
      }
    }
    return all
  }
}
