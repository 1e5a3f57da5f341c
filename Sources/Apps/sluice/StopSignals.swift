import Foundation
import Synchronization

/// SIGTERM, SIGINT and the loss of the terminal, as an event to wait for.
///
/// - Note: `@unchecked Sendable`: the sources are only kept alive, never touched again.
final class StopSignals: @unchecked Sendable {
  private let sources: [any DispatchSourceSignal]
  private let latch = Latch()

  init() {
    let latch = self.latch
    // Of its own: a pool of threads that all wait must not keep the host from hearing that it is to stop.
    let queue = DispatchQueue(label: "sluice.signals")
    sources = [SIGTERM, SIGINT, SIGHUP].map { number in
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      // Dispatch installs its handler when it registers the source. Until then a signal does what it always does.
      let registered = DispatchSemaphore(value: 0)
      source.setRegistrationHandler { registered.signal() }
      source.setEventHandler { latch.open() }
      source.resume()
      registered.wait()
      return source
    }
  }

  /// Whether one has come.
  var hasArrived: Bool { latch.isOpen }

  /// Returns when one has come, or the task is cancelled.
  func wait() async { await latch.wait() }

  /// Returns when the work is done, or when one has come, whichever is first: nobody waits for the work then.
  func unlessItComes(_ work: @escaping @Sendable () async throws -> Void) async throws {
    let (ended, end) = AsyncThrowingStream.makeStream(of: Void.self)
    Task {
      do {
        try await work()
        end.finish()
      } catch { end.finish(throwing: error) }
    }
    let waiting = Task {
      await self.wait()
      end.finish()
    }
    defer { waiting.cancel() }
    for try await _ in ended {}
  }
}

/// Something that happens once; any number of tasks wait for it, and each may give up.
private final class Latch: Sendable {
  private struct State {
    var isOpen = false
    var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    var next = 0
    /// Gave up before they began to wait.
    var gone: Set<Int> = []
  }
  private let state = Mutex(State())

  var isOpen: Bool { state.withLock { $0.isOpen } }

  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      defer { state.waiting = [:] }
      return state.waiting
    }
    for waiter in waiting.values { waiter.resume() }
  }

  func wait() async {
    let number = state.withLock { state in
      state.next += 1
      return state.next
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        let mayGo = state.withLock { state in
          if state.isOpen || state.gone.remove(number) != nil { return true }
          state.waiting[number] = waiter
          return false
        }
        if mayGo { waiter.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        let waiter = state.waiting.removeValue(forKey: number)
        if waiter == nil { state.gone.insert(number) }
        return waiter
      }
      waiter?.resume()
    }
  }
}
