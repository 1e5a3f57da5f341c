/// A declared request path: whole segments, each literal, `{name}`, or `{name}` with a literal end such as ".json".
package struct PathTemplate: Sendable, Equatable, CustomStringConvertible {
  private enum Segment: Sendable, Equatable {
    case literal(String)
    case name(String, end: String)
  }
  private let segments: [Segment]
  package let description: String

  /// - Returns: nil when the text does not begin with "/", or holds an empty, relative or half-templated segment.
  package init?(_ text: String) {
    guard text.hasPrefix("/") else { return nil }
    var segments: [Segment] = []
    for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      guard let segment = part.hasPrefix("{") ? PathTemplate.named(part) : PathTemplate.literal(part) else {
        return nil
      }
      segments.append(segment)
    }
    self.segments = segments
    description = text
  }

  private static func named(_ part: Substring) -> Segment? {
    guard let close = part.firstIndex(of: "}") else { return nil }
    let (name, end) = (part[..<close].dropFirst(), part[close...].dropFirst())
    guard !name.isEmpty, !name.contains("{"), end.utf8.allSatisfy(PathSegment.isPlain) else { return nil }
    // What follows a name must look like an end, not like more of the name.
    guard end.first.map({ $0 == "." || $0 == ":" }) ?? true else { return nil }
    return .name(String(name), end: String(end))
  }

  private static func literal(_ part: Substring) -> Segment? {
    guard part.utf8.allSatisfy(PathSegment.isPlain), PathSegment.read(part.utf8) != nil else { return nil }
    return .literal(String(part))
  }

  package var names: [String] {
    segments.compactMap { if case .name(let name, _) = $0 { name } else { nil } }
  }

  /// What `{name}`s stand for in `path`, decoded, or nil when it does not match. Dot segments, empty segments and encoded
  /// slashes never match, so that what the upstream reads is what was matched here.
  package func match(_ path: String) -> [String: String]? {
    guard path.utf8.first == UInt8(ascii: "/") else { return nil }
    let parts = path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == segments.count else { return nil }
    var found: [String: String] = [:]
    for (part, segment) in zip(parts, segments) {
      switch segment {
      case .literal(let text): guard part.elementsEqual(text.utf8) else { return nil }
      case .name(let name, let end):
        guard part.suffix(end.utf8.count).elementsEqual(end.utf8),
          let said = PathSegment.read(part.dropLast(end.utf8.count))
        else { return nil }
        found[name] = said
      }
    }
    return found
  }
}
