import ConnectorFabric

extension Metrics {
  /// What one instance sends, and may send. Its labels are written once: each batch changes four samples.
  struct Emission: Sendable {
    private let metrics: Metrics
    private let records, bytes, creditRecords, creditBytes: Key

    fileprivate init(_ metrics: Metrics, instance: String) {
      self.metrics = metrics
      let labels = Metrics.render([("instance", instance)])
      records = Key(name: "sluice_records_total", labels: labels)
      bytes = Key(name: "sluice_record_bytes_total", labels: labels)
      creditRecords = Key(name: "sluice_credit_records", labels: labels)
      creditBytes = Key(name: "sluice_credit_bytes", labels: labels)
    }

    /// - Parameter left: Its credit, without what was sent.
    func sent(_ amount: CreditWindow.Amount, left: CreditWindow.Amount) {
      metrics.change { values in
        values[records, default: 0] += Int64(amount.records)
        values[bytes, default: 0] += Int64(amount.bytes)
        (values[creditRecords], values[creditBytes]) = (Int64(left.records), Int64(left.bytes))
      }
    }

    /// - Parameter credit: nil when no operation is under way.
    func may(_ credit: CreditWindow.Amount?) {
      metrics.change { values in
        values[creditRecords] = credit.map { Int64($0.records) }
        values[creditBytes] = credit.map { Int64($0.bytes) }
      }
    }
  }

  func emission(instance: String) -> Emission { Emission(self, instance: instance) }
}
