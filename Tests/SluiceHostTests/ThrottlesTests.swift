import Testing

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
}
