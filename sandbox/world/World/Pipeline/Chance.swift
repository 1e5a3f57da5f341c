/// Random numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014). The same seed draws the same numbers everywhere.
package struct Chance: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// A stream of numbers that belongs to one thing, however often and in whatever order others draw.
  package init(seed: UInt64, about names: String...) {
    // FNV-1a, one separator byte between names so that ("ab","c") and ("a","bc") differ.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for name in names {
      for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
      hash = (hash ^ 0xff) &* 0x100_0000_01b3
    }
    var mixed = Chance(seed: hash)
    state = mixed.next() ^ seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// In 0..<1.
  package mutating func share() -> Double { Double(next() >> 11) / Double(1 << 53) }

  /// In 0..<count.
  package mutating func index(below count: Int) -> Int { Int(next() % UInt64(count)) }

  package mutating func one<Element>(of elements: [Element]) -> Element { elements[index(below: elements.count)] }
}
