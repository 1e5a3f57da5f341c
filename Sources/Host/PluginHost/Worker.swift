internal import CSluiceFrames
import Domain
import Glibc
package import UVLoop

/// One sandboxed worker process: loaded, configured, then running one operation at a time.
///
/// Confined to the loop's thread. Whatever goes wrong ends it, once, with a `WorkerFailure`; a failure during an
/// operation is that operation's result.
package final class Worker {
  enum State {
    case loading
    case configuring
    case idle
    case running(Running)
    case ended
  }
  struct Running {
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

  let loop: EventLoop
  let spec: WorkerSpec
  let surroundings: Surroundings
  var state = State.loading
  var child: ChildProcess!
  var onReady: ((Result<WorkerReady, WorkerFailure>) -> Void)?
  var ready: WorkerReady?
  let deadline: LoopTimer
  var input: [UInt8] = []
  var inputStart = 0
  private var errors: ErrorPipe
  private let reported: (WorkerReport) -> Void
  var processorWatch: LoopTimer?
  var readPause: LoopTimer?
  var leftOutBytes = 0
  var isReadingPaused = false
  /// So much of what is left out is read before a pause: some 50 MB a second at most.
  static let (leftOutBytesMax, readPauseMs) = (512 * 1024, 10)
  var operationCount: UInt32 = 0
  var isKilledFor: WorkerFailure?
  var granted = (records: 0, bytes: 0)
  private var limitMs = 0
  /// The last PING that was sent, and whether its PONG is still to come.
  private var ping = (token: UInt64(0), isUnanswered: false)
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
  func nextOperation() -> UInt32 {
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

  /// Asks an idle worker whether it is still there, and ends one that has not answered when it is asked again. One that
  /// runs an operation has a deadline instead, as it does not listen while its plugin computes.
  /// - Returns: Why it was ended; nil when it was not.
  package func pingIdle() -> WorkerFailure? {
    guard isIdle, isKilledFor == nil else { return nil }
    if ping.isUnanswered {
      kill(for: .unresponsive)
      return .unresponsive
    }
    ping = (ping.token + 1, true)
    send { sluice_encode_ping(ping.token, $0, $1) }
    return nil
  }

  func ponged(_ token: UInt64) { if token == ping.token { ping.isUnanswered = false } }

  /// Ends the process now.
  package func stop() { kill(for: .stopped) }

  func send(_ encoder: (UnsafeMutablePointer<UInt8>?, Int) -> Int) {
    if let frame = FrameCodec.encode(encoder) { child.channel.write(frame) }
  }

  func kill(for reason: WorkerFailure) {
    guard !hasEnded else { return }
    isKilledFor = isKilledFor ?? reason
    child.kill()
  }

  func ended(_ ending: ChildProcess.Ending) {
    if !isReadingPaused { child.channel.readOut() }
    child.errorOutput.readOut()
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
