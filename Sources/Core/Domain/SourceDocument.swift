/// A configuration file as data, with the place of every value in its text.
package struct SourceDocument: Sendable {
  package struct Mark: Sendable, Equatable {
    package let line: Int
    package let column: Int
    package init(line: Int, column: Int) {
      self.line = line
      self.column = column
    }
  }
  package let name: String
  package let value: JSONValue
  /// By path, e.g. `requests[2].effect`.
  private let marks: [String: Mark]

  package init(name: String, value: JSONValue, marks: [String: Mark]) {
    self.name = name
    self.value = value
    self.marks = marks
  }

  /// The same document with something filled in; what stands where it stood keeps its place.
  package func with(_ value: JSONValue) -> SourceDocument { SourceDocument(name: name, value: value, marks: marks) }

  /// The same marks for this document as the member `key` of a larger one.
  package func marks(under key: String) -> [String: Mark] {
    var moved: [String: Mark] = [:]
    for (path, mark) in marks { moved[path.isEmpty ? key : path.hasPrefix("[") ? key + path : "\(key).\(path)"] = mark }
    return moved
  }

  /// Where the value stands; for a missing one, where its nearest parent stands.
  package func mark(_ path: String) -> Mark? {
    var path = path
    while true {
      if let mark = marks[path] { return mark }
      guard let cut = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return marks[""] }
      path = String(path[..<cut])
    }
  }
}

/// What is wrong with a configuration file: which key, where, and what is allowed.
package struct DocumentError: OperatorError, Equatable {
  package let file: String
  package let path: String
  package let line: Int?
  package let column: Int?
  package let found: String
  package let allowed: String

  package init(file: String, path: String, line: Int?, column: Int?, found: String, allowed: String) {
    self.file = file
    self.path = path
    self.line = line
    self.column = column
    self.found = found
    self.allowed = allowed
  }

  package var code: String { "config.invalid" }
  package var message: String {
    let place = line.map { ":\($0)" + (column.map { ":\($0)" } ?? "") } ?? ""
    return "\(file)\(place): \(path.isEmpty ? "the document" : "`\(path)`") is \(found)."
  }
  package var remedy: String { "Allowed: \(allowed)." }
}

/// Reads one value of a document and remembers its path, so that every complaint names key and line.
package struct DocumentReader {
  package let document: SourceDocument
  package let path: String
  package let value: JSONValue?

  package init(_ document: SourceDocument) {
    self.init(document: document, path: "", value: document.value)
  }
  private init(document: SourceDocument, path: String, value: JSONValue?) {
    self.document = document
    self.path = path
    self.value = value
  }

  package func error(_ found: String, allowed: String) -> DocumentError {
    let mark = document.mark(path)
    return DocumentError(
      file: document.name, path: path, line: mark?.line, column: mark?.column, found: found, allowed: allowed)
  }

  package subscript(key: String) -> DocumentReader {
    DocumentReader(document: document, path: path.isEmpty ? key : "\(path).\(key)", value: value?[key])
  }

  package var isPresent: Bool { value != nil && value != .null }

  /// Refuses keys that nobody reads: a misspelled key must not be silently ignored.
  package func allow(_ keys: [String]) throws(DocumentError) {
    if let first = faults(allowing: keys).first { throw first }
  }

  /// All of those keys, or that it is no mapping.
  func faults(allowing keys: [String]) -> [DocumentError] {
    guard case .object(let members) = value ?? .null else {
      return [
        error(
          isPresent ? "not a mapping" : "missing", allowed: "a mapping with the keys " + keys.joined(separator: ", "))
      ]
    }
    return members.keys.sorted().filter { !keys.contains($0) }.map {
      self[$0].error("unknown here", allowed: keys.joined(separator: ", "))
    }
  }

  package func string(_ allowed: String = "a text") throws(DocumentError) -> String {
    guard let text = value?.string else { throw wrong(allowed) }
    return text
  }
  package func integer(in range: ClosedRange<Int>) throws(DocumentError) -> Int {
    guard let number = value?.integer, range.contains(Int(number)) else {
      throw wrong("an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return Int(number)
  }
  package func bool() throws(DocumentError) -> Bool {
    guard let flag = value?.bool else { throw wrong("true or false") }
    return flag
  }
  package func choice<Choice: RawRepresentable & CaseIterable>(
    _ type: Choice.Type
  ) throws(DocumentError) -> Choice where Choice.RawValue == String {
    guard let text = value?.string, let choice = Choice(rawValue: text) else {
      throw wrong(Choice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return choice
  }
  package func name<N: Name>(_ type: N.Type) throws(DocumentError) -> N {
    guard let text = value?.string, let name = N(rawValue: text) else {
      throw wrong("a name: 1 to 63 of a-z, 0-9, '.', '_' and '-'")
    }
    return name
  }
  /// The items of a list; an absent list is empty.
  package func items() throws(DocumentError) -> [DocumentReader] {
    guard isPresent else { return [] }
    guard case .array(let items) = value! else { throw wrong("a list") }
    return items.indices.map { DocumentReader(document: document, path: "\(path)[\($0)]", value: items[$0]) }
  }
  /// The members of a mapping by key; an absent mapping is empty.
  package func members() throws(DocumentError) -> [(key: String, reader: DocumentReader)] {
    guard isPresent else { return [] }
    guard case .object(let members) = value! else { throw wrong("a mapping") }
    return members.keys.sorted().map { ($0, self[$0]) }
  }

  private func wrong(_ allowed: String) -> DocumentError {
    switch value {
    case nil: error("missing", allowed: allowed)
    case .string(let text)?: error("\"\(text.prefix(60))\"", allowed: allowed)
    case .integer(let number)?: error("\(number)", allowed: allowed)
    case .bool(let flag)?: error("\(flag)", allowed: allowed)
    case .null?: error("empty", allowed: allowed)
    case .double?: error("a number with a fraction", allowed: allowed)
    case .array?: error("a list", allowed: allowed)
    case .object?: error("a mapping", allowed: allowed)
    }
  }
}
