import Cryptography
package import Domain

/// `sluice bench ledger`: how many ledgered entries a second become durable, and how soon a signed checkpoint covers
/// them. It goes the way of every order: `TenantRuntime`, journal, `LedgerStage`, `LedgerPublisher`.
package struct LedgerBench: Sendable {
  /// Appended at once by all writers together.
  package let entries: Int
  /// Each waits until its entry is durable before it gives the next one.
  package let writers: Int
  /// Entries appended one by one, each followed by its checkpoint.
  package let probes: Int

  package init(entries: Int, writers: Int, probes: Int) {
    self.entries = entries
    self.writers = writers
    self.probes = probes
  }

  private static let tenant = TenantID(rawValue: "bench")!

  /// Measures on a host whose data folder is new, and verifies the log that comes of it.
  /// - Throws: The verifier's first finding, when the log is not sound.
  package func run(on host: RunningHost) async throws -> JSONValue {
    try await host.createTenant(Self.tenant)
    let open = try await host.opened(Self.tenant)
    let clock = ContinuousClock()
    let durable = try await clock.measure { try await appendAll(to: open.runtime) }
    let applying = try await clock.measure { try await open.runtime.settle() }
    let publishing = try await clock.measure {
      try await open.ledger.publishNow()
    }
    let waits = try await probe(open, clock).sorted()
    let report = try await host.ledgerCheck(Self.tenant).verify(since: nil)
    return [
      "entries": .integer(Int64(entries)), "writers": .integer(Int64(writers)),
      "durable_ms": Self.ms(durable), "durable_per_second": .integer(Int64(Double(entries) / durable.seconds)),
      "then_applied_ms": Self.ms(applying), "then_published_ms": Self.ms(publishing),
      "durable_to_checkpoint_p50_ms": Self.ms(waits[waits.count / 2]),
      "durable_to_checkpoint_p99_ms": Self.ms(waits[waits.count * 99 / 100]),
      "probes": .integer(Int64(waits.count)), "verified_entries": report["entries_checked"] ?? .null,
      "verified_payloads": report["payloads_checked"] ?? .null,
    ]
  }

  private func appendAll(to runtime: TenantRuntime) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<writers {
        group.addTask {
          for number in stride(from: writer, to: entries, by: writers) { try await append(number, to: runtime) }
        }
      }
      try await group.waitForAll()
    }
  }

  /// An order that changes nothing, since there is no such dead letter: what is measured is its way to the ledger.
  @discardableResult
  private func append(_ number: Int, to runtime: TenantRuntime) async throws -> Position {
    let order = Order(verb: .replayDeadLetter, target: "bench-\(number)", argument: nil, by: nil)
    return try await runtime.append(.order, order, id: StableID.of("bench", ["\(number)"]))
  }

  /// From durable to the signed checkpoint, entry by entry.
  private func probe(_ open: OpenTenant, _ clock: ContinuousClock) async throws -> [Duration] {
    var waits: [Duration] = []
    for number in entries..<(entries + probes) {
      let position = try await append(number, to: open.runtime)
      waits.append(
        try await clock.measure {
          try await open.runtime.applied(to: position)
          try await open.ledger.publishNow()
        })
    }
    return waits
  }

  private static func ms(_ duration: Duration) -> JSONValue {
    .double((duration.seconds * 100_000).rounded() / 100)
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
