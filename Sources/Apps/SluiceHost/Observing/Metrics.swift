import ConnectorFabric
import Domain
import Foundation
import Synchronization

/// Counters and gauges of the host, printed in Prometheus' text format. Labels are tenant and instance, never record data.
package final class Metrics: Sendable {
  struct Key: Hashable {
    let name: String
    let labels: String
  }
  private let values = Mutex<[Key: Int64]>([:])
  /// Waits that have not ended: since when, by the clock. Locked before `values`, never after.
  private let lasting = Mutex<[ObjectIdentifier: (key: Key, sinceMs: Int64)]>([:])
  /// Tenants that were erased while this ran.
  private let forgotten = Mutex<Set<String>>([])
  let clock: any HostClock
  package init(clock: any HostClock = SystemClock()) { self.clock = clock }

  package func add(_ name: String, _ amount: Int, _ labels: [(String, String)] = []) {
    guard amount != 0 else { return }
    values.withLock { $0[Key(name: name, labels: Self.render(labels)), default: 0] += Int64(amount) }
  }

  package func set(_ name: String, _ value: Int, _ labels: [(String, String)] = []) {
    values.withLock { $0[Key(name: name, labels: Self.render(labels))] = Int64(value) }
  }

  func change(_ body: (inout [Key: Int64]) -> Void) { values.withLock { body(&$0) } }

  package func remove(_ name: String, _ labels: [(String, String)]) {
    values.withLock { $0[Key(name: name, labels: Self.render(labels))] = nil }
  }

  /// A wait begins, goes on since another time, or ends (nil); what has passed of it is counted once.
  func lasts(_ wait: ObjectIdentifier, _ key: Key, sinceMs: Int64?) {
    lasting.withLock { lasting in
      let nowMs = clock.monotonicMs()
      let before = lasting[wait]
      guard before?.sinceMs != sinceMs else { return }
      lasting[wait] = sinceMs.map { (key, $0) }
      guard let before, before.sinceMs < nowMs else { return }
      values.withLock { $0[key, default: 0] += nowMs - before.sinceMs }
    }
  }

  /// All there is, with what has passed by now of waits that have not ended: so an hour's wait is seen in its first second.
  private func current() -> [Key: Int64] {
    // All of one moment, the time too: else a wait that ends meanwhile might be a little less than it was seen to be, and a
    // counter that falls is one that began anew, to Prometheus.
    let (counted, lasting, nowMs) = lasting.withLock { lasting in (values.withLock { $0 }, lasting, clock.monotonicMs())
    }
    var all = counted
    for (key, sinceMs) in lasting.values where sinceMs < nowMs { all[key, default: 0] += nowMs - sinceMs }
    return all
  }

  /// The samples of some metrics, each with its labels.
  func samples(of names: Set<String>, _ body: (_ name: String, _ labels: [String: String], _ value: Int64) -> Void) {
    for (key, value) in current() where names.contains(key.name) {
      body(key.name, Self.read(key.labels), value)
    }
  }

  /// Puts these in the place of all the samples of a tenant's that the metric has.
  func replace(_ name: String, of tenant: TenantID, with samples: [(labels: [(String, String)], value: Int)]) {
    values.withLock { values in
      for key in values.keys where key.name == name && Self.isOf([tenant.rawValue], key.labels) { values[key] = nil }
      for (labels, value) in samples { values[Key(name: name, labels: Self.render(labels))] = Int64(value) }
    }
  }

  /// Shows nothing of a tenant any more, whatever is still counted of it.
  func forget(_ tenant: TenantID) {
    let isNew = forgotten.withLock { $0.insert(tenant.rawValue).inserted }
    if isNew { values.withLock { values in values = values.filter { !Self.isOf([tenant.rawValue], $0.key.labels) } } }
  }

  private static func isOf(_ tenants: Set<String>, _ labels: String) -> Bool {
    // A name holds no quotation mark, and no "/".
    tenants.contains { labels.contains("tenant=\"\($0)\"") || labels.contains("instance=\"\($0)/") }
  }

  /// The sum over all labels.
  package func total(_ name: String) -> Int64 {
    values.withLock { $0.reduce(0) { $1.key.name == name ? $0 + $1.value : $0 } }
  }

  /// Sums by the value of one label, of the samples with another label's value where one is named.
  package func sums(
    _ name: String, by label: String, where match: (label: String, value: String)? = nil
  ) -> [String: Int64] {
    let wanted = match.map { "\($0.label)=\"\($0.value)\"" }
    var sums: [String: Int64] = [:]
    for (key, value) in current() where key.name == name && (wanted.map { key.labels.contains($0) } ?? true) {
      guard let start = key.labels.range(of: "\(label)=\"") else { continue }
      sums[String(key.labels[start.upperBound...].prefix { $0 != "\"" }), default: 0] += value
    }
    return sums
  }

  package func sum(_ name: String, where match: (label: String, value: String)) -> Int64 {
    sums(name, by: match.label)[match.value] ?? 0
  }

  static func render(_ labels: [(String, String)]) -> String {
    guard !labels.isEmpty else { return "" }
    var text = ""
    for (name, value) in labels { text += "\(text.isEmpty ? "{" : ",")\(name)=\"\(escaped(value))\"" }
    return text + "}"
  }

  /// What `render` wrote, of values that needed no escape.
  private static func read(_ labels: String) -> [String: String] {
    var read: [String: String] = [:]
    var rest = labels.utf8.dropFirst()
    while let equals = rest.firstIndex(of: UInt8(ascii: "=")) {
      let value = rest[equals...].dropFirst(2).prefix { $0 != 0x22 }
      read[String(decoding: rest[..<equals], as: UTF8.self)] = String(decoding: value, as: UTF8.self)
      rest = rest[value.endIndex...].dropFirst(2)
    }
    return read
  }

  private static func escaped(_ value: String) -> String {
    // Nearly no value needs it, and each batch of a worker asks several times.
    guard value.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else { return value }
    var bytes: [UInt8] = []
    for byte in value.utf8 {
      switch byte {
      case 0x0A: bytes += [0x5C, UInt8(ascii: "n")]
      case 0x5C, 0x22: bytes += [0x5C, byte]
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// name → (type, help). A metric that is not listed here is a programmer's error, found by the test of this table.
  package static let catalogue: [(name: String, type: String, help: String)] = [
    ("sluice_records_total", "counter", "Records that workers have emitted."),
    ("sluice_record_bytes_total", "counter", "Bytes of records that workers have emitted."),
    ("sluice_credit_bytes", "gauge", "Bytes that a running operation may send before the next batch is durable."),
    ("sluice_credit_records", "gauge", "Records that a running operation may send before the next batch is durable."),
    (
      "sluice_intake_held_bytes", "gauge",
      "Bytes of records that a tenant's workers have sent and that are not durable yet."
    ),
    ("sluice_wait_seconds_total", "counter", "Time that operations spent waiting, by cause."),
    ("sluice_requests_total", "counter", "Requests that left through the egress, by status."),
    ("sluice_tokens_total", "counter", "Access tokens asked for, by ending."),
    ("sluice_requests_refused_total", "counter", "Requests that the egress refused, by reason."),
    (
      "sluice_retries_total", "counter",
      "What was begun again: requests after a 401, operations after a fault or a pause."
    ),
    (
      "sluice_throttle_limit", "gauge",
      "How many requests its tenant may have under way there at once now; its other instances there share it."
    ),
    ("sluice_throttle_in_flight", "gauge", "Requests that are under way."),
    ("sluice_throttle_queued", "gauge", "Requests that wait for their turn."),
    (
      "sluice_throttle_oldest_wait_timestamp_seconds", "gauge",
      "Since when the request waits that has waited longest; absent when none waits."
    ),
    ("sluice_throttle_held", "gauge", "1 for the cause for which requests wait now."),
    ("sluice_throttle_halvings_total", "counter", "Times that the limit was halved, by cause."),
    ("sluice_throttle_refused_total", "counter", "Requests refused since too many of their tenant waited."),
    ("sluice_operations_total", "counter", "Operations of workers, by kind and ending; dry runs are a kind."),
    ("sluice_pulled_timestamp_seconds", "gauge", "When an instance last pulled every stream to its end."),
    ("sluice_worker_spawns_total", "counter", "Worker processes started."),
    ("sluice_worker_unresponsive_total", "counter", "Idle workers that did not answer a ping and were killed."),
    ("sluice_sandbox_refusals_total", "counter", "What the sandbox refused plugins, by system call or limit."),
    ("sluice_deliveries_total", "counter", "Webhook deliveries, by outcome."),
    (
      "sluice_deliveries_waiting", "gauge",
      "Deliveries that were accepted and that the plugin has not received yet; of an instance 10,000 at most."
    ),
    (
      "sluice_deliveries_oldest_wait_timestamp_seconds", "gauge",
      "When the delivery came that has waited longest; absent when none waits."
    ),
    (
      "sluice_dead_letters", "gauge",
      "Records and deliveries that wait for somebody to mend what refused them; of a tenant's deliveries 10,000 at most."
    ),
    ("sluice_edge_connections", "gauge", "Connections that are open at the HTTP doors."),
    ("sluice_edge_body_bytes", "gauge", "Bytes of requests' bodies that are being read or answered there."),
    (
      "sluice_edge_turned_away_total", "counter",
      "Connections and requests that were turned away there since too much was under way, by cause."
    ),
    ("sluice_rate_remaining", "gauge", "What the upstream says is left of an endpoint's request budget."),
    ("sluice_journal_position", "gauge", "The last durable position of a tenant."),
    (
      "sluice_journal_segments", "gauge",
      "Files of the journal that entries are appended to or that are not packed yet."
    ),
    ("sluice_journal_segment_bytes", "gauge", "Bytes of these files."),
    ("sluice_journal_packs", "gauge", "Packs of a tenant's older entries."),
    ("sluice_journal_pack_bytes", "gauge", "Bytes of a tenant's packs."),
    ("sluice_journal_packed_entries_total", "counter", "Entries that moved from a segment into a pack."),
    (
      "sluice_pack_failures_total", "counter",
      "Rounds of packing or trimming that ended with an error, told in the log."
    ),
    ("sluice_journal_first_position", "gauge", "The first position of a tenant that is kept."),
    ("sluice_journal_trimmed_entries_total", "counter", "Entries that were let go when their time was over."),
    ("sluice_applied_position", "gauge", "The last applied position of a tenant."),
    ("sluice_signals_total", "counter", "Signals by kind."),
    ("sluice_proposals_total", "counter", "Proposals by kind."),
    ("sluice_verdicts_total", "counter", "Verdicts by outcome."),
    ("sluice_choices_total", "counter", "Answers of people to held calls."),
    ("sluice_effects_total", "counter", "Effects by outcome."),
    ("sluice_ledger_entries", "gauge", "Entries in a tenant's ledger."),
    ("sluice_tenant_disk_bytes", "gauge", "What a tenant takes of the disk: journal, database and published logs."),
    ("sluice_tenant_disk_quota_bytes", "gauge", "What it may take before its intake pauses; absent without a quota."),
    (
      "sluice_disk_short_bytes", "gauge",
      "What is missing of the free disk space below which intake pauses; 0 for nothing."
    ),
    ("sluice_instances_parked", "gauge", "1 for an instance that is parked."),
  ]

  package func text() -> String {
    let forgotten = forgotten.withLock { $0 }
    // Once for all names: a thousand instances have tens of thousands of samples.
    let all = Dictionary(
      grouping: current().filter { !Self.isOf(forgotten, $0.key.labels) }, by: \.key.name)
    var lines: [String] = []
    for (name, type, help) in Self.catalogue {
      guard let samples = all[name]?.sorted(by: { $0.key.labels < $1.key.labels }) else { continue }
      lines.append("# HELP \(name) \(help)")
      lines.append("# TYPE \(name) \(type)")
      lines += samples.map { "\(name)\($0.key.labels) \(Self.sample($0.value, of: name))" }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension Metrics {
  /// Times are counted in whole milliseconds and shown in Prometheus' base unit.
  fileprivate static func sample(_ value: Int64, of name: String) -> String {
    guard name.contains("_seconds_") || name.hasSuffix("_seconds") else { return "\(value)" }
    let digits = "\(value % 1000)"
    return "\(value / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
  }

  func pulled(instance: String, atMs: Int64) {
    set("sluice_pulled_timestamp_seconds", Int(atMs), [("instance", instance)])
  }
  func refusedBySandbox(instance: String, what: String) {
    add("sluice_sandbox_refusals_total", 1, [("instance", instance), ("call", what)])
  }
  func token(instance: String, ending: String) {
    add("sluice_tokens_total", 1, [("instance", instance), ("ending", ending)])
  }
  func refused(instance: String, code: String) {
    add("sluice_requests_refused_total", 1, [("instance", instance), ("reason", code)])
  }
  func operation(instance: String, kind: String, ending: String) {
    add("sluice_operations_total", 1, [("instance", instance), ("kind", kind), ("ending", ending)])
  }
  func rateHint(instance: String, _ endpoint: String, remaining: Int64?) {
    let labels = [("instance", instance), ("endpoint", endpoint)]
    if let remaining {
      set("sluice_rate_remaining", Int(clamping: remaining), labels)
    } else {
      remove("sluice_rate_remaining", labels)
    }
  }
}
