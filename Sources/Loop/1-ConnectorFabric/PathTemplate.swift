/// A declared request path: whole segments, each literal or `{name}`.
package struct PathTemplate: Sendable, Equatable, CustomStringConvertible {
  private enum Segment: Sendable, Equatable {
    case literal(String)
    case name(String)
  }
  private let segments: [Segment]
  package let description: String

  /// - Returns: nil when the text does not begin with "/", or holds an empty, relative or half-templated segment.
  package init?(_ text: String) {
    guard text.hasPrefix("/") else { return nil }
    var segments: [Segment] = []
    for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      if part.hasPrefix("{"), part.hasSuffix("}"), part.count > 2 {
        segments.append(.name(String(part.dropFirst().dropLast())))
      } else {
        guard PathTemplate.isPlain(part) else { return nil }
        segments.append(.literal(String(part)))
      }
    }
    self.segments = segments
    description = text
  }

  package var names: [String] {
    segments.compactMap { if case .name(let name) = $0 { name } else { nil } }
  }

  /// What `{name}`s stand for in `path`, or nil when it does not match. Dot segments, empty segments and encoded
  /// slashes never match, so that what the upstream reads is what was matched here.
  package func match(_ path: String) -> [String: String]? {
    guard path.hasPrefix("/") else { return nil }
    let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == segments.count else { return nil }
    var found: [String: String] = [:]
    for (part, segment) in zip(parts, segments) {
      guard PathTemplate.isPlain(part) else { return nil }
      switch segment {
      case .literal(let text): guard part == text else { return nil }
      case .name(let name): found[name] = String(part)
      }
    }
    return found
  }

  /// RFC 3986 unreserved characters, ":", "@" and a few sub-delimiters; not ".", "..", and nothing percent-encoded.
  private static func isPlain(_ segment: Substring) -> Bool {
    !segment.isEmpty && segment != "." && segment != ".."
      && segment.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
          || "-._~:@!$'()*+,=".utf8.contains(byte)
      }
  }
}
