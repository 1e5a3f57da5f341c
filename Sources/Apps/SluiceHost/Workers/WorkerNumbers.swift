/// Numbers of living workers, none twice: as root each is a user of its own, and names its control group.
///
/// The next one is always another than the last, as long as there is one: a user's last process may still be a zombie.
struct WorkerNumbers {
  static let firstUser = 61_000
  /// Users up to 64,999; beyond that a number is shared, and the second worker of a user gets no threads of its own.
  static let countMax = 4_000
  private var used: [Int: Int] = [:]
  private var next = 0
  var isEmpty: Bool { used.isEmpty }

  mutating func take() -> Int {
    for _ in 0..<Self.countMax where used[next] != nil { next = (next + 1) % Self.countMax }
    let number = next
    used[number, default: 0] += 1
    next = (number + 1) % Self.countMax
    return number
  }

  mutating func give(back number: Int) {
    let left = (used[number] ?? 1) - 1
    used[number] = left > 0 ? left : nil
  }
}
