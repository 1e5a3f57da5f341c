import CanonicalJSON
import Cryptography
import Domain
import Testing
import UVLoop

@testable import ConnectorFabric
@testable import SluiceHost

@Suite struct `What is seen of a throttle` {
  @Test func `names no metric that the catalogue does not have, and nothing of an edge that is gone`() {
    let metrics = Metrics()
    let member = Throttle.Member(
      tenant: "demo", instance: "crm", endpoint: "crm", slot: "api", base: "https://crm.example", connector: "crm",
      limits: Throttle.Limits(ratePerSecond: 10, burst: 5, concurrency: 4), isExecutor: false)
    metrics.show(
      Metrics.Edge(limit: 4, inFlight: 3, queued: 2, oldestWaitAtMs: 1_700_000_000_250, hold: .rate), of: member)
    metrics.retry(instance: "demo/crm", cause: "unauthorized")
    let labels = #"{instance="demo/crm",endpoint="crm",slot="api""#
    let text = metrics.text()
    for line in [
      "sluice_throttle_limit\(labels)} 4", "sluice_throttle_in_flight\(labels)} 3",
      "sluice_throttle_queued\(labels)} 2",
      "sluice_throttle_oldest_wait_timestamp_seconds\(labels)} 1700000000.250",
      "sluice_throttle_held\(labels),cause=\"rate\"} 1",
      "sluice_retries_total{instance=\"demo/crm\",cause=\"unauthorized\"} 1",
    ] {
      #expect(text.contains(line + "\n"), "\(line) is not in\n\(text)")
    }
    metrics.show(nil, of: member)
    #expect(!metrics.text().contains("sluice_throttle"))
  }

  private static func manifest() throws -> Manifest {
    let text = """
      {"sluice": 1, "name": "crm", "version": "1.0.0", "summary": "x", "kind": "source",
       "library": {"file": "a.so", "sha256": "\(String(repeating: "ab", count: 32))", "abi": 1},
       "endpoints": {"crm": {"base": "https://crm.example"}, "reports": {"base": "https://crm.example"}},
       "streams": [{"name": "s", "delivery": "replayable"}]}
      """
    return try Manifest(SourceDocument(name: "m.yaml", value: try JSONValue(parsing: text), marks: [:]))
  }

  private static func member(_ endpoint: String, slot: String = "") -> Throttle.Member {
    Throttle.Member(
      tenant: "demo", instance: "crm", endpoint: endpoint, slot: slot, base: "https://crm.example", connector: "crm",
      limits: Throttle.Limits(ratePerSecond: 100, burst: 100, concurrency: 4), isExecutor: false)
  }

  /// Throttles on a loop of their own.
  private func with(
    _ body: @escaping @Sendable (Throttles, Metrics, EgressGate.Route) throws -> Void
  ) async throws {
    let (loop, metrics) = (EventLoop(), Metrics())
    let route = EgressGate.Route(
      tenant: TenantID(rawValue: "demo")!, instance: InstanceID(rawValue: "crm")!, manifest: try Self.manifest(),
      places: EndpointPlaces(try Self.manifest(), config: [:]))
    loop.start()
    try await loop.run {
      let throttles = Throttles(loop: loop, metrics: metrics)
      defer { throttles.close() }
      try body(throttles, metrics, route)
    }
    loop.stop()
  }

  private static func pool(_ name: String) -> Throttles.Pool {
    .credential(origin: "https://crm.example", code: SHA256.digest(name))
  }

  @Test func `goes at once when its instance leaves, and stays gone though a neighbour asks on`() async throws {
    try await with { throttles, metrics, route in
      let neighbour = Throttle.Member(
        tenant: "demo", instance: "other", endpoint: "crm", slot: "", base: "https://crm.example", connector: "crm",
        limits: Self.member("crm").limits, isExecutor: false)
      let turns = [Self.member("crm"), Self.member("reports"), neighbour].map { throttles.turn(Self.pool("a"), $0) }
      for turn in turns { _ = throttles.take(turn) {} }
      for turn in turns { throttles.end(turn) }
      #expect(metrics.sums("sluice_throttle_limit", by: "instance").keys.sorted() == ["demo/crm", "demo/other"])
      throttles.leave(route)
      throttles.look(nowMs: SystemSources.monotonicMs())
      #expect(Set(metrics.sums("sluice_throttle_limit", by: "instance").keys) == ["demo/other"])
      #expect(!metrics.text().contains("sluice_throttle_in_flight{instance=\"demo/crm\""))
      // Whoever asks there again is seen again.
      let again = throttles.turn(Self.pool("a"), Self.member("crm"))
      _ = throttles.take(again) {}
      #expect(metrics.sum("sluice_throttle_in_flight", where: ("instance", "demo/crm")) == 1)
    }
  }

  @Test func `goes when it is forgotten, though others ask on by the same credential`() async throws {
    try await with { throttles, metrics, _ in
      let turn = throttles.turn(Self.pool("a"), Self.member("crm"))
      _ = throttles.take(turn) {}
      throttles.end(turn)
      throttles.look(nowMs: SystemSources.monotonicMs() + Throttle.memoryMs + 1_000)
      #expect(metrics.text().contains("sluice_throttle") == false && throttles.poolCount == 0)
    }
  }

  @Test func `of an endpoint's budget is one for all credentials that are used there, also those that come later`()
    async throws
  {
    try await with { throttles, _, route in
      let until = SystemSources.monotonicMs() + 60_000
      throttles.lower(route, endpoint: "crm", remaining: 3, untilMs: until)
      var gone: [String] = []
      func ask(_ slot: String, _ endpoint: String = "crm") {
        let turn = throttles.turn(Self.pool(slot), Self.member(endpoint, slot: slot))
        _ = throttles.take(turn) { gone.append("\(endpoint) \(slot)") }
        throttles.end(turn)
      }
      // One goes at once, and the others are spread: by whichever credential.
      ask("a")
      ask("b")
      ask("c")
      ask("a")
      // Another endpoint has nothing to do with it.
      ask("a", "reports")
      #expect(gone == ["crm a", "reports a"])
      throttles.lower(route, endpoint: "crm", remaining: 0, untilMs: until)
      throttles.lower(route, endpoint: "crm", remaining: 5, untilMs: SystemSources.monotonicMs())
      ask("b")
      #expect(gone == ["crm a", "reports a", "crm b"])
    }
  }
}
