import Synchronization
import Testing

@testable import SluiceHost

@Suite struct `The clock by which upstreams settle` {
  private final class Clocks: Sendable {
    let wall = Mutex<Int64>(1_000_000)
    let monotonic = Mutex<Int64>(50)
    func pass(_ ms: Int64) {
      wall.withLock { $0 += ms }
      monotonic.withLock { $0 += ms }
    }
    func step(_ ms: Int64) { wall.withLock { $0 += ms } }
  }

  @Test func `does not follow a wall clock that is put forward, and does follow one that is put back`() {
    let clocks = Clocks()
    let clock = SteadyClock(wallMs: { clocks.wall.withLock { $0 } }, monotonicMs: { clocks.monotonic.withLock { $0 } })
    clocks.pass(10)
    #expect(clock.nowMs() == 1_000_010)
    clocks.step(3_600_000)
    #expect(clock.nowMs() == 1_000_010)
    clocks.pass(5)
    #expect(clock.nowMs() == 1_000_015)
    clocks.step(-3_600_100)
    #expect(clock.nowMs() == 999_915)
    clocks.pass(5)
    #expect(clock.nowMs() == 999_920)
  }
}
