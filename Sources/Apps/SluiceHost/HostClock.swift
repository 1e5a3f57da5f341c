package import UVLoop

/// The time by which the host schedules, backs off and throttles; one for a whole host. How long a process or a connection
/// may take is real time and not asked of it.
package protocol HostClock: Sendable {
  /// Milliseconds since 1970.
  func wallMs() -> Int64
  /// Milliseconds that never go back.
  func monotonicMs() -> Int64
  /// A timer of the loop that goes by this clock; made and used on the loop's thread.
  func timer(_ loop: EventLoop) -> any HostTimer
}

package protocol HostTimer: AnyObject {
  /// Starts, or starts again; fires once.
  func start(afterMs: Int64, _ fire: @escaping () -> Void)
  func stop()
  func close()
}

/// The machine's.
package struct SystemClock: HostClock {
  package init() {}
  package func wallMs() -> Int64 { SystemSources.wallClockMs() }
  package func monotonicMs() -> Int64 { SystemSources.monotonicMs() }
  package func timer(_ loop: EventLoop) -> any HostTimer { LoopTimer(loop) }
}

extension LoopTimer: HostTimer {
  package func start(afterMs: Int64, _ fire: @escaping () -> Void) { start(after: .milliseconds(afterMs), fire) }
}
