/// What a tool's arguments or an instance's configuration may be: the part of JSON Schema 2020-12 that is needed for it. A
/// keyword that is not understood is refused when the schema is loaded, because ignoring it would let values pass.
package struct ArgumentSchema: Equatable, Sendable {
  /// Why a schema was not taken: the keyword and where it stands.
  package struct Fault: Error, Equatable {
    package let path: String
    package let keyword: String
    /// Nil when the keyword itself is not supported.
    package let reason: String?
  }
  /// Where arguments do not fit, and why, in words that follow "is".
  package struct Misfit: Error, Equatable {
    package let path: String
    package let reason: String

    package init(path: String, reason: String) {
      self.path = path
      self.reason = reason
    }
  }

  private let root: Node
  package init(_ schema: JSONValue) throws(Fault) { root = try Node(schema, path: "") }

  /// - Throws: The first misfit.
  package func check(_ arguments: JSONValue) throws(Misfit) {
    if let first = misfits(of: arguments, countMax: 1).first { throw first }
  }

  /// Every place where it does not fit, `countMax` at most; what is missing of an object stands before what is wrong in it.
  package func misfits(of value: JSONValue, countMax: Int = 20) -> [Misfit] {
    var found = Misfits(countMax: countMax)
    root.check(value, path: "", &found)
    return found.list
  }

  private struct Misfits {
    let countMax: Int
    var list: [Misfit] = []
    mutating func add(_ path: String, _ reason: String) {
      if list.count < countMax { list.append(Misfit(path: path, reason: reason)) }
    }
  }

  /// The keywords that are checked; those that only describe are let through.
  package static let keywords: Set<String> = [
    "type", "properties", "required", "additionalProperties", "minProperties", "items", "enum", "const", "minLength",
    "maxLength", "minimum", "maximum", "pattern",
  ]
  package static let annotations: Set<String> = ["$schema", "title", "description", "default", "examples"]
  package static let types: Set<String> = ["object", "array", "string", "integer", "number", "boolean", "null"]
}

extension ArgumentSchema {
  private indirect enum Others: Equatable, Sendable {
    case anything, nothing
    case fitting(Node)
  }

  private struct Node: Equatable, Sendable {
    var types: Set<String>?
    var properties: [String: Node] = [:]
    var required: [String] = []
    var others = Others.anything
    var items = Others.anything
    var choices: [JSONValue]?
    var propertiesMin = 0
    var lengthMin = 0
    var lengthMax = Int.max
    var minimum: Double?
    var maximum: Double?
    var pattern: ArgumentPattern?

    init(_ schema: JSONValue, path: String) throws(Fault) {
      guard let members = schema.object else {
        throw Fault(path: path, keyword: "schema", reason: "a schema must be an object")
      }
      for keyword in members.keys.sorted() {
        guard !annotations.contains(keyword) else { continue }
        guard keywords.contains(keyword) else { throw Fault(path: path, keyword: keyword, reason: nil) }
        try take(keyword, members[keyword]!, path: path)
      }
    }

    private mutating func take(_ keyword: String, _ value: JSONValue, path: String) throws(Fault) {
      func wrong(_ reason: String) -> Fault { Fault(path: path, keyword: keyword, reason: reason) }
      func count() throws(Fault) -> Int {
        guard let number = value.integer, number >= 0 else { throw wrong("must be a whole number from 0 on") }
        return Int(number)
      }
      func number() throws(Fault) -> Double {
        guard let number = value.double else { throw wrong("must be a number") }
        return number
      }
      switch keyword {
      case "type":
        let names = value.array?.compactMap(\.string) ?? [value.string].compactMap { $0 }
        guard !names.isEmpty, ArgumentSchema.types.isSuperset(of: names) else { throw wrong("names no type") }
        types = Set(names)
      case "properties":
        guard let members = value.object else { throw wrong("must be an object") }
        for name in members.keys.sorted() {
          properties[name] = try Node(members[name]!, path: ArgumentSchema.join(path, name))
        }
      case "required":
        guard let names = value.array, names.allSatisfy({ $0.string != nil }) else { throw wrong("must list names") }
        required = names.compactMap(\.string).sorted()
      case "additionalProperties": others = try others(value, path: ArgumentSchema.join(path, "*"))
      case "items": items = try others(value, path: path + "[]")
      case "enum":
        guard let values = value.array, !values.isEmpty else { throw wrong("must list values") }
        choices = values
      case "const": choices = [value]
      case "minProperties": propertiesMin = try count()
      case "minLength": lengthMin = try count()
      case "maxLength": lengthMax = try count()
      case "minimum": minimum = try number()
      case "maximum": maximum = try number()
      case "pattern":
        guard let text = value.string, let pattern = ArgumentPattern(text) else {
          throw wrong("must be ^…$ of characters and [classes], each once, ?, *, + or {m,n} times")
        }
        self.pattern = pattern
      default: preconditionFailure("\(keyword) is listed as checked, but nobody checks it")
      }
    }

    private func others(_ value: JSONValue, path: String) throws(Fault) -> Others {
      switch value {
      case .bool(true): .anything
      case .bool(false): .nothing
      default: .fitting(try Node(value, path: path))
      }
    }

    func check(_ value: JSONValue, path: String, _ found: inout Misfits) {
      if let types, !types.contains(where: { ArgumentSchema.isOf($0, value) }) {
        return found.add(path, "not of type " + types.sorted().joined(separator: " or "))
      }
      if let choices, !choices.contains(value) {
        found.add(path, "none of the \(choices.count) values that are allowed")
      }
      switch value {
      case .string(let text): check(text, path: path, &found)
      case .integer, .double:
        let number = value.double!
        if let minimum, number < minimum { found.add(path, "less than the minimum") }
        if let maximum, number > maximum { found.add(path, "more than the maximum") }
      case .object(let members): check(members, path: path, &found)
      case .array(let values):
        for (index, value) in values.enumerated() { check(value, by: items, path: "\(path)[\(index)]", &found) }
      case .null, .bool: break
      }
    }

    private func check(_ text: String, path: String, _ found: inout Misfits) {
      let length = text.unicodeScalars.count
      if length < lengthMin { found.add(path, "shorter than \(lengthMin) characters") }
      if length > lengthMax { return found.add(path, "longer than \(lengthMax) characters") }
      if let pattern, !pattern.fits(text) { found.add(path, "not written as \(pattern.text)") }
    }

    private func check(_ members: [String: JSONValue], path: String, _ found: inout Misfits) {
      for name in required where members[name] == nil { found.add(ArgumentSchema.join(path, name), "missing") }
      if members.count < propertiesMin { found.add(path, "an object with fewer than \(propertiesMin) members") }
      for name in members.keys.sorted() {
        let inner = ArgumentSchema.join(path, name)
        if let property = properties[name] {
          property.check(members[name]!, path: inner, &found)
        } else {
          check(members[name]!, by: others, path: inner, &found)
        }
      }
    }

    private func check(_ value: JSONValue, by others: Others, path: String, _ found: inout Misfits) {
      switch others {
      case .anything: break
      case .nothing: found.add(path, "not known here")
      case .fitting(let node): node.check(value, path: path, &found)
      }
    }
  }

  private static func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  private static func isOf(_ type: String, _ value: JSONValue) -> Bool {
    switch value {
    case .null: type == "null"
    case .bool: type == "boolean"
    case .integer: type == "integer" || type == "number"
    case .double: type == "number"
    case .string: type == "string"
    case .array: type == "array"
    case .object: type == "object"
    }
  }
}
