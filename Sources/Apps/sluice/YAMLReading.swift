import CanonicalJSON
import Domain
import Foundation

enum YAMLReading {
  static func document(path: String) throws -> SourceDocument {
    SourceDocument(
      name: path, value: try JSONValue(parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))), marks: [:])
  }
}
