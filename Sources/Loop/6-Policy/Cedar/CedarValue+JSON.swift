package import Domain

extension Cedar {
  /// The members of an optional object in the order of their names, so that the first fault is always the same one.
  static func sortedMembers(_ json: JSONValue?, path: String) throws(PolicyError) -> [(Text, JSONValue)] {
    guard let json else { return [] }
    guard let members = json.object else {
      throw .valueInvalid(path: path, reason: "it must be an object, not \(jsonKind(json))")
    }
    return members.map { (Text($0), $1) }.sorted { $0.0 < $1.0 }
  }

  /// `A::B`: identifiers that are no reserved words.
  static func isTypeName(_ name: String) -> Bool {
    guard var parser = try? Parser(source: "", text: name), let path = try? parser.path("a type") else { return false }
    return parser.isAtEnd && path == name
  }
}

extension Cedar.Value {
  /// Reads a value in [Cedar's JSON](https://docs.cedarpolicy.com/auth/entities-syntax.html#attributes).
  ///
  /// - Parameters:
  ///   - type: The declared type, when there is one. It decides what an unmarked object or string means; it is not
  ///     enforced where the JSON says plainly what it is.
  ///   - path: Where the value stands, for errors.
  package init(json: JSONValue, type: Cedar.SchemaType? = nil, path: String) throws(PolicyError) {
    switch json {
    case .null: throw .valueInvalid(path: path, reason: "Cedar has no null; leave the member out")
    case .double: throw .valueInvalid(path: path, reason: "Cedar has no fractions; write a decimal")
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .long(value)
    case .string(let text):
      guard let function = type?.constructor else {
        self = .string(Cedar.Text(text))
        return
      }
      self = try Cedar.Value.make(function, text, path)
    case .array(let items):
      var elementType: Cedar.SchemaType?
      if case .set(let declared)? = type { elementType = declared }
      var members: Set<Cedar.Value> = []
      for (i, item) in items.enumerated() {
        members.insert(try Cedar.Value(json: item, type: elementType, path: "\(path)[\(i)]"))
      }
      self = .set(members)
    case .object(let members):
      self = try Cedar.Value.object(json, members, type, path)
    }
  }

  private static func object(
    _ json: JSONValue, _ members: [String: JSONValue], _ type: Cedar.SchemaType?, _ path: String
  ) throws(PolicyError) -> Cedar.Value {
    if members["__expr"] != nil { throw .valueInvalid(path: path, reason: "`__expr` is not supported") }
    var declared: [Cedar.Text: Cedar.Schema.Attribute] = [:]
    switch type {
    case .entity: return .entity(try Cedar.EntityUID(json: json, path: path))
    case let type? where type.constructor != nil: return try call(members["__extn"] ?? json, path)
    case .record(let attributes): declared = attributes
    default:
      if members["__entity"] != nil { return .entity(try Cedar.EntityUID(json: json, path: path)) }
      if let call = members["__extn"] { return try self.call(call, path) }
    }
    var record: [Cedar.Text: Cedar.Value] = [:]
    for (name, value) in try Cedar.sortedMembers(json, path: path) {
      record[name] = try Cedar.Value(json: value, type: declared[name]?.type, path: "\(path).\(name)")
    }
    return .record(record)
  }

  /// `{"fn": "ip", "arg": "10.0.0.1"}`, or `args` with a list of them.
  private static func call(_ json: JSONValue, _ path: String) throws(PolicyError) -> Cedar.Value {
    guard let name = json["fn"]?.string, let function = Cedar.ExtensionFunction(rawValue: name),
      let arguments = json["args"]?.array ?? json["arg"].map({ [$0] })
    else {
      throw .valueInvalid(path: path, reason: "an extension value must be {\"fn\": a known function, \"arg\": …}")
    }
    var values: [Cedar.Value] = []
    for (i, argument) in arguments.enumerated() {
      values.append(try Cedar.Value(json: argument, path: "\(path).args[\(i)]"))
    }
    do { return try function.apply(values) } catch { throw .valueInvalid(path: path, reason: error.message) }
  }

  private static func make(
    _ function: Cedar.ExtensionFunction, _ text: String, _ path: String
  ) throws(PolicyError) -> Cedar.Value {
    guard let value = Cedar.Value(extensionType: function, text: text) else {
      throw .valueInvalid(path: path, reason: "\(Cedar.quoted(text)) is no \(function.rawValue)")
    }
    return value
  }
}

extension Cedar.SchemaType {
  /// The function that makes a value of an extension type from text.
  fileprivate var constructor: Cedar.ExtensionFunction? {
    switch self {
    case .decimal: .decimal
    case .ip: .ip
    case .datetime: .datetime
    case .duration: .duration
    case .bool, .long, .string, .entity, .set, .record: nil
    }
  }
}
