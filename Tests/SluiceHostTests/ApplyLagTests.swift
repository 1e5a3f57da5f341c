import Domain
import Testing

@testable import SluiceHost

struct `A tenant's line of entries` {
  private func lag(own positions: ClosedRange<UInt64>) -> ApplyLag {
    let lag = ApplyLag()
    lag.add(positions.map { Position($0) })
    return lag
  }

  @Test func `is waited for by the source that fills it, and not by one that brings a little`() {
    let flood = lag(own: 1_000...1_299)
    let steady = lag(own: 1_300...1_301)
    #expect(flood.mustWait(lag: 302, applied: 999))
    #expect(!steady.mustWait(lag: 302, applied: 999))
    #expect(!flood.mustWait(lag: ApplyLag.lagMax, applied: 999))
    #expect(!flood.mustWait(lag: 302, applied: 1_298), "what is applied no longer counts as its own")
  }

  @Test func `is waited for also where it is short, of large entries`() {
    let flood = lag(own: 1_000...1_009)
    #expect(flood.mustWait(lag: 12, bytes: ApplyLag.bytesMax + 1, applied: 999))
    #expect(!flood.mustWait(lag: 12, bytes: ApplyLag.bytesMax, applied: 999))
    #expect(!lag(own: 1_010...1_011).mustWait(lag: 12, bytes: ApplyLag.bytesMax + 1, applied: 999))
  }

  @Test func `is bounded: beyond its most, everyone waits`() {
    let nobody = ApplyLag()
    #expect(!nobody.mustWait(lag: ApplyLag.lagMost, applied: 0))
    #expect(nobody.mustWait(lag: ApplyLag.lagMost + 1, applied: 0))
  }
}
