/// A text with names of parts of a request in braces, such as `{timestamp}.{method}.{path}.{body}`.
package struct SigningTemplate: Sendable, Equatable, CustomStringConvertible {
  package enum Name: String, Sendable, CaseIterable {
    case method, path, query, body, timestamp
    /// Lower-case hexadecimal.
    case bodyHash = "body_sha256"
    case keyID = "key_id"
  }
  private enum Piece: Sendable, Equatable {
    case text(String)
    case name(Name)
  }

  private let pieces: [Piece]
  package let description: String
  package let names: Set<Name>

  /// - Returns: nil when a brace stands alone or encloses another name than those in `allowed`.
  package init?(_ text: String, allowed: Set<Name> = Set(Name.allCases)) {
    guard let braced = BracedText(text) else { return nil }
    var pieces: [Piece] = []
    for piece in braced.pieces {
      switch piece {
      case .text(let text): pieces.append(.text(text))
      case .name(let text):
        guard let name = Name(rawValue: text), allowed.contains(name) else { return nil }
        pieces.append(.name(name))
      }
    }
    self.pieces = pieces
    description = text
    names = Set(pieces.compactMap { if case .name(let name) = $0 { name } else { nil } })
  }

  package func filled(_ value: (Name) -> [UInt8]) -> [UInt8] {
    pieces.flatMap { piece in
      switch piece {
      case .text(let text): Array(text.utf8)
      case .name(let name): value(name)
      }
    }
  }
}
