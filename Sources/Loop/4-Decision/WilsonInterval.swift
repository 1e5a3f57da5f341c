/// The 95 % Wilson score interval of a rate, in parts per million, by whole numbers only: the same on every machine.
package struct WilsonInterval: Equatable, Sendable {
  package let trials: Int
  package let ratePpm: Int
  package let lowPpm: Int
  package let highPpm: Int

  private static let million: Int128 = 1_000_000
  /// z for 95 % and its square, in millionths.
  private static let z: Int128 = 1_959_964
  private static let zSquared: Int128 = 3_841_459

  /// - Parameter trials: At most 10^9. Of none nothing is known: 0 to 1.
  package init(successes: Int, trials: Int) {
    precondition(0 <= successes && successes <= trials && trials <= 1_000_000_000, "\(successes) of \(trials)")
    self.trials = trials
    guard trials > 0 else {
      (ratePpm, lowPpm, highPpm) = (0, 0, 1_000_000)
      return
    }
    let (million, s, n) = (Self.million, Int128(successes), Int128(trials))
    let weight = n * million + Self.zSquared
    let center = Self.rounded(million * (2 * s * million + Self.zSquared), 2 * weight)
    // s(n−s)/n + z²/4, in 10^-12, so that its root is in millionths.
    let spread = s * (n - s) * million * million / n + Self.zSquared * million / 4
    let half = Self.rounded(Self.z * integerSquareRoot(spread), weight)
    ratePpm = Int(Self.rounded(s * million, n))
    lowPpm = successes == 0 ? 0 : Int(max(0, center - half))
    highPpm = successes == trials ? 1_000_000 : Int(min(million, center + half))
  }

  private static func rounded(_ numerator: Int128, _ denominator: Int128) -> Int128 {
    (2 * numerator + denominator) / (2 * denominator)
  }
}

/// The greatest whole number whose square is not greater than `value`, which is not negative.
func integerSquareRoot(_ value: Int128) -> Int128 {
  guard value > 1 else { return value }
  // Newton from above: falls until it is the root.
  var guess = Int128(1) << ((128 - value.leadingZeroBitCount + 1) / 2)
  while true {
    let next = (guess + value / guess) / 2
    if next >= guess { return guess }
    guess = next
  }
}
