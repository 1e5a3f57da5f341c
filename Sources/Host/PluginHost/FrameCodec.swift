internal import CSluiceFrames

/// Swift's side of the frame codec: borrowed bytes in, Swift values out, and back.
enum FrameCodec {
  static func withBytes<R>(_ bytes: [UInt8], _ body: (sluice_bytes_t) -> R) -> R {
    bytes.withUnsafeBufferPointer { body(sluice_bytes_t(ptr: $0.baseAddress, len: $0.count)) }
  }

  /// All of them at once, in their order.
  static func withAllBytes<R>(_ all: [[UInt8]], _ body: ([sluice_bytes_t]) -> R) -> R {
    func next(_ known: [sluice_bytes_t]) -> R {
      known.count == all.count ? body(known) : withBytes(all[known.count]) { next(known + [$0]) }
    }
    return next([])
  }

  static func array(_ bytes: sluice_bytes_t) -> [UInt8] {
    Array(UnsafeBufferPointer(start: bytes.len == 0 ? nil : bytes.ptr, count: bytes.len))
  }

  static func text(_ bytes: sluice_bytes_t) -> String {
    String(decoding: UnsafeBufferPointer(start: bytes.len == 0 ? nil : bytes.ptr, count: bytes.len), as: UTF8.self)
  }

  static func pairs(_ list: sluice_pairs_t) -> [(name: String, value: String)] {
    var list = list
    var name = sluice_bytes_t()
    var value = sluice_bytes_t()
    var pairs: [(name: String, value: String)] = []
    while sluice_pairs_next(&list, &name, &value) { pairs.append((text(name), text(value))) }
    return pairs
  }

  /// Runs an encoder twice: for the size, then for the bytes.
  /// - Returns: nil when a field exceeds its limit.
  static func encode(_ encoder: (UnsafeMutablePointer<UInt8>?, Int) -> Int) -> [UInt8]? {
    let size = encoder(nil, 0)
    guard size > 0 else { return nil }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in count = encoder(buffer.baseAddress, size) }
  }

  static func pairsBytes(_ pairs: [(name: String, value: String)]) -> (bytes: [UInt8], count: UInt32) {
    let capacity = Int(SLUICE_FRAME_PAIRS_BYTES_MAX)
    var out = [UInt8](repeating: 0, count: capacity)
    var used = 0
    var count: UInt32 = 0
    for pair in pairs {
      // What does not fit is left out: a response may carry more headers than a frame.
      _ = withBytes(Array(pair.name.utf8)) { name in
        withBytes(Array(pair.value.utf8)) { value in
          sluice_pairs_append(&out, capacity, &used, &count, name, value)
        }
      }
    }
    return (Array(out.prefix(used)), count)
  }

  static func configure(_ spec: WorkerSpec, operation: UInt32) -> [UInt8]? {
    var names = [UInt8](repeating: 0, count: 4096)
    var used = 0
    var count: UInt32 = 0
    for name in spec.extensions {
      let fits = withBytes(Array(name.utf8)) { sluice_names_append(&names, names.count, &used, &count, $0) }
      guard fits else { return nil }
    }
    return withBytes(Array(spec.role.rawValue.utf8)) { factory in
      withBytes(Array(spec.component.utf8)) { component in
        withBytes(spec.config) { config in
          withBytes(Array(names.prefix(used))) { extensions in
            var message = sluice_frame_configure_t()
            message.record_bytes_max = UInt32(spec.recordBytesMax)
            message.batch_records = UInt32(spec.batchRecords)
            message.batch_bytes = UInt32(spec.batchBytes)
            message.factory = factory
            message.component = component
            message.config = config
            message.extensions = sluice_names_t(raw: extensions, count: count)
            return encode { sluice_encode_configure(&message, operation, $0, $1) }
          }
        }
      }
    }
  }

  static func start(_ start: OperationStart, operation: UInt32) -> [UInt8]? {
    let headers = pairsBytes(start.headers)
    let texts = [start.name, start.key, start.method, start.query].map { Array($0.utf8) }
    return withAllBytes(texts + [start.state, start.body, headers.bytes]) { bytes in
      var message = sluice_frame_start_t()
      message.kind = sluice_operation_t(rawValue: start.kind.rawValue)
      message.state_version = UInt32(start.stateVersion)
      message.deadline_ms = UInt64(start.deadlineMs)
      message.time_ms = start.timeMs ?? SLUICE_FRAME_TIME_NONE
      (message.name, message.key, message.method, message.query) = (bytes[0], bytes[1], bytes[2], bytes[3])
      (message.state, message.body) = (bytes[4], bytes[5])
      message.headers = sluice_pairs_t(raw: bytes[6], count: headers.count)
      return encode { sluice_encode_start(&message, operation, $0, $1) }
    }
  }

  static func httpHead(
    status: Int, throttledMs: Int, headers: [(name: String, value: String)], operation: UInt32, call: UInt32
  ) -> [UInt8]? {
    let pairs = pairsBytes(headers)
    return withBytes(pairs.bytes) { raw in
      var message = sluice_frame_http_head_t()
      message.status = UInt32(status)
      message.throttled_ms = UInt32(clamping: throttledMs)
      message.headers = sluice_pairs_t(raw: raw, count: pairs.count)
      return encode { sluice_encode_http_head(&message, operation, call, $0, $1) }
    }
  }

  static func httpError(_ error: HTTPFailure, operation: UInt32, call: UInt32) -> [UInt8]? {
    withBytes(Array(error.code.utf8)) { code in
      withBytes(Array(error.message.utf8.prefix(Int(SLUICE_FRAME_TEXT_BYTES_MAX)))) { text in
        var message = sluice_frame_http_error_t()
        message.status = error.status.rawValue
        message.retry_after_ms = error.retryAfterMs ?? -1
        message.code = code
        message.message = text
        return encode { sluice_encode_http_error(&message, operation, call, $0, $1) }
      }
    }
  }
}

/// One record as the frame carries it, before it is made canonical.
package struct EmittedRecord: Sendable, Equatable {
  package let isDelete: Bool
  package let eventTimeMs: Int64?
  package let sourceOrdinal: UInt64
  package let key: [UInt8]
  package let sourceVersion: [UInt8]
  package let payload: [UInt8]
}

/// A batch of records of one stream, checked by the codec, still as bytes.
package struct EmittedBatch: Sendable {
  package let stream: String
  package let recordCount: Int
  /// What it used up of the worker's credit.
  package let creditBytes: Int
  let section: [UInt8]

  /// The records. For another thread than the loop's.
  package var records: [EmittedRecord] {
    var records: [EmittedRecord] = []
    records.reserveCapacity(recordCount)
    FrameCodec.withBytes(section) { bytes in
      var rest = bytes
      var record = sluice_frame_record_t()
      while sluice_record_next(&rest, &record).error == SLUICE_FRAME_OK {
        records.append(
          EmittedRecord(
            isDelete: record.op == SLUICE_RECORD_DELETE,
            eventTimeMs: record.event_time_ms == SLUICE_FRAME_TIME_NONE ? nil : record.event_time_ms,
            sourceOrdinal: record.source_ordinal, key: FrameCodec.array(record.key),
            sourceVersion: FrameCodec.array(record.source_version), payload: FrameCodec.array(record.payload)))
      }
    }
    return records
  }
}
