import SluiceHost
import Synchronization
import UVLoop

/// Time that stands still until a test lets it go on, to the next timer of the host.
final class VirtualClock: HostClock {
  private final class Timer: HostTimer {
    let clock: VirtualClock
    let loop: EventLoop
    let number: Int
    private var fire: (() -> Void)?
    private var isClosed = false

    init(_ clock: VirtualClock, _ loop: EventLoop, _ number: Int) {
      self.clock = clock
      self.loop = loop
      self.number = number
    }

    func start(afterMs: Int64, _ fire: @escaping () -> Void) {
      guard !isClosed else { return }
      self.fire = fire
      clock.state.withLock { $0.due[number] = (at: $0.nowMs + max(0, afterMs), timer: Box(self)) }
    }
    func stop() {
      fire = nil
      clock.state.withLock { $0.due[number] = nil }
    }
    func close() {
      stop()
      isClosed = true
    }
    func fireNow() {
      let fire = fire
      self.fire = nil
      fire?()
    }
  }
  /// Touched on the loop's thread only, but for being held; hence unchecked.
  private struct Box: @unchecked Sendable {
    let timer: Timer
    init(_ timer: Timer) { self.timer = timer }
  }
  private struct State {
    var nowMs: Int64 = 1_000_000
    var timers = 0
    var due: [Int: (at: Int64, timer: Box)] = [:]
  }
  private let state = Mutex(State())
  private static let epochMs: Int64 = 1_767_225_600_000

  func monotonicMs() -> Int64 { state.withLock { $0.nowMs } }
  func wallMs() -> Int64 { Self.epochMs + monotonicMs() }

  func timer(_ loop: EventLoop) -> any HostTimer {
    let number = state.withLock { state in
      state.timers += 1
      return state.timers
    }
    return Timer(self, loop, number)
  }

  /// Goes to the next timer and lets it fire.
  /// - Returns: False when there is none.
  @discardableResult
  func goOn() -> Bool {
    let next: Box? = state.withLock { state in
      guard let (number, first) = state.due.min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) }) else {
        return nil
      }
      state.due[number] = nil
      state.nowMs = max(state.nowMs, first.at)
      return first.timer
    }
    guard let next else { return false }
    next.timer.loop.post { next.timer.fireNow() }
    return true
  }
}
