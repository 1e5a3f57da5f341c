internal import CUv

/// A timer on the loop. Fires once, or every `repeats`.
package final class LoopTimer: HandleOwner {
  private let timer: UnsafeMutablePointer<uv_timer_t>
  private var fire: () -> Void = {}

  package init(_ loop: EventLoop) {
    timer = .allocate(capacity: 1)
    uv_timer_init(loop.raw, timer)
    super.init(loop, timer)
    adopt()
  }

  /// Starts, or starts again. Times are rounded up to whole milliseconds.
  package func start(after delay: Duration, repeats: Duration? = nil, _ fire: @escaping () -> Void) {
    guard !isClosed else { return }
    self.fire = fire
    uv_timer_start(
      timer, { handle in HandleOwner.owner(handle!.pointee.data, as: LoopTimer.self)?.fire() },
      delay.wholeMilliseconds, repeats?.wholeMilliseconds ?? 0)
  }

  package func stop() { if !isClosed { uv_timer_stop(timer) } }

  override func forget() { fire = {} }
}

extension Duration {
  /// Rounded up, never negative.
  package var wholeMilliseconds: UInt64 {
    let (seconds, attoseconds) = components
    if seconds < 0 || attoseconds < 0 { return 0 }
    return UInt64(seconds) * 1000 + UInt64((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
  }
}

/// Watches a descriptor that somebody else owns.
package final class DescriptorWatch: HandleOwner {
  package struct Events: OptionSet, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
    package static let readable = Events(rawValue: 1)
    package static let writable = Events(rawValue: 2)
  }
  private let poll: UnsafeMutablePointer<uv_poll_t>
  private var ready: (_ events: Events, _ failed: Bool) -> Void = { _, _ in }

  package init?(_ loop: EventLoop, descriptor: Int32) {
    poll = .allocate(capacity: 1)
    guard uv_poll_init(loop.raw, poll, descriptor) == 0 else {
      poll.deallocate()
      return nil
    }
    super.init(loop, poll)
    adopt()
  }

  package func start(_ events: Events, _ ready: @escaping (_ events: Events, _ failed: Bool) -> Void) {
    guard !isClosed else { return }
    self.ready = ready
    uv_poll_start(poll, events.rawValue) { handle, status, events in
      HandleOwner.owner(handle!.pointee.data, as: DescriptorWatch.self)?.ready(Events(rawValue: events), status < 0)
    }
  }

  package func stop() { if !isClosed { uv_poll_stop(poll) } }

  override func forget() { ready = { _, _ in } }
}
