import TestKit
import Testing

@testable import ConnectorFabric

@Suite struct `Room for records on their way` {
  @Test
  func `is one tenant's whole as long as nobody else lacks any, and comes to equal parts by itself when one does`() {
    var budget = IntakeBudget(bytesMax: 100)
    let taken = [budget.take(upTo: 70, for: "loud"), budget.take(upTo: 70, for: "loud")]
    #expect(taken == [70, 30])
    budget.lacks(true, "loud")
    // The other one comes late: there is nothing, but from now on half is to be its own.
    let none = budget.take(upTo: 40, for: "quiet")
    budget.lacks(true, "quiet")
    #expect(none == 0)
    for _ in 0..<20 {
      budget.giveBack(10, of: "loud")
      let quiet = budget.take(upTo: 10, for: "quiet")
      let loud = budget.take(upTo: 10, for: "loud")
      #expect(budget.total <= 100 && quiet + loud <= 10)
      if loud == 0, quiet == 0 { break }
    }
    #expect(budget.taken(by: "loud") == 50 && budget.taken(by: "quiet") == 50)
  }

  @Test func `is never more than there is, and all of it comes back`() {
    for seed in 1...200 as ClosedRange<UInt64> {
      var chance = SplitMix64(seed: seed)
      var budget = IntakeBudget(bytesMax: Int.random(in: 1...1_000, using: &chance))
      var taken: [String: Int] = [:]
      for _ in 0..<300 {
        let tenant = "t\(Int.random(in: 1...4, using: &chance))"
        if Bool.random(using: &chance) {
          taken[tenant, default: 0] += budget.take(upTo: Int.random(in: 0...400, using: &chance), for: tenant)
        } else if let own = taken[tenant], own > 0 {
          let back = Int.random(in: 1...own, using: &chance)
          budget.giveBack(back, of: tenant)
          taken[tenant] = own - back
        }
        #expect(budget.total == taken.values.reduce(0, +) && budget.total <= budget.bytesMax, "seed \(seed)")
      }
      for (tenant, own) in taken { budget.giveBack(own, of: tenant) }
      #expect(budget.total == 0)
    }
  }
}
