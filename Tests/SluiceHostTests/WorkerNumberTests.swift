import Testing

@testable import SluiceHost

struct `Numbers of workers` {
  @Test func `are never those of another that lives, and are used again only after all others`() {
    var numbers = WorkerNumbers()
    let lasting = numbers.take()
    for expected in 1..<WorkerNumbers.countMax {
      let number = numbers.take()
      #expect(number == expected)
      numbers.give(back: number)
    }
    #expect(numbers.take() == 1 && lasting == 0 && !numbers.isEmpty)
    for number in [0, 1] { numbers.give(back: number) }
    #expect(numbers.isEmpty)
  }

  @Test func `are shared when there are more workers than numbers, and none is lost`() {
    var numbers = WorkerNumbers()
    let first = (0..<WorkerNumbers.countMax).map { _ in numbers.take() }
    #expect(Set(first).count == WorkerNumbers.countMax)
    let shared = numbers.take()
    numbers.give(back: shared)
    numbers.give(back: 17)
    #expect(numbers.take() == 17)
  }
}
