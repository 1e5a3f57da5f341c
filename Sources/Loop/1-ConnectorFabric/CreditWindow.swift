/// What a worker may still send: records and bytes, given back when what it sent has been committed and applied.
///
/// The window is the smaller of the commit window and the apply-lag window, so slow disk and slow perception slow the
/// source, and nothing is dropped.
package struct CreditWindow: Sendable, Equatable {
  package struct Amount: Sendable, Equatable {
    package var records: Int
    package var bytes: Int
    package init(records: Int, bytes: Int) {
      self.records = records
      self.bytes = bytes
    }
    package static let zero = Amount(records: 0, bytes: 0)
  }

  package let limit: Amount
  /// Sent and not yet given back.
  package private(set) var outstanding = Amount.zero
  /// Given to the worker and not yet used.
  package private(set) var granted = Amount.zero

  package init(limit: Amount) { self.limit = limit }

  /// Bytes that are not free.
  package var usedBytes: Int { outstanding.bytes + granted.bytes }

  /// What to grant now, so that granted and outstanding together fill the window. Zero when it is full.
  /// - Parameter bytesMax: Of what is granted now.
  package mutating func refill(bytesMax: Int = .max) -> Amount {
    let amount = Amount(
      records: max(0, limit.records - outstanding.records - granted.records),
      bytes: min(max(0, limit.bytes - usedBytes), bytesMax))
    granted.records += amount.records
    granted.bytes += amount.bytes
    return amount
  }

  /// The worker sent a batch.
  /// - Returns: False when it had no credit for it: the worker broke the protocol.
  package mutating func send(_ amount: Amount) -> Bool {
    guard amount.records <= granted.records, amount.bytes <= granted.bytes else { return false }
    granted.records -= amount.records
    granted.bytes -= amount.bytes
    outstanding.records += amount.records
    outstanding.bytes += amount.bytes
    return true
  }

  /// A batch is durable and applied.
  package mutating func complete(_ amount: Amount) {
    outstanding.records -= amount.records
    outstanding.bytes -= amount.bytes
    precondition(outstanding.records >= 0 && outstanding.bytes >= 0, "more was completed than was sent")
  }
}

/// Why an operation is not moving: counted from the first day, in milliseconds by cause.
package enum WaitCause: String, Sendable, CaseIterable {
  case noCredit = "no_credit"
  /// For room among the records of all: the host holds as many bytes as it may.
  case intakeLimit = "intake_limit"
  case applyLag = "apply_lag"
  case throttled
  case upstreamSlow = "upstream_slow"
  case pluginSlow = "plugin_slow"
  case storageSlow = "storage_slow"
  /// For room within the tenant's disk quota.
  case diskQuota = "disk_quota"
  /// For an access token: somebody asks for one, or makes a rotated one durable.
  case token
}
