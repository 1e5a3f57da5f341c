/// Names that a manifest declares: of a source's streams, or of an executor's actions.
///
/// ```swift
/// enum Stream: String, ManifestName { case readings }
/// ```
public protocol ManifestName: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {}

/// The configuration of a plugin that has none: any key is refused.
public struct NoConfiguration: Decodable, Sendable {
  private enum NoKey: CodingKey {}

  /// Makes it; for tests.
  public init() {}

  /// Reads an object without members.
  public init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: NoKey.self) }
}

extension Failure {
  /// One key of the configuration cannot be used.
  /// - Parameters:
  ///   - key: As the operator wrote it.
  ///   - what: Such as `must be from 1 to 500`.
  public static func setting(_ key: String, _ what: String) -> Failure {
    .config("config.invalid", "`\(key)` \(what).")
  }
}

extension Decodable {
  /// Reads an instance's configuration: one small JSON object, already checked against the manifest's schema.
  /// - Throws: ``Failure`` of class config that names the key, so that an operator knows what to change.
  init(configuration bytes: [UInt8]) throws {
    do {
      let value = bytes.isEmpty ? JSON.object([]) : try JSON(parsing: bytes)
      guard value.members != nil else { throw Failure.config("config.invalid", "The configuration is no JSON object.") }
      self = try value.decodedStrictly()
    } catch let error as JSONError {
      throw Failure.config("config.invalid", "The configuration is no JSON: \(error).")
    } catch let error as JSONMismatch {
      throw Failure.setting(error.path, error.reason)
    }
  }
}
