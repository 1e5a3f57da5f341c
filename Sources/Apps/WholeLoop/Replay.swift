import CanonicalJSON
import Cryptography
package import Domain

/// Recomputes everything that was derived, from the stored inputs alone, and compares it with what was recorded.
///
/// Reads the journal and nothing else: rules, mappings and policies are those that were activated in it, by hash. The
/// files of today, the network and the clock play no part.
package struct Replay {
  /// One derived entry: what was recorded and what comes out now.
  package struct Finding: Sendable, Equatable {
    package let stage: String
    package let position: Position
    package let recorded: Digest?
    package let derived: Digest?
    package let reason: String
  }
  package struct Stage: Sendable, Equatable {
    package let name: String
    package let position: Position
    package let recorded: Digest
    /// What the entries before it give now; nil when they give nothing.
    package let derived: Digest?
  }

  package private(set) var stages: [Stage] = []
  package private(set) var entryCount = 0
  private let store: any StateStore
  private let assembly = LoopAssembly()

  /// - Parameter store: Empty; holds the rebuilt state afterwards.
  package init(into store: any StateStore) { self.store = store }

  /// Applies one entry after comparing it with what the entries before it give.
  /// - Returns: What does not agree.
  package mutating func apply(_ entry: Entry) throws -> Finding? {
    entryCount += 1
    return try store.transaction { state in
      var finding: Finding?
      if entry.kind.isDerived {
        let recorded = SHA256.digest(entry.body)
        let row = try LoopAssembly.pendingRow(entry.id, in: state)
        let derived = row.map { SHA256.digest($0.body.canonicalBytes) }
        if derived != recorded {
          finding = Finding(
            stage: entry.kind.rawValue, position: entry.position, recorded: recorded, derived: derived,
            reason: derived == nil ? "nothing before it gives rise to it" : "the stored inputs give other bytes")
        }
        stages.append(
          Stage(name: entry.kind.rawValue, position: entry.position, recorded: recorded, derived: derived))
      }
      try assembly.apply(entry, to: state)
      return finding
    }
  }
}
