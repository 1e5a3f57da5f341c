import Domain
import SluiceHost

/// What the demo's screen shows, taken from the host at one moment.
struct DemoFigures {
  let day: BusinessDay
  let number: Int
  let total: Int
  let records: Int64
  let requests: Int64
  let deliveries: Int64
  let signals: [String: Int]
  let waits: [(cause: String, ms: Int64)]
  let position: UInt64

  init(_ host: RunningHost, day: BusinessDay, number: Int, of total: Int) async throws {
    self.day = day
    self.number = number
    self.total = total
    records = host.metrics.total("sluice_records_total")
    requests = host.metrics.total("sluice_requests_total")
    deliveries = host.metrics.total("sluice_deliveries_total")
    waits = host.metrics.sums("sluice_wait_seconds_total", by: "cause").sorted { $0.value > $1.value }
      .map { ($0.key, $0.value) }
    signals = try await host.signalCounts(DemoRun.tenant)
    position = UInt64(host.metrics.total("sluice_applied_position"))
  }
}
