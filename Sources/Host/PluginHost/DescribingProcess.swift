import Domain
import Glibc
package import UVLoop

/// A worker that only says what its library is.
package enum DescribingProcess {
  private static let bytesMax = 64 << 10
  /// Confined to the loop's thread.
  private final class Running {
    var child: ChildProcess?
    var output: [UInt8] = []
    var words: [UInt8] = []
    var ending: ChildProcess.Ending?
    var hasClosed = false
    var isLate = false
  }

  /// - Parameter finished: Called once, on the loop's thread: the lines, or why there are none.
  package static func start(
    _ spec: WorkerSpec, loop: EventLoop, timeoutMs: Int = 10_000,
    finished: @escaping (Result<String, WorkerFailure>) -> Void
  ) {
    let running = Running()
    let deadline = LoopTimer(loop)
    // Its last bytes may come after the news of its end.
    func settle() {
      guard let ending = running.ending, running.hasClosed, let child = running.child else { return }
      deadline.close()
      child.channel.close()
      child.errorOutput.close()
      running.child = nil
      let words = String(decoding: running.words, as: UTF8.self)
      switch ending {
      case .exited(code: 0): finished(.success(String(decoding: running.output, as: UTF8.self)))
      case .exited(code: 71):  // worker.h, EXIT_LOAD_FAILED
        let text = words.isEmpty ? "it broke while it was loaded" : words
        finished(.failure(.loadFailed(step: "describe", errorNumber: 0, text: text)))
      case .signalled where running.isLate: finished(.failure(.hung(afterMs: timeoutMs, limitMs: timeoutMs)))
      case .exited(let code): finished(.failure(.died(signal: nil, exitCode: code, lastWords: words)))
      case .signalled(let number): finished(.failure(.died(signal: number, exitCode: nil, lastWords: words)))
      }
    }
    do {
      running.child = try ChildProcess(
        loop, program: spec.program, arguments: ["--describe"] + spec.arguments(parent: getpid())
      ) { ending in
        running.ending = ending
        settle()
      }
    } catch {
      deadline.close()
      finished(.failure(.notStarted(.init(program: error.program, reason: error.reason))))
      return
    }
    running.child!.channel.read(
      received: { if running.output.count + $0.count <= bytesMax { running.output += $0 } },
      ended: {
        running.hasClosed = true
        settle()
      })
    running.child!.errorOutput.read(received: { running.words = (running.words + $0).suffix(512) }, ended: {})
    deadline.start(after: .milliseconds(timeoutMs)) {
      running.isLate = true
      running.child?.kill()
    }
  }
}
