/// Whose turn it is in an operation: how long the host waited for a plugin that nothing kept from going on.
///
/// It is the plugin's turn while no call of it waits for an answer and there is credit for a record of any size. What it
/// takes at a stretch beyond `shareMs` is waiting for it; less is its work.
package struct PluginTurn: Sendable, Equatable {
  package static let shareMs: Int64 = 100

  private var sinceMs: Int64?
  private var openCalls = 0

  /// From when on it is waited for, should it go on as it does; nil while it is not its turn.
  package var waitsFromMs: Int64? { sinceMs.map { $0 + Self.shareMs } }

  package init() {}

  /// The plugin makes a call that waits for an answer.
  package mutating func asks() {
    ends()
    openCalls += 1
  }

  package mutating func isAnswered(hasCredit: Bool, nowMs: Int64) {
    openCalls = max(0, openCalls - 1)
    begins(hasCredit: hasCredit, nowMs: nowMs)
  }

  /// The plugin gives something, and goes on.
  package mutating func gives(hasCredit: Bool, nowMs: Int64) {
    ends()
    begins(hasCredit: hasCredit, nowMs: nowMs)
  }

  /// The operation begins, or credit came.
  package mutating func begins(hasCredit: Bool, nowMs: Int64) {
    if hasCredit, openCalls == 0, sinceMs == nil { sinceMs = nowMs }
  }

  package mutating func ends() { sinceMs = nil }
}
