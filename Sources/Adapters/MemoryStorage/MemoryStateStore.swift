// MemoryStorage: the state port in memory, for replay, comparison and tests. It keeps nothing when the process ends.

package import Domain
import Foundation
import Synchronization

/// A tenant's state in memory: for tests, replay and comparison. Keys are ordered by their UTF-8 bytes.
///
/// A transaction changes the one copy in place and keeps what it replaced, so that throwing puts it back.
package final class MemoryStateStore: StateStore {
  private let content = Mutex(Content())
  package init() {}

  package func transaction<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    try content.withLock { content in
      let access = Access(content)
      do {
        nonisolated(unsafe) let result = try body(access)
        return result
      } catch {
        access.rollBack()
        throw error
      }
    }
  }
  package func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result { try transaction(body) }

  /// Everything that is stored, to compare two stores: space, key and value, in order.
  package var rows: [(space: String, key: String, value: JSONValue)] {
    content.withLock { content in
      content.spaces.sorted { $0.key < $1.key }.flatMap { name, table in
        zip(table.keys, table.values).map { (space: name, key: $0, value: $1) }
      }
    }
  }

  private final class Content {
    var spaces: [String: Table] = [:]
    func table(_ space: Space) -> Table {
      if let table = spaces[space.rawValue] { return table }
      let table = Table()
      spaces[space.rawValue] = table
      return table
    }
  }

  /// One space: keys in order beside their values.
  private final class Table {
    var keys: [String] = []
    var values: [JSONValue] = []

    /// The first place whose key is not before `key`.
    func place(_ key: String) -> Int {
      var low = 0
      var high = keys.count
      while low < high {
        let middle = (low + high) / 2
        if precedes(keys[middle], key) { low = middle + 1 } else { high = middle }
      }
      return low
    }
    func index(of key: String) -> Int? {
      let index = place(key)
      return index < keys.count && !precedes(key, keys[index]) ? index : nil
    }
    @discardableResult func set(_ key: String, _ value: JSONValue?) -> JSONValue? {
      let index = place(key)
      let isThere = index < keys.count && !precedes(key, keys[index])
      // Typed: a bare nil would be JSON's null.
      let old: JSONValue? = isThere ? .some(values[index]) : .none
      switch (value, isThere) {
      case (let value?, true): values[index] = value
      case (let value?, false):
        keys.insert(key, at: index)
        values.insert(value, at: index)
      case (nil, true):
        keys.remove(at: index)
        values.remove(at: index)
      case (nil, false): break
      }
      return old
    }
  }

  private final class Access: StateTransaction {
    let content: Content
    var replaced: [(table: Table, key: String, value: JSONValue?)] = []
    init(_ content: Content) { self.content = content }

    func value(_ space: Space, _ key: String) -> JSONValue? {
      guard let table = content.spaces[space.rawValue], let index = table.index(of: key) else { return nil }
      return table.values[index]
    }
    func scan(_ space: Space, from: String, until: String?, reversed: Bool, countMax: Int) -> [(String, JSONValue)] {
      guard let table = content.spaces[space.rawValue] else { return [] }
      let range = table.place(from)..<max(table.place(from), until.map(table.place) ?? table.keys.count)
      let chosen = reversed ? Array(range.suffix(countMax).reversed()) : Array(range.prefix(countMax))
      return chosen.map { (table.keys[$0], table.values[$0]) }
    }
    func tally(_ space: Space, by member: String, countMax: Int) -> [String: Int] {
      let values = content.spaces[space.rawValue]?.values.prefix(countMax) ?? []
      return values.reduce(into: [:]) { $0[$1[member]?.string ?? "", default: 0] += 1 }
    }
    func count(_ space: Space, prefix: String, countMax: Int) -> Int {
      guard let table = content.spaces[space.rawValue] else { return 0 }
      return min(countMax, (prefixEnd(prefix).map(table.place) ?? table.keys.count) - table.place(prefix))
    }
    func spaces() -> [Space] {
      content.spaces.filter { !$0.value.keys.isEmpty }.keys.sorted(by: precedes).map { Space($0) }
    }
    func set(_ space: Space, _ key: String, _ value: JSONValue) { change(space, key, value) }
    func remove(_ space: Space, _ key: String) { change(space, key, nil) }

    private func change(_ space: Space, _ key: String, _ value: JSONValue?) {
      let table = content.table(space)
      replaced.append((table, key, table.set(key, value)))
    }
    func rollBack() {
      for (table, key, value) in replaced.reversed() { table.set(key, value) }
    }
  }
}

/// Whether `left` comes first by its UTF-8 bytes, without regard to what Unicode holds equal.
private func precedes(_ left: String, _ right: String) -> Bool {
  var (left, right) = (left, right)
  return left.withUTF8 { left in
    right.withUTF8 { right in
      let order =
        left.isEmpty || right.isEmpty ? 0 : memcmp(left.baseAddress!, right.baseAddress!, min(left.count, right.count))
      return order == 0 ? left.count < right.count : order < 0
    }
  }
}
