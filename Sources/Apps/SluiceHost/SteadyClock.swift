import Synchronization

/// Wall time that does not jump forward: after a step it goes on as the monotonic clock does, until the host starts anew.
///
/// What an upstream needs to settle is real time; a clock that was put forward must not shorten it. Put back, it is
/// followed: then a wait becomes longer, which harms nobody.
final class SteadyClock: Sendable {
  private let wallMs: @Sendable () -> Int64
  private let monotonicMs: @Sendable () -> Int64
  private let last: Mutex<(steadyMs: Int64, monotonicMs: Int64)>

  init(
    wallMs: @escaping @Sendable () -> Int64 = SystemSources.wallClockMs,
    monotonicMs: @escaping @Sendable () -> Int64 = SystemSources.monotonicMs
  ) {
    self.wallMs = wallMs
    self.monotonicMs = monotonicMs
    last = Mutex((wallMs(), monotonicMs()))
  }

  /// Milliseconds since 1970; never more than the wall clock says.
  func nowMs() -> Int64 {
    last.withLock { last in
      let now = monotonicMs()
      last = (min(wallMs(), last.steadyMs + now - last.monotonicMs), now)
      return last.steadyMs
    }
  }
}
