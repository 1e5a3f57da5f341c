import Synchronization

/// A queue from the loop's thread to one task. It is bounded by the credit of those who fill it, and by what they may send
/// without any.
package final class Mailbox<Item: Sendable>: Sendable {
  private struct Content {
    var items: [Item] = []
    var isClosed = false
    var waiting: CheckedContinuation<Void, Never>?

    mutating func takeWaiting() -> CheckedContinuation<Void, Never>? {
      defer { waiting = nil }
      return waiting
    }
  }
  private let content = Mutex(Content())

  /// - Returns: Whether the mailbox was still open.
  @discardableResult
  func put(_ item: Item) -> Bool {
    let (isOpen, waiting) = content.withLock { content in
      guard !content.isClosed else { return (false, CheckedContinuation<Void, Never>?.none) }
      content.items.append(item)
      return (true, content.takeWaiting())
    }
    // Outside: who wakes up takes the lock at once.
    waiting?.resume()
    return isOpen
  }

  /// Nothing is taken in any more; what is there can still be taken out.
  func close() {
    let waiting = content.withLock { content in
      content.isClosed = true
      return content.takeWaiting()
    }
    waiting?.resume()
  }

  /// Everything that waits, at least one item; nil when the mailbox is closed and empty. One taker only.
  func takeAll() async -> [Item]? {
    while true {
      let taken: [Item]?? = content.withLock { content in
        if !content.items.isEmpty {
          defer { content.items = [] }
          return .some(content.items)
        }
        return content.isClosed ? .some(nil) : nil
      }
      if let taken { return taken }
      await withCheckedContinuation { waiting in
        let isThere = content.withLock { content in
          let isThere = !content.items.isEmpty || content.isClosed
          if !isThere { content.waiting = waiting }
          return isThere
        }
        if isThere { waiting.resume() }
      }
    }
  }
}
