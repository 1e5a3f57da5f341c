import CSluicePlugin

/// The host, through the table it gave to `create`.
final class TableHost: Host {
  let table: UnsafePointer<sluice_host_t>

  init(_ table: UnsafePointer<sluice_host_t>) { self.table = table }

  /// Throws what the host answered, unless it is OK.
  func check(_ status: sluice_status_t, _ call: String, accepted: Int = 0) throws(HostError) {
    if status != 0 { throw HostError(call, .init(status), accepted: accepted) }
  }

  func emit(_ records: [Record], to stream: String) throws(HostError) {
    var accepted = 0
    // The arena holds a copy of what is emitted: a bounded one.
    let batchRecordsMax = 256
    while accepted < records.count {
      let batch = records[accepted..<min(accepted + batchRecordsMax, records.count)]
      let (status, taken) = emit(batch, to: stream)
      accepted += taken
      try check(status, "emit", accepted: accepted)
    }
  }

  private func emit(_ records: ArraySlice<Record>, to stream: String) -> (sluice_status_t, Int) {
    var arena = SliceArena(stream)
    for record in records {
      arena.add(record.key)
      arena.add(record.sourceVersion)
      arena.add(record.payload)
    }
    return arena.withSlices { slices in
      var stream = slices[0]
      var accepted: UInt64 = 0
      let raw = records.enumerated().map { index, record in
        sluice_record_t(
          struct_size: structSize(sluice_record_t.self),
          op: UInt32(record.operation == .upsert ? SLUICE_OP_UPSERT : SLUICE_OP_DELETE),
          event_time_ms: record.eventTimeMs ?? SLUICE_TIME_NONE, source_ordinal: record.sourceOrdinal,
          key: slices[1 + 3 * index], source_version: slices[2 + 3 * index], payload: slices[3 + 3 * index])
      }
      let status = table.pointee.emit(table, &stream, raw, UInt64(raw.count), &accepted)
      return (status, Int(accepted))
    }
  }

  func checkpoint(_ checkpoint: Checkpoint) throws(HostError) {
    var arena = SliceArena(checkpoint.stream)
    arena.add(checkpoint.state)
    let status = arena.withSlices { slices in
      var raw = sluice_checkpoint_t(
        struct_size: structSize(sluice_checkpoint_t.self), state_version: checkpoint.stateVersion,
        watermark_ms: checkpoint.watermarkMs ?? SLUICE_TIME_NONE, stream: slices[0], state: slices[1])
      return table.pointee.checkpoint(table, &raw)
    }
    try check(status, "checkpoint")
  }

  func waitDurable() throws(HostError) { try check(table.pointee.wait_durable(table), "wait_durable") }

  func log(_ level: LogLevel, _ code: String, _ message: String, fields: [LogField]) {
    SliceArena(code, message).withSlices { slices in
      var code = slices[0]
      var message = slices[1]
      PairArena(fields.map { ($0.name, $0.value) }).withPairs { pairs, count in
        // A line that cannot be written stops nothing.
        _ = table.pointee.log(table, level.rawValue, &code, &message, pairs, count)
      }
    }
  }

  func now(_ clock: HostClock) throws(HostError) -> Int64 {
    var ms: Int64 = 0
    try check(table.pointee.clock_now(table, clock.rawValue, &ms), "clock_now")
    return ms
  }

  func random(count: Int) throws(HostError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try check(table.pointee.random(table, &bytes, UInt64(count)), "random")
    return bytes
  }

  var isCancelled: Bool { table.pointee.cancel_requested(table) != 0 }

  var timeLeftMs: Int64? {
    let left = table.pointee.deadline(table)
    return left == .max ? nil : left
  }
}

// What an operation says about itself. Nothing here can fail in a way that matters.
extension TableHost {
  func state(code: String, message: String, retryAfterMs: Int64? = nil) {
    SliceArena(code, message).withSlices { slices in
      var error = sluice_error_t(
        struct_size: structSize(sluice_error_t.self), reserved: 0, retry_after_ms: retryAfterMs ?? -1, code: slices[0],
        message: slices[1])
      _ = table.pointee.set_error(table, &error)
    }
  }

  func setResult(_ json: JSON) throws(HostError) {
    var arena = SliceArena()
    arena.add(json.bytes)
    let status = arena.withSlices { slices in
      var slice = slices[0]
      return table.pointee.set_result(table, &slice)
    }
    try check(status, "set_result")
  }
}
