import TestKit

/// Where everything that a simulation leaves to chance comes from: one stream of numbers by the seed.
final class Chance {
  private var numbers: SplitMix64
  init(seed: UInt64) { numbers = SplitMix64(seed: seed) }

  func below(_ limit: Int) -> Int { Int(numbers.next() % UInt64(limit)) }
  func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
  func percent(_ share: Int) -> Bool { below(100) < share }
  func one<Element>(of choices: [Element]) -> Element { choices[below(choices.count)] }

  /// - Returns: nil when there is nothing to choose.
  func any<Element>(of choices: [Element]) -> Element? { choices.isEmpty ? nil : one(of: choices) }

  /// One of several, each as likely as its weight is great.
  func weighted<Element>(_ choices: [(weight: Int, Element)]) -> Element {
    var left = below(choices.reduce(0) { $0 + $1.weight })
    for (weight, choice) in choices {
      left -= weight
      if left < 0 { return choice }
    }
    preconditionFailure("the weights add up to more than any number below their sum")
  }

  func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: numbers.next()) } }

  func shuffled<Element>(_ elements: [Element]) -> [Element] { elements.shuffled(using: &numbers) }
}

/// What happened last, for a person who reads a failure.
final class Trace {
  private var lines: [String] = []
  private let countMax: Int
  /// How often each kind of thing happened.
  private(set) var counts: [String: Int] = [:]

  init(countMax: Int = 40) { self.countMax = countMax }

  func note(_ kind: String, _ detail: @autoclosure () -> String = "") {
    counts[kind, default: 0] += 1
    lines.append("\(kind) \(detail())")
    if lines.count > 2 * countMax { lines.removeFirst(countMax) }
  }

  func count(_ kind: String) { counts[kind, default: 0] += 1 }

  var last: [String] { Array(lines.suffix(countMax)) }
}

/// The simulated host ends here, as if killed.
struct Crash: Error { let point: String }

/// An invariant that does not hold.
struct Violation: Error, CustomStringConvertible {
  let rule: String
  let what: String
  init(_ rule: String, _ what: String) { (self.rule, self.what) = (rule, what) }
  var description: String { "\(rule): \(what)" }
}
