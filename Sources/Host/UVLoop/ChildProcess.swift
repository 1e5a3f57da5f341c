internal import CUv
import Domain
import Glibc

/// A child process with an empty environment, no standard input and output, a pipe as standard error, and one end of a
/// socket pair as descriptor 3.
package final class ChildProcess: HandleOwner {
  package enum Ending: Sendable, Equatable {
    case exited(code: Int)
    case signalled(number: Int)
  }

  private let process: UnsafeMutablePointer<uv_process_t>
  private var finished: (Ending) -> Void
  package let channel: ByteStream
  package let errorOutput: ByteStream
  package private(set) var processID: Int32 = 0
  package private(set) var hasEnded = false

  /// Starts the program.
  /// - Parameter finished: Called on the loop, once, when the process has ended.
  package init(
    _ loop: EventLoop, program: String, arguments: [String], finished: @escaping (Ending) -> Void
  ) throws(SpawnError) {
    process = .allocate(capacity: 1)
    process.initialize(to: uv_process_t())
    self.finished = finished
    channel = ByteStream(loop)
    errorOutput = ByteStream(loop)
    super.init(loop, process)
    let status = spawn(program, arguments)
    adopt()
    guard status == 0 else {
      let reason = String(cString: uv_strerror(status))
      channel.close()
      errorOutput.close()
      close()
      throw SpawnError(program: program, reason: reason)
    }
    processID = process.pointee.pid
  }

  override func forget() { finished = { _ in } }

  private func spawn(_ program: String, _ arguments: [String]) -> Int32 {
    var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var environment: [UnsafeMutablePointer<CChar>?] = [nil]
    var stdio = [uv_stdio_container_t](repeating: uv_stdio_container_t(), count: 4)
    stdio[0].flags = UV_IGNORE
    stdio[1].flags = UV_IGNORE
    stdio[2].flags = uv_stdio_flags(rawValue: UV_CREATE_PIPE.rawValue | UV_WRITABLE_PIPE.rawValue)
    stdio[2].data.stream = errorOutput.stream
    stdio[3].flags = uv_stdio_flags(
      rawValue: UV_CREATE_PIPE.rawValue | UV_READABLE_PIPE.rawValue | UV_WRITABLE_PIPE.rawValue)
    stdio[3].data.stream = channel.stream
    return argv.withUnsafeMutableBufferPointer { argv in
      environment.withUnsafeMutableBufferPointer { environment in
        stdio.withUnsafeMutableBufferPointer { stdio in
          var options = uv_process_options_t()
          options.file = UnsafePointer(argv[0])
          options.args = argv.baseAddress
          options.env = environment.baseAddress
          options.stdio = stdio.baseAddress
          options.stdio_count = Int32(stdio.count)
          options.exit_cb = { handle, code, signal in
            guard let self = HandleOwner.owner(handle!.pointee.data, as: ChildProcess.self) else { return }
            self.hasEnded = true
            self.finished(signal != 0 ? .signalled(number: Int(signal)) : .exited(code: Int(code)))
            self.close()
          }
          return uv_spawn(loop.raw, process, &options)
        }
      }
    }
  }

  /// How much processor time its threads have used so far, in milliseconds; nil once it is gone.
  package var processorMs: Int64? {
    var clock = clockid_t()
    var time = timespec()
    guard !hasEnded, clock_getcpuclockid(processID, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// SIGKILL: nothing in the child runs any more.
  package func kill() {
    guard !hasEnded, !isClosed, processID > 0 else { return }
    uv_process_kill(process, SIGKILL)
  }
}

package struct SpawnError: OperatorError, Equatable {
  package let program: String
  package let reason: String
  package init(program: String, reason: String) {
    self.program = program
    self.reason = reason
  }
  package var code: String { "host.spawn_failed" }
  package var message: String { "\(program) could not be started: \(reason)." }
  package var remedy: String {
    "Check that the file exists beside `sluice` and may be executed, and the process limit."
  }
}
