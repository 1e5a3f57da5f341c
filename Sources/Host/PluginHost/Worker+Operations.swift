internal import CSluiceFrames
import Domain
import Glibc
import UVLoop

// While an operation runs.
extension Worker {
  func handle(_ frame: sluice_frame_t, of running: Running) {
    switch frame.type {
    case SLUICE_FRAME_EMIT:
      guard let message = decode(frame, sluice_frame_emit_t(), sluice_decode_emit) else { return }
      emitted(message, running)
    case SLUICE_FRAME_CHECKPOINT:
      guard let message = decode(frame, sluice_frame_checkpoint_t(), sluice_decode_checkpoint) else { return }
      running.handler.checkpointed(
        stream: FrameCodec.text(message.stream), state: FrameCodec.array(message.state),
        stateVersion: Int(message.state_version),
        watermarkMs: message.watermark_ms == SLUICE_FRAME_TIME_NONE ? nil : message.watermark_ms)
    case SLUICE_FRAME_WAIT_DURABLE:
      let call = frame.call
      running.handler.waitsUntilDurable { [self] in
        ifRunning(running.id) { send { sluice_encode_durable(running.id, call, $0, $1) } }
      }
    case SLUICE_FRAME_HTTP_OPEN:
      if let message = decode(frame, sluice_frame_http_open_t(), sluice_decode_http_open) {
        running.handler.opened(Self.request(message), reply: reply(running.id, frame.call))
      }
    case SLUICE_FRAME_HTTP_READ:
      if let message = decode(frame, sluice_frame_http_read_t(), sluice_decode_http_read) {
        running.handler.reads(
          handle: message.handle, window: Int(message.window), reply: reply(running.id, frame.call))
      }
    case SLUICE_FRAME_HTTP_CLOSE:
      if let handle = decode(frame, UInt32(0), sluice_decode_http_close) { running.handler.closed(handle: handle) }
    case SLUICE_FRAME_LOG:
      // Nothing of a line beyond its plugin's share is looked at: the loop's thread is everybody's.
      guard running.handler.mayLog() else { return leaveOut(frame) }
      guard let message = decode(frame, sluice_frame_log_t(), sluice_decode_log) else { return }
      running.handler.logged(
        level: Int(message.level), code: FrameCodec.text(message.code), message: FrameCodec.text(message.message),
        fields: FrameCodec.pairs(message.fields))
    case SLUICE_FRAME_RATE_HINT:
      guard let message = decode(frame, sluice_frame_rate_hint_t(), sluice_decode_rate_hint) else { return }
      func known(_ value: Int64) -> Int64? { value < 0 ? nil : value }
      running.handler.hintedRate(
        endpoint: FrameCodec.text(message.endpoint), limit: known(message.limit), remaining: known(message.remaining),
        resetAtMs: known(message.reset_at_ms))
    case SLUICE_FRAME_RESULT:
      if let message = decode(frame, sluice_frame_result_t(), sluice_decode_result) { finished(message, running) }
    default: answer(frame, running.id)
    }
  }

  /// A plugin that writes on and on is read more slowly than it writes, and waits in its own call.
  private func leaveOut(_ frame: sluice_frame_t) {
    leftOutBytes += frame.size
    guard leftOutBytes > Self.leftOutBytesMax else { return }
    leftOutBytes = 0
    child.channel.pauseReading()
    let pause = readPause ?? LoopTimer(loop)
    readPause = pause
    pause.start(after: .milliseconds(Self.readPauseMs)) { [self] in
      if !hasEnded, !isReadingPaused { child.channel.resumeReading() }
    }
  }

  /// Leaves what the worker sends where it is, so that it waits in its own call, until `resumeReading`.
  package func pauseReading() {
    isReadingPaused = true
    if !hasEnded { child.channel.pauseReading() }
  }

  package func resumeReading() {
    isReadingPaused = false
    if !hasEnded { child.channel.resumeReading() }
  }

  /// The calls that the host answers by itself.
  func answer(_ frame: sluice_frame_t, _ operation: UInt32) {
    switch frame.type {
    case SLUICE_FRAME_CLOCK:
      guard let clock = decode(frame, UInt32(0), sluice_decode_clock) else { return }
      let now = clock == 1 ? surroundings.wallClockMs() : surroundings.monotonicMs()
      send { sluice_encode_clock_reply(now, operation, frame.call, $0, $1) }
    case SLUICE_FRAME_RANDOM:
      guard let count = decode(frame, UInt32(0), sluice_decode_random) else { return }
      FrameCodec.withBytes(surroundings.random(Int(count))) { bytes in
        send { sluice_encode_random_reply(bytes, operation, frame.call, $0, $1) }
      }
    default:
      kill(
        for: .brokeProtocol(
          frame: String(cString: sluice_frame_type_name(frame.type)), fault: "out of place", offset: 0))
    }
  }

  private func emitted(_ message: sluice_frame_emit_t, _ running: Running) {
    let (records, bytes) = (Int(message.count), message.section.len)
    guard records <= granted.records, bytes <= granted.bytes else {
      kill(for: .exceededCredit(stream: FrameCodec.text(message.stream)))
      return
    }
    granted = (granted.records - records, granted.bytes - bytes)
    running.handler.emitted(
      EmittedBatch(
        stream: FrameCodec.text(message.stream), recordCount: records, creditBytes: bytes,
        section: FrameCodec.array(message.section)))
  }

  func finished(_ message: sluice_frame_result_t, _ running: Running) {
    deadline.stop()
    processorWatch?.stop()
    state = .idle
    let status: OperationResult.Status =
      switch message.status {
      case 0: .ok
      case -1: .config
      case -2: .auth
      case -3: .rateLimited
      case -4: .transient
      case -5: .permanent
      case -16: .cancelled
      case -21: .unsupported
      default: .bug
      }
    running.finished(
      .success(
        OperationResult(
          status: status, outcome: Int(message.outcome),
          retryAfterMs: message.retry_after_ms < 0 ? nil : message.retry_after_ms, records: message.records,
          code: FrameCodec.text(message.code), message: FrameCodec.text(message.message),
          json: FrameCodec.array(message.json))))
  }

  private func ifRunning(_ id: UInt32, _ body: () -> Void) {
    if case .running(let running) = state, running.id == id, isKilledFor == nil { body() }
  }

  private func reply(_ operation: UInt32, _ call: UInt32) -> HTTPReply {
    HTTPReply(
      head: { [self] status, throttledMs, headers in
        ifRunning(operation) {
          let frame = FrameCodec.httpHead(
            status: status, throttledMs: throttledMs, headers: headers, operation: operation, call: call)
          child.channel.write(frame ?? [])
        }
      },
      body: { [self] part, isEnd in
        ifRunning(operation) {
          FrameCodec.withBytes(part) { bytes in
            send { sluice_encode_http_body(bytes, isEnd, operation, call, $0, $1) }
          }
        }
      },
      failure: { [self] failure in
        ifRunning(operation) {
          child.channel.write(FrameCodec.httpError(failure, operation: operation, call: call) ?? [])
        }
      })
  }

  private static func request(_ message: sluice_frame_http_open_t) -> HTTPOpen {
    func optional(_ bytes: sluice_bytes_t) -> String? { bytes.len == 0 ? nil : FrameCodec.text(bytes) }
    return HTTPOpen(
      handle: message.handle, endpoint: FrameCodec.text(message.endpoint), method: FrameCodec.text(message.method),
      path: FrameCodec.text(message.path), query: FrameCodec.text(message.query), slot: optional(message.slot),
      idempotencyKey: optional(message.idempotency_key), headers: FrameCodec.pairs(message.headers),
      body: FrameCodec.array(message.body))
  }
}
