// YAMLFiles: the text of a configuration file → a document whose every value knows its line. Comes in: text. Goes out:
// Domain's SourceDocument. It opens no file, and takes of YAML only what JSON can say too.

package import Domain
import Yams

/// Reads YAML 1.2 as far as it is JSON in another coat: no anchors, no second document.
package enum YAMLFile {
  /// - Parameter name: How errors call the file.
  /// - Throws: `DocumentError` naming the line.
  package static func document(_ text: String, name: String) throws(DocumentError) -> SourceDocument {
    // Nodes hold their anchors weakly: the parser must live until they are read.
    let parser: Parser
    let root: Node?
    do {
      parser = try Parser(yaml: text, resolver: .basic)
      root = try parser.singleRoot()
    } catch {
      return try refuse(name, "", mark(of: error), "no YAML document: \(reason(error))", "one document of YAML 1.2")
    }
    guard let root else { return try refuse(name, "", nil, "empty", "a mapping") }
    var reader = Reader(name: name)
    let value = try withExtendedLifetime(parser) { () throws(DocumentError) -> JSONValue in
      try reader.value(root, path: "", depth: 0)
    }
    return SourceDocument(name: name, value: value, marks: reader.marks)
  }

  fileprivate static func refuse<Result>(
    _ file: String, _ path: String, _ mark: Mark?, _ found: String, _ allowed: String
  ) throws(DocumentError) -> Result {
    throw DocumentError(
      file: file, path: path, line: mark?.line, column: mark?.column, found: found, allowed: allowed)
  }

  private static func mark(of error: any Error) -> Mark? {
    switch error as? YamlError {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark
    case .duplicatedKeysInMapping(_, let context): context.mark
    default: nil
    }
  }
  private static func reason(_ error: any Error) -> String {
    switch error as? YamlError {
    case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _): problem
    case .duplicatedKeysInMapping(let keys, _): "a key is given twice: \(keys.joined(separator: ", "))"
    default: "it cannot be parsed"
    }
  }
}

private struct Reader {
  static let depthMax = 64

  let name: String
  var marks: [String: SourceDocument.Mark] = [:]

  init(name: String) { self.name = name }

  mutating func value(_ node: Node, path: String, depth: Int) throws(DocumentError) -> JSONValue {
    if let mark = node.mark { marks[path] = .init(line: mark.line, column: mark.column) }
    guard depth < Self.depthMax else {
      return try YAMLFile.refuse(name, path, node.mark, "nested too deeply", "at most \(Self.depthMax) levels")
    }
    guard node.anchor == nil else {
      return try YAMLFile.refuse(name, path, node.mark, "anchored", "a value without an anchor")
    }
    switch node {
    case .scalar(let scalar): return try self.scalar(scalar, path)
    case .sequence(let items):
      var values: [JSONValue] = []
      for (index, item) in items.enumerated() {
        values.append(try value(item, path: "\(path)[\(index)]", depth: depth + 1))
      }
      return .array(values)
    case .mapping(let pairs): return try mapping(pairs, path, depth)
    case .alias:
      return try YAMLFile.refuse(name, path, node.mark, "an alias", "the value itself")
    }
  }

  private mutating func mapping(_ pairs: Node.Mapping, _ path: String, _ depth: Int) throws(DocumentError) -> JSONValue
  {
    var members: [String: JSONValue] = [:]
    for (key, node) in pairs {
      guard case .scalar(let scalar) = key else {
        return try YAMLFile.refuse(name, path, key.mark, "a mapping with a key that is no text", "plain keys")
      }
      let name = scalar.string
      let inner = path.isEmpty ? name : "\(path).\(name)"
      guard members[name] == nil else {
        return try YAMLFile.refuse(self.name, inner, key.mark, "given twice", "each key once")
      }
      members[name] = try value(node, path: inner, depth: depth + 1)
      // A value that begins on a line of its own is found by its key.
      if let mark = key.mark, marks[inner].map({ $0.line > mark.line }) ?? true {
        marks[inner] = .init(line: mark.line, column: mark.column)
      }
    }
    return .object(members)
  }

  /// The core schema of YAML 1.2 (§10.3.2), without octal and hexadecimal numbers; `yes` and `on` are texts.
  private func scalar(_ scalar: Node.Scalar, _ path: String) throws(DocumentError) -> JSONValue {
    guard scalar.style == .plain || scalar.style == .any else { return .string(scalar.string) }
    switch scalar.string {
    case "", "~", "null": return .null
    case "true": return true
    case "false": return false
    default: break
    }
    if let number = Int64(scalar.string), !scalar.string.hasPrefix("+") {
      guard abs(number) <= (1 << 53) - 1 else {
        return try YAMLFile.refuse(
          name, path, scalar.mark, "an integer beyond ±(2^53 − 1)",
          "a smaller one, or a text in quotes where a text is wanted")
      }
      return .integer(number)
    }
    let isNumeric = scalar.string.utf8.allSatisfy { (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }
    if isNumeric, let number = Double(scalar.string), number.isFinite {
      let whole = number.rounded(.towardZero) == number && abs(number) <= Double((1 << 53) - 1)
      return whole ? .integer(Int64(number)) : .double(number)
    }
    return .string(scalar.string)
  }
}
