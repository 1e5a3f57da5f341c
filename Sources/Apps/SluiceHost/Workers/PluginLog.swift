import ConnectorFabric

/// What one instance's plugin may write to the host's log: a burst, then a few lines a second. What is left out is counted
/// and said. Confined to the loop's thread.
package final class PluginLog {
  private static let (linesPerSecond, burst) = (10, 200)

  private let log: HostLog
  private let fields: [String: String]
  private var bucket: TokenBucket
  private var leftOut = 0

  package init(_ log: HostLog, fields: [String: String], nowMs: Int64) {
    self.log = log
    self.fields = fields
    bucket = TokenBucket(ratePerSecond: Self.linesPerSecond, burst: Self.burst, nowMs: nowMs)
  }

  /// Takes the place of one line; without one the line is left out, and need not be read.
  func take(nowMs: Int64) -> Bool {
    if bucket.take(nowMs: nowMs) == 0 { return true }
    leftOut += 1
    return false
  }

  /// Writes the line whose place was taken.
  func write(level: Int, _ code: String, _ message: String, _ own: [(name: String, value: String)]) {
    sayWhatWasLeftOut()
    var all = fields
    for field in own { all["plugin.\(field.name)"] = field.value }
    log.plugin(level: level, code, message, all)
  }

  /// At the latest when an operation ends.
  func sayWhatWasLeftOut() {
    guard leftOut > 0 else { return }
    log.warning(
      "instance.log_limited", "The plugin wrote more than its share: lines were left out.",
      fields.merging(["lines": "\(leftOut)"]) { $1 })
    leftOut = 0
  }
}
