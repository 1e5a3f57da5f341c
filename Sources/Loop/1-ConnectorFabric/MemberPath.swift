import Domain

// Where a value stands in a JSON body: names of members, joined by dots.
extension DocumentReader {
  private static let memberPathAllowed = "one to eight names joined by dots, e.g. `event.id`"

  func memberPath() throws(DocumentError) -> [String] { try memberPath(string(Self.memberPathAllowed)) }

  /// - Parameter text: what stands here, or a part of it.
  func memberPath(_ text: String) throws(DocumentError) -> [String] {
    let path = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard path.count <= 8, path.allSatisfy({ !$0.isEmpty }) else {
      throw error("\"\(text.prefix(60))\"", allowed: Self.memberPathAllowed)
    }
    return path
  }
}
