internal import CSluiceFrames
import Domain
import Glibc
package import UVLoop

/// One sandboxed worker process: loaded, configured, then running one operation at a time.
///
/// Confined to the loop's thread. Whatever goes wrong ends it, once, with a `WorkerFailure`; a failure during an
/// operation is that operation's result.
package final class Worker {
  private enum State {
    case loading
    case configuring
    case idle
    case running(Running)
    case ended
  }
  private struct Running {
    let id: UInt32
    let handler: any OperationHandler
    let finished: (Result<OperationResult, WorkerFailure>) -> Void
  }

  package struct Surroundings {
    package let wallClockMs: () -> Int64
    package let monotonicMs: () -> Int64
    package let random: (Int) -> [UInt8]
    package init(
      wallClockMs: @escaping () -> Int64, monotonicMs: @escaping () -> Int64, random: @escaping (Int) -> [UInt8]
    ) {
      self.wallClockMs = wallClockMs
      self.monotonicMs = monotonicMs
      self.random = random
    }
  }

  private let loop: EventLoop
  private let spec: WorkerSpec
  private let surroundings: Surroundings
  private var state = State.loading
  private var child: ChildProcess!
  private var onReady: ((Result<WorkerReady, WorkerFailure>) -> Void)?
  private var ready: WorkerReady?
  private let deadline: LoopTimer
  private var input: [UInt8] = []
  private var inputStart = 0
  private var errors: ErrorPipe
  private let reported: (WorkerReport) -> Void
  private var processorWatch: LoopTimer?
  private var readPause: LoopTimer?
  private var leftOutBytes = 0
  /// So much of what is left out is read before a pause: some 50 MB a second at most.
  private static let (leftOutBytesMax, readPauseMs) = (512 * 1024, 10)
  private var operationCount: UInt32 = 0
  private var isKilledFor: WorkerFailure?
  private var granted = (records: 0, bytes: 0)
  private var limitMs = 0
  /// Called once, when the process has ended or was never there.
  package var onEnd: () -> Void = {}
  package var processID: Int32 { child.processID }
  package var isIdle: Bool { if case .idle = state { true } else { false } }
  package var hasEnded: Bool { if case .ended = state { true } else { false } }

  /// Starts the process.
  /// - Parameters:
  ///   - reported: Called for each thing that the worker says of its plugin.
  ///   - onReady: Called once: ready for `run`, or why not.
  package init(
    loop: EventLoop, spec: WorkerSpec, surroundings: Surroundings, loadTimeoutMs: Int = 10_000,
    reported: @escaping (WorkerReport) -> Void = { _ in },
    onReady: @escaping (Result<WorkerReady, WorkerFailure>) -> Void
  ) {
    self.loop = loop
    self.spec = spec
    self.surroundings = surroundings
    self.onReady = onReady
    self.reported = reported
    errors = ErrorPipe(spec)
    deadline = LoopTimer(loop)
    do {
      child = try ChildProcess(loop, program: spec.program, arguments: spec.arguments(parent: getpid())) {
        [self] ending in ended(ending)
      }
    } catch {
      end(.notStarted(.init(program: error.program, reason: error.reason)))
      return
    }
    child.channel.read(received: { [self] in received($0) }, ended: { [self] in child.channel.close() })
    child.errorOutput.read(
      received: { [self] in errors.take($0).forEach(reported) }, ended: { [self] in child.errorOutput.close() })
    deadline.start(after: .milliseconds(loadTimeoutMs)) { [self] in
      kill(for: .hung(afterMs: 0, limitMs: loadTimeoutMs))
    }
  }

  /// Starts an operation. Only when `isIdle`.
  package func run(
    _ start: OperationStart, handler: any OperationHandler,
    finished: @escaping (Result<OperationResult, WorkerFailure>) -> Void
  ) {
    precondition(isIdle, "a worker runs one operation at a time")
    granted = (0, 0)
    guard let frame = FrameCodec.start(start, operation: nextOperation()) else {
      finished(.failure(.brokeProtocol(frame: "start", fault: "larger than the limits of the wire", offset: 0)))
      return
    }
    state = .running(Running(id: operationCount, handler: handler, finished: finished))
    child.channel.write(frame)
    limitMs = start.deadlineMs
    deadline.start(after: .milliseconds(start.deadlineMs)) { [self] in cancel() }
    if spec.cpuSeconds > 0, let used = child.processorMs {
      watchProcessor(until: used + Int64(spec.cpuSeconds) * 1_000)
    }
  }

  /// The kernel's limit counts a process's whole life; an operation's is looked at here. One thread uses no more of the
  /// processor than time goes by, so it is not looked at before it can be reached.
  private func watchProcessor(until endMs: Int64) {
    guard case .running = state, let usedMs = child.processorMs else { return }
    guard usedMs < endMs else { return kill(for: .overLimit(.processor(seconds: spec.cpuSeconds))) }
    let watch = processorWatch ?? LoopTimer(loop)
    processorWatch = watch
    watch.start(after: .milliseconds(max((endMs - usedMs) / Int64(spec.threads + 1), 10))) { [self] in
      watchProcessor(until: endMs)
    }
  }

  /// Operations are numbered from 1, the configuration first; 0 names none.
  private func nextOperation() -> UInt32 {
    operationCount += 1
    return operationCount
  }

  /// Adds to the running operation's credit.
  package func grant(records: Int, bytes: Int) {
    guard case .running(let running) = state, records > 0 || bytes > 0 else { return }
    granted = (granted.records + records, granted.bytes + bytes)
    var credit = sluice_frame_credit_t(records: UInt32(records), bytes: UInt32(bytes))
    send { sluice_encode_credit(&credit, running.id, $0, $1) }
  }

  /// Asks the running operation to stop; after the grace period the worker is killed.
  package func cancel() {
    guard case .running(let running) = state else { return }
    send { [spec] in sluice_encode_cancel(UInt32(spec.graceMs), running.id, $0, $1) }
    deadline.start(after: .milliseconds(spec.graceMs)) { [self] in
      kill(for: .hung(afterMs: spec.graceMs, limitMs: limitMs))
    }
  }

  /// Ends the process now.
  package func stop() { kill(for: .stopped) }

  private func send(_ encoder: (UnsafeMutablePointer<UInt8>?, Int) -> Int) {
    if let frame = FrameCodec.encode(encoder) { child.channel.write(frame) }
  }

  private func kill(for reason: WorkerFailure) {
    guard !hasEnded else { return }
    isKilledFor = isKilledFor ?? reason
    child.kill()
  }

  private func ended(_ ending: ChildProcess.Ending) {
    child.channel.close()
    child.errorOutput.close()
    errors.close()
    let words = errors.lastWords
    // A call that only the control group refused: no filter told of it.
    if !errors.saidOutOfThreads, spec.group?.hasRunOutOfThreads == true {
      reported(.reached(.threads(count: spec.threads)))
    }
    switch ending {
    case .exited(let code): end(isKilledFor ?? .died(signal: nil, exitCode: code, lastWords: words))
    case .signalled(let number):
      let died =
        if spec.group?.hasRunOutOfMemory == true {
          WorkerFailure.overLimit(.memory(bytes: spec.memoryBytes))
        } else if errors.saidMaybeOutOfMemory {
          WorkerFailure.maybeOutOfMemory(signal: number, bytes: spec.memoryBytes, lastWords: words)
        } else {
          WorkerFailure.died(signal: number, exitCode: nil, lastWords: words)
        }
      end(isKilledFor ?? died)
    }
  }

  /// The one way out: tells whoever waits.
  private func end(_ failure: WorkerFailure) {
    guard !hasEnded else { return }
    let before = state
    state = .ended
    deadline.close()
    processorWatch?.close()
    readPause?.close()
    spec.group?.remove()
    onEnd()
    switch before {
    case .loading, .configuring:
      onReady?(.failure(failure))
      onReady = nil
    case .running(let running): running.finished(.failure(failure))
    case .idle, .ended: break
    }
  }
}

// Receiving.
extension Worker {
  private func received(_ bytes: [UInt8]) {
    if inputStart == input.count { (input, inputStart) = (bytes, 0) } else { input += bytes }
    while isKilledFor == nil, !hasEnded {
      let taken = input.withUnsafeBufferPointer { buffer -> Int? in
        let rest = sluice_bytes_t(ptr: buffer.baseAddress! + inputStart, len: buffer.count - inputStart)
        var frame = sluice_frame_t()
        let check = sluice_frame_next(rest, SLUICE_FRAME_SENDER_WORKER, &frame)
        if check.error == SLUICE_FRAME_INCOMPLETE { return nil }
        guard check.error == SLUICE_FRAME_OK else {
          refuse(check, "malformed")
          return nil
        }
        handle(frame)
        return frame.size
      }
      guard let taken else { break }
      inputStart += taken
      if inputStart == input.count { break }
    }
    if inputStart > 256 * 1024 {
      input.removeFirst(inputStart)
      inputStart = 0
    }
  }

  private func refuse(_ check: sluice_frame_check_t, _ frame: String) {
    kill(
      for: .brokeProtocol(
        frame: frame, fault: String(cString: sluice_frame_error_name(check.error)), offset: check.offset))
  }

  /// Decodes a payload; ends the worker when it is not what its type says.
  private func decode<Message>(
    _ frame: sluice_frame_t, _ message: Message,
    _ decoder: (sluice_bytes_t, UnsafeMutablePointer<Message>) -> sluice_frame_check_t
  ) -> Message? {
    var message = message
    let check = decoder(frame.payload, &message)
    guard check.error == SLUICE_FRAME_OK else {
      refuse(check, String(cString: sluice_frame_type_name(frame.type)))
      return nil
    }
    return message
  }

  private func handle(_ frame: sluice_frame_t) {
    switch (state, frame.type) {
    case (.loading, SLUICE_FRAME_READY):
      if let message = decode(frame, sluice_frame_ready_t(), sluice_decode_ready) { loaded(message) }
    case (.loading, SLUICE_FRAME_LOAD_FAILED):
      guard let message = decode(frame, sluice_frame_load_failed_t(), sluice_decode_load_failed) else { return }
      kill(
        for: .loadFailed(
          step: String(cString: sluice_load_step_name(message.step)), errorNumber: Int(message.error_number),
          text: FrameCodec.text(message.text)))
    case (.configuring, SLUICE_FRAME_RESULT):
      if let message = decode(frame, sluice_frame_result_t(), sluice_decode_result) { configured(message) }
    case (.running(let running), _) where frame.operation == running.id: handle(frame, of: running)
    case (.configuring, SLUICE_FRAME_LOG): break  // said while nobody listens
    case (.configuring, SLUICE_FRAME_CLOCK), (.configuring, SLUICE_FRAME_RANDOM): answer(frame, operationCount)
    case (.running, _) where frame.operation < operationCount && Self.mayBeLate(frame.type),
      (.idle, _) where frame.operation <= operationCount && Self.mayBeLate(frame.type):
      break
    default:
      let name = String(cString: sluice_frame_type_name(frame.type))
      kill(for: .brokeProtocol(frame: name, fault: "out of place", offset: 0))
    }
  }

  /// What a thread of the plugin may still say when its operation has just ended; anything else would be lost records.
  private static func mayBeLate(_ type: sluice_frame_type_t) -> Bool {
    switch type {
    case SLUICE_FRAME_LOG, SLUICE_FRAME_RATE_HINT, SLUICE_FRAME_HTTP_CLOSE, SLUICE_FRAME_PONG: true
    default: false
    }
  }

  private func loaded(_ message: sluice_frame_ready_t) {
    func names(_ bits: UInt32) -> [String] {
      (0..<UInt32(SLUICE_PROTECTION_COUNT)).filter { bits & (1 << $0) != 0 }
        .map { String(cString: sluice_protection_name($0)) }
    }
    ready = WorkerReady(
      abiMajor: Int(message.abi_major), abiMinor: Int(message.abi_minor),
      protections: names(message.protections_active), missing: names(message.protections_missing))
    guard let frame = FrameCodec.configure(spec, operation: nextOperation()) else {
      kill(for: .configureRefused(message: "it is larger than the limits of the wire"))
      return
    }
    state = .configuring
    child.channel.write(frame)
  }

  private func configured(_ message: sluice_frame_result_t) {
    guard message.status == 0 else {
      kill(for: .configureRefused(message: FrameCodec.text(message.message)))
      return
    }
    deadline.stop()
    state = .idle
    onReady?(.success(ready!))
    onReady = nil
  }
}

// While an operation runs.
extension Worker {
  private func handle(_ frame: sluice_frame_t, of running: Running) {
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
    pause.start(after: .milliseconds(Self.readPauseMs)) { [self] in if !hasEnded { child.channel.resumeReading() } }
  }

  /// The calls that the host answers by itself.
  private func answer(_ frame: sluice_frame_t, _ operation: UInt32) {
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
    case SLUICE_FRAME_PONG: break
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

  private func finished(_ message: sluice_frame_result_t, _ running: Running) {
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
