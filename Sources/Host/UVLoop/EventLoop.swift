// UVLoop: the one libuv loop and its handles: timers, descriptors, child processes, pipes. Callbacks run on the loop's
// thread and must not block. No other room calls libuv; nothing is decided here.

internal import CUv
import Foundation
import Synchronization

/// A libuv loop on a thread of its own.
///
/// Handles are made and used on the loop's thread only (`precondition`ed); `post` is the one way in from elsewhere.
/// - Note: `@unchecked Sendable`: the libuv state is confined to the loop's thread, the inbox is behind a mutex.
package final class EventLoop: @unchecked Sendable {
  let raw: UnsafeMutablePointer<uv_loop_t>
  private let wake: UnsafeMutablePointer<uv_async_t>
  private struct Inbox {
    var work: [@Sendable () -> Void] = []
    var isWoken = false
    var isClosed = false
  }
  private let inbox = Mutex(Inbox())
  private let threadID = Mutex<pthread_t?>(nil)
  private let ended = DispatchSemaphore(value: 0)

  package init() {
    // libuv writes without MSG_NOSIGNAL: a peer that is gone must be an error of the write, not our end.
    signal(SIGPIPE, SIG_IGN)
    raw = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    precondition(uv_loop_init(raw) == 0, "libuv could not make a loop")
    let made = uv_async_init(raw, wake) { EventLoop.of($0!.pointee.data).drain() }
    precondition(made == 0, "libuv could not make its wake-up handle")
    wake.pointee.data = Unmanaged.passUnretained(self).toOpaque()
  }

  /// Starts the thread. Called once.
  package func start() {
    let thread = Thread { [self] in
      threadID.withLock { $0 = pthread_self() }
      uv_run(raw, UV_RUN_DEFAULT)
      uv_loop_close(raw)
      ended.signal()
    }
    thread.name = "sluice-loop"
    thread.stackSize = 1 << 20
    thread.start()
  }

  /// Runs `work` on the loop's thread, soon and in order. Work given after `stop` is dropped.
  package func post(_ work: @escaping @Sendable () -> Void) {
    let mustWake = inbox.withLock { inbox in
      guard !inbox.isClosed else { return false }
      inbox.work.append(work)
      defer { inbox.isWoken = true }
      return !inbox.isWoken
    }
    if mustWake { uv_async_send(wake) }
  }

  /// Runs `work` on the loop's thread and waits for what it returns.
  package func run<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { done in
      post { done.resume(with: Swift.Result { try work() }) }
    }
  }

  /// Closes every handle and waits until the thread has ended. Called from another thread, once.
  package func stop() {
    post { [self] in
      inbox.withLock { $0.isClosed = true }
      uv_walk(raw, { handle, _ in if uv_is_closing(handle) == 0 { EventLoop.close(handle!) } }, nil)
    }
    ended.wait()
  }

  package var isOnLoop: Bool { threadID.withLock { $0 } == pthread_self() }

  private func drain() {
    while true {
      let work = inbox.withLock { inbox in
        defer {
          inbox.work = []
          inbox.isWoken = false
        }
        return inbox.work
      }
      if work.isEmpty { return }
      for item in work { item() }
    }
  }

  private static func of(_ data: UnsafeMutableRawPointer?) -> EventLoop {
    Unmanaged<EventLoop>.fromOpaque(data!).takeUnretainedValue()
  }

  /// Every handle but the wake-up one keeps its owner alive through `data` until libuv has let go of it.
  static func close(_ handle: UnsafeMutablePointer<uv_handle_t>) {
    uv_close(handle) { handle in
      guard let handle, handle.pointee.type != UV_ASYNC, let data = handle.pointee.data else { return }
      handle.pointee.data = nil
      Unmanaged<HandleOwner>.fromOpaque(data).release()
    }
  }
}

/// The base of what owns a libuv handle: alive until libuv's close callback, whatever its user does.
package class HandleOwner {
  package private(set) var isClosed = false
  private let handle: UnsafeMutablePointer<uv_handle_t>
  let loop: EventLoop

  init<Handle>(_ loop: EventLoop, _ handle: UnsafeMutablePointer<Handle>) {
    precondition(loop.isOnLoop, "a handle is made on its loop's thread")
    self.loop = loop
    self.handle = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
  }

  /// Call after libuv has initialised the handle.
  func adopt() { handle.pointee.data = Unmanaged.passRetained(self).toOpaque() }

  package func close() {
    precondition(loop.isOnLoop, "a handle is closed on its loop's thread")
    guard !isClosed else { return }
    isClosed = true
    forget()
    if uv_is_closing(handle) == 0 { EventLoop.close(handle) }
  }

  /// Lets go of whom it called: they hold the handle, and it would hold them for ever.
  func forget() {}

  deinit { UnsafeMutableRawPointer(handle).deallocate() }

  static func owner<Owner: HandleOwner>(_ data: UnsafeMutableRawPointer?, as type: Owner.Type) -> Owner? {
    guard let data else { return nil }
    return Unmanaged<HandleOwner>.fromOpaque(data).takeUnretainedValue() as? Owner
  }
}
