import CanonicalJSON
import Domain
import Foundation
import Synchronization

/// The host's log: one JSON object a line. Text of plugins and upstreams is cut, so that a line stays a line.
///
/// What may hold a secret is never given to it; `withheld` is the last defence for what a plugin logs.
package final class HostLog: Sendable {
  package enum Level: String, Sendable { case debug, info, warning, error }
  private let write: @Sendable (String) -> Void
  private let least: Int
  private static let order: [Level] = [.debug, .info, .warning, .error]

  /// - Parameter write: Takes one finished line, without its newline.
  package init(least: Level = .info, write: @escaping @Sendable (String) -> Void) {
    self.write = write
    self.least = Self.order.firstIndex(of: least)!
  }

  /// To standard error.
  package static func standardError(least: Level = .info) -> HostLog {
    HostLog(least: least) { StandardStream.error($0 + "\n") }
  }

  package func info(_ code: String, _ message: String, _ fields: [String: String] = [:]) {
    log(.info, code, message, fields)
  }
  package func warning(_ code: String, _ message: String, _ fields: [String: String] = [:]) {
    log(.warning, code, message, fields)
  }
  package func error(_ error: any Error, _ fields: [String: String] = [:]) {
    if let named = error as? any OperatorError {
      log(.error, named.code, "\(named.message) \(named.remedy)", fields)
    } else {
      log(.error, "host.unexpected", "\(error)", fields)
    }
  }
  func plugin(level: Int, _ code: String, _ message: String, _ fields: [String: String]) {
    log(Self.order[max(0, min(3, level - 1))], "plugin." + code, message, fields)
  }

  private func log(_ level: Level, _ code: String, _ message: String, _ fields: [String: String]) {
    guard Self.order.firstIndex(of: level)! >= least else { return }
    var line: [String: JSONValue] = [
      "at": .string(Self.timestamp()), "level": .string(level.rawValue), "code": .string(String(code.prefix(128))),
      "message": .string(String(message.prefix(2048))),
    ]
    for (name, value) in fields { line[String(name.prefix(64))] = .string(String(value.prefix(1024))) }
    write(JSONValue.object(line).canonicalText)
  }

  private static func timestamp() -> String {
    let ms = SystemSources.wallClockMs()
    let day = BusinessDay(number: Int(ms / 86_400_000))
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let rest = ms % 86_400_000
    let millis = "\(rest % 1000)"
    return
      "\(day)T\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60)):\(two(rest / 1000 % 60))."
      + String(repeating: "0", count: 3 - millis.count) + millis + "Z"
  }
}
