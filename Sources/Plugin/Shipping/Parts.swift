import CanonicalJSON
package import Domain

/// What a library holds besides its author's code, and what made it, as the build that knows it says: `NAME.parts.yaml` beside
/// a built manifest.
///
/// - `inside`: what is linked into the library, each with `name`, `version` and, where it is known, `license` (SPDX).
/// - `built_with`: the tools that made it.
package struct Parts: Equatable, Sendable {
  struct Part: Equatable, Sendable {
    let name: String
    let version: String
    let license: String?
  }
  let inside: [Part]
  let builtWith: [Part]

  /// - Throws: `DocumentError` with the line of the first fault.
  package init(_ document: SourceDocument) throws(DocumentError) {
    let root = DocumentReader(document)
    try root.allow(["inside", "built_with"])
    inside = try Self.parts(root["inside"])
    builtWith = try Self.parts(root["built_with"])
  }

  private static func parts(_ r: DocumentReader) throws(DocumentError) -> [Part] {
    var parts: [Part] = []
    for item in try r.items() {
      try item.allow(["name", "version", "license"])
      let part = Part(
        name: try item["name"].string(), version: try item["version"].string("its version, as a text"),
        license: item["license"].isPresent ? try item["license"].string("an SPDX expression") : nil)
      guard !part.version.isEmpty else { throw item["version"].error("empty", allowed: "its version, as a text") }
      if let license = part.license, !isExpression(license) {
        throw item["license"].error("\"\(license)\"", allowed: "an SPDX expression, such as `MIT OR Apache-2.0`")
      }
      guard !parts.contains(where: { $0.name == part.name && $0.version == part.version }) else {
        throw item.error("there twice", allowed: "each name and version once")
      }
      parts.append(part)
    }
    return parts
  }

  /// The letters of SPDX 2.3, annex D; which names there are is not for a packer to know.
  private static func isExpression(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-.+:() ".utf8.contains(byte)
        }
      }
  }
}
