import CanonicalJSON
package import Domain
import Synchronization

/// Every call that a plugin made of its host in one run, and every answer, in order: one JSON value a line. Played back to the
/// same library it gives the same run, byte for byte, without an upstream: a bug report that can be run.
///
/// It holds what the upstream answered and what the plugin made of it, and no secret: there is no call that has one.
package final class Cassette: Sendable {
  package static let format = 1
  /// As much is recorded and read, in bytes.
  package static let bytesMax = 64 << 20
  private struct Tape {
    var lines: [JSONValue]
    var next = 0
    var difference: String?
    var bytes = 0
  }
  private let tape: Mutex<Tape>

  /// A new one, to be recorded.
  package init(header: JSONValue) { tape = Mutex(Tape(lines: [header])) }

  /// - Throws: `CassetteError.malformed` with the line.
  package init(parsing bytes: [UInt8]) throws(CassetteError) {
    var lines: [JSONValue] = []
    for (index, line) in bytes.split(separator: 0x0A).enumerated() {
      guard let value = try? JSONValue(parsing: Array(line)), value.object != nil else {
        throw .malformed(line: index + 1)
      }
      lines.append(value)
    }
    guard lines.first?["sluice_cassette"]?.integer == Int64(Self.format) else { throw .malformed(line: 1) }
    tape = Mutex(Tape(lines: lines, next: 1))
  }

  package var header: JSONValue { tape.withLock { $0.lines[0] } }
  /// - Throws: `CassetteError.tooLarge`: half a run plays nothing.
  package func encoded() throws(CassetteError) -> [UInt8] {
    let lines: [JSONValue]? = tape.withLock { $0.bytes > Self.bytesMax ? nil : $0.lines }
    guard let lines else { throw .tooLarge }
    return lines.flatMap { $0.canonicalBytes + [0x0A] }
  }
  /// Where the run that is played first differed.
  package var difference: String? { tape.withLock { $0.difference } }

  func record(_ line: JSONValue) {
    tape.withLock { tape in
      guard tape.bytes <= Self.bytesMax else { return }
      tape.bytes += line.canonicalBytes.count + 1
      tape.lines.append(line)
    }
  }

  /// What comes next is of this kind; without moving on.
  func peek(_ kind: String) -> JSONValue? {
    tape.withLock { tape in tape.next < tape.lines.count ? tape.lines[tape.next][kind] : nil }
  }

  /// The next answer of this kind; nil, and the run differs, when something else comes next.
  func answer(_ kind: String, to call: String) -> JSONValue? {
    tape.withLock { tape in
      guard tape.difference == nil else { return nil }
      guard tape.next < tape.lines.count, let answer = tape.lines[tape.next][kind] else {
        let wanted =
          tape.next < tape.lines.count ? String(tape.lines[tape.next].canonicalText.prefix(200)) : "nothing more"
        tape.difference = "line \(tape.next + 1): \(call) was asked for; the cassette has \(wanted)"
        return nil
      }
      tape.next += 1
      return answer
    }
  }

  /// The plugin does something: it must be what the cassette has next.
  /// - Returns: Whether it is.
  func expect(_ line: JSONValue) -> Bool {
    tape.withLock { tape in
      guard tape.difference == nil else { return false }
      guard tape.next < tape.lines.count, tape.lines[tape.next] == line else {
        let wanted =
          tape.next < tape.lines.count ? String(tape.lines[tape.next].canonicalText.prefix(300)) : "nothing more"
        tape.difference = "line \(tape.next + 1): it did \(line.canonicalText.prefix(300)); the cassette has \(wanted)"
        return false
      }
      tape.next += 1
      return true
    }
  }
}

package enum CassetteError: OperatorError, Equatable {
  case malformed(line: Int)
  case tooLarge
  case otherLibrary(wanted: String, found: String)
  case differs(String)

  package var code: String {
    switch self {
    case .malformed: "cassette.malformed"
    case .tooLarge: "cassette.too_large"
    case .otherLibrary: "cassette.other_library"
    case .differs: "cassette.differs"
    }
  }
  package var message: String {
    switch self {
    case .malformed(let line): "Line \(line) is no line of a cassette of format \(Cassette.format)."
    case .tooLarge: "The run is more than the \(Cassette.bytesMax) bytes that a cassette holds; nothing was kept of it."
    case .otherLibrary(let wanted, let found):
      "The cassette was recorded with the library \(wanted), this one is \(found)."
    case .differs(let where_): "The run differs from the cassette, \(where_)."
    }
  }
  package var remedy: String {
    switch self {
    case .malformed: "Record it again with `sluice plugin run --record FILE`."
    case .tooLarge: "Record a shorter run: one `--stream`, from a `--state` near the place that matters."
    case .otherLibrary: "Play it to the library that it names, or say `--any-library` to see where another one differs."
    case .differs: "The plugin does something else for the same answers: look at that line of both."
    }
  }
}
