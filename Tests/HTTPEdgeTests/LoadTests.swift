import Synchronization
import Testing

@testable import HTTPEdge

@Suite struct `What the doors bear` {
  @Test func `is bounded in connections, of all and of one address, and room is made by who leaves`() {
    var limits = EdgeLimits()
    limits.connectionsMax = 3
    limits.addressConnectionsMax = 2
    let load = EdgeLoad(limits)
    #expect(load.enter("a") && load.enter("a") && !load.enter("a"))
    #expect(load.enter("b") && !load.enter("c"))
    load.leave("a")
    #expect(load.enter("c") && !load.enter(nil))
    #expect(load.counts.connections == 3 && load.counts.turnedAway == [.address: 1, .connections: 2])
  }

  @Test func `is told once a minute for each cause, with how many were turned away by then`() {
    var limits = EdgeLimits()
    limits.connectionsMax = 0
    let now = Mutex<Int64>(1_000)
    let told = Mutex<[Int]>([])
    let load = EdgeLoad(limits, nowMs: { now.withLock { $0 } }) { cause, count in
      told.withLock { $0.append(cause == .connections ? count : -count) }
    }
    for _ in 0..<5 { _ = load.enter(nil) }
    load.turnedAway(.bodies)
    now.withLock { $0 += 60_000 }
    for _ in 0..<5 { _ = load.enter(nil) }
    #expect(told.withLock { $0 } == [1, -1, 6])
  }

  @Test func `of bodies is bounded for all together, and a part is kept for who is known`() {
    var limits = EdgeLimits()
    limits.bodyBytesMax = 100
    let load = EdgeLoad(limits)
    #expect(load.take(75, at: .unidentified) && !load.take(1, at: .unidentified))
    #expect(!load.hasRoom(for: 1, at: .unidentified) && load.hasRoom(for: 25, at: .identified))
    #expect(load.take(25, at: .identified) && !load.take(1, at: .identified))
    load.giveBack(100)
    #expect(load.counts.bodyBytes == 0 && load.counts.bodyBytesPeak == 100)
  }
}
