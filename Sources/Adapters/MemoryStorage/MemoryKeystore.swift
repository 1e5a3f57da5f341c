import Domain
import Synchronization

/// Keys and sealed secrets that end with the process: for tests, and for the conformance kit's canaries.
package final class MemoryKeystore: Keystore {
  private let content = Mutex<[String: [UInt8]]>([:])
  package init() {}
  package func value(_ name: String) -> [UInt8]? { content.withLock { $0[name] } }
  package func set(_ name: String, _ value: [UInt8]) { content.withLock { $0[name] = value } }
  package func remove(_ name: String) { content.withLock { $0[name] = nil } }
  package func names(withPrefix prefix: String) -> [String] {
    content.withLock { $0.keys.filter { $0.hasPrefix(prefix) }.sorted() }
  }
}
