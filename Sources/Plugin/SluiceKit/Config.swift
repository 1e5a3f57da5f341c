/// An instance's configuration: one small JSON object, already checked against the manifest's schema.
///
/// Each reader names the key in its error, so that an operator knows what to change.
public struct Config: Sendable {
  private let object: JSON

  /// Reads the object.
  /// - Throws: ``Failure`` of class config.
  public init(parsing bytes: [UInt8]) throws {
    do {
      let value = bytes.isEmpty ? JSON.object([]) : try JSON(parsing: bytes)
      guard value.members != nil else { throw Failure.config("config.invalid", "The configuration is no JSON object.") }
      object = value
    } catch let error as JSONError {
      throw Failure.config("config.invalid", "The configuration is no JSON: \(error).")
    }
  }

  /// Refuses keys that nobody reads: a misspelled key must not be silently ignored.
  public func allow(_ keys: String...) throws {
    for member in object.members ?? [] where !keys.contains(member.name) {
      throw wrong(member.name, "is unknown; known are " + keys.joined(separator: ", "))
    }
  }

  /// A whole number inside `range`.
  public func integer(_ key: String, in range: ClosedRange<Int>, default standard: Int? = nil) throws -> Int {
    guard let value = try present(key, orElse: standard) else { return standard! }
    guard let number = value.integer.flatMap({ Int(exactly: $0) }), range.contains(number) else {
      throw wrong(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A text.
  public func string(_ key: String, default standard: String? = nil) throws -> String {
    guard let value = try present(key, orElse: standard) else { return standard! }
    guard let text = value.string else { throw wrong(key, "must be a text") }
    return text
  }

  /// True or false.
  public func bool(_ key: String, default standard: Bool? = nil) throws -> Bool {
    guard let value = try present(key, orElse: standard) else { return standard! }
    guard let flag = value.bool else { throw wrong(key, "must be true or false") }
    return flag
  }

  /// The value as it is, for what is neither of the above.
  public subscript(key: String) -> JSON? { object[key] }

  /// - Returns: nil when the key is absent and there is a standard value.
  private func present(_ key: String, orElse standard: Any?) throws -> JSON? {
    if let value = object[key] { return value }
    guard standard != nil else { throw wrong(key, "is missing") }
    return nil
  }

  private func wrong(_ key: String, _ what: String) -> Failure {
    .config("config.invalid", "`\(key)` \(what).")
  }
}
