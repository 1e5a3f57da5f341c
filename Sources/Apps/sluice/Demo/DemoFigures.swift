import Domain
import SluiceHost

/// What the demo's screen shows, taken from the host at one moment.
struct DemoFigures {
  let day: BusinessDay
  let number: Int
  let total: Int
  let records: Int64
  let recordsPerSecond: Int64
  let requests: Int64
  let deliveries: Int64
  let position: Int64
  /// Each by name.
  let signals, proposals, verdicts, choices, effects: [String: Int64]
  /// Calls that wait for a person.
  let held: Int
  let ledger: Int64
  let waits: [(cause: String, ms: Int64)]

  /// - Parameter elapsedMs: since the demo began.
  init(_ host: RunningHost, day: BusinessDay, number: Int, of total: Int, elapsedMs: Int64) async throws {
    self.day = day
    self.number = number
    self.total = total
    let metrics = host.metrics
    records = metrics.total("sluice_records_total")
    recordsPerSecond = records * 1000 / max(elapsedMs, 1)
    requests = metrics.total("sluice_requests_total")
    deliveries = metrics.total("sluice_deliveries_total")
    position = metrics.total("sluice_applied_position")
    signals = metrics.sums("sluice_signals_total", by: "kind")
    proposals = metrics.sums("sluice_proposals_total", by: "kind")
    verdicts = metrics.sums("sluice_verdicts_total", by: "outcome")
    choices = metrics.sums("sluice_choices_total", by: "answer")
    effects = metrics.sums("sluice_effects_total", by: "outcome")
    held = try await host.heldCount(DemoRun.tenant)
    ledger = metrics.total("sluice_ledger_entries")
    waits = metrics.sums("sluice_wait_seconds_total", by: "cause").sorted { $0.value > $1.value }
      .map { ($0.key, $0.value) }
  }
}
