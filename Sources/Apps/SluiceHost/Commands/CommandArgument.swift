import CanonicalJSON
package import Domain

/// What a command takes besides its tenant: a name, and of which type. What is not declared, or of another type, is refused:
/// who misspells `reason` would believe that it was kept.
package struct CommandArgument: Sendable {
  enum Kind: String, Sendable {
    case text = "a text"
    /// A query of a GET is text: digits count.
    case number = "a whole number"
    case flag = "true or false"
    case list = "a list"
    case object = "an object"
    /// The command says itself what fits, place by place.
    case anything = "anything"
  }
  let name: String
  let kind: Kind

  static func text(_ name: String) -> CommandArgument { .init(name: name, kind: .text) }
  static func number(_ name: String) -> CommandArgument { .init(name: name, kind: .number) }
  static func flag(_ name: String) -> CommandArgument { .init(name: name, kind: .flag) }
  static func list(_ name: String) -> CommandArgument { .init(name: name, kind: .list) }
  static func object(_ name: String) -> CommandArgument { .init(name: name, kind: .object) }
  static func anything(_ name: String) -> CommandArgument { .init(name: name, kind: .anything) }

  private static let tenant = text("tenant")

  /// An argument that is null is none.
  /// - Throws: `CommandError.badArgument`, `.unknownArgument`.
  static func check(_ arguments: JSONValue, of command: String, takes declared: [CommandArgument]) throws(CommandError)
  {
    guard let members = arguments.object else { throw .noArguments(found: said(arguments)) }
    let known = declared + [tenant]
    for (name, value) in members.sorted(by: { $0.key < $1.key }) {
      guard let argument = known.first(where: { $0.name == name }) else {
        throw .unknownArgument(name, command: command, known: known.map(\.name))
      }
      guard value.isNull || argument.fits(value) else {
        throw .badArgument(name, found: said(value), allowed: argument.kind.rawValue)
      }
    }
  }

  /// - Throws: `CommandError.missing`, `.badArgument`.
  static func tenant(in arguments: JSONValue) throws -> TenantID {
    guard arguments.object != nil else { throw CommandError.noArguments(found: said(arguments)) }
    guard let value = arguments[tenant.name], !value.isNull else { throw CommandError.missing(tenant.name) }
    guard let text = value.string else {
      throw CommandError.badArgument(tenant.name, found: said(value), allowed: tenant.kind.rawValue)
    }
    return try TenantID(parsing: text)
  }

  /// What JSON of ours cannot carry, found before it is sent: the host could not read the line.
  /// - Throws: `CommandError.badArgument`.
  package static func checkNumbers(_ value: JSONValue, _ path: String = "") throws(CommandError) {
    switch value {
    case .integer(let number) where number.magnitude > (1 << 53) - 1:
      throw .badArgument(path, found: "\(number)", allowed: "a number within ±(2^53 − 1)")
    case .array(let items):
      for (index, item) in items.enumerated() { try checkNumbers(item, "\(path)[\(index)]") }
    case .object(let members):
      for (name, member) in members { try checkNumbers(member, path.isEmpty ? name : "\(path).\(name)") }
    default: break
    }
  }

  private func fits(_ value: JSONValue) -> Bool {
    switch kind {
    case .text: value.string != nil
    case .number: value.integer != nil || value.string.flatMap { Int64($0) } != nil
    case .flag: value.bool != nil
    case .list: value.array != nil
    case .object: value.object != nil
    case .anything: true
    }
  }

  /// By its type: what was given may be long, or a secret in the wrong place.
  private static func said(_ value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool: "true or false"
    case .integer, .double: "a number"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
