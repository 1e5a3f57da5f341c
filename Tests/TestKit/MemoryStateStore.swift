package import Domain
import Synchronization

/// A tenant's state in memory: for tests, replay and comparison. Keys are ordered by their UTF-8 bytes.
package final class MemoryStateStore: StateStore {
  private let content = Mutex<[String: [String: JSONValue]]>([:])
  package init() {}

  package func transaction<Result>(_ body: (any StateTransaction) throws -> Result) throws -> Result {
    try content.withLock { content in
      let access = Access(content)
      nonisolated(unsafe) let result = try body(access)
      content = access.content
      return result
    }
  }
  package func view<Result>(_ body: (any StateView) throws -> Result) throws -> Result { try transaction(body) }

  private final class Access: StateTransaction {
    var content: [String: [String: JSONValue]]
    init(_ content: [String: [String: JSONValue]]) { self.content = content }
    func value(_ space: Space, _ key: String) -> JSONValue? { content[space.rawValue]?[key] }
    func scan(_ space: Space, from: String, until: String?, reversed: Bool, countMax: Int) -> [(String, JSONValue)] {
      let keys = (content[space.rawValue] ?? [:]).keys.filter { key in
        !precedes(key, from) && (until.map { precedes(key, $0) } ?? true)
      }.sorted(by: precedes)
      return (reversed ? keys.reversed() : keys).prefix(countMax).map { ($0, content[space.rawValue]![$0]!) }
    }
    func set(_ space: Space, _ key: String, _ value: JSONValue) { content[space.rawValue, default: [:]][key] = value }
    func remove(_ space: Space, _ key: String) { content[space.rawValue]?[key] = nil }
    private func precedes(_ left: String, _ right: String) -> Bool {
      left.utf8.lexicographicallyPrecedes(right.utf8)
    }
  }
}
