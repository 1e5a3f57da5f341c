/// Performs permitted actions in an outside system: one type, with its configuration and its actions. It is honest about what it does not know.
public protocol Executor {
  /// An instance's configuration; a key that it does not read is refused.
  associatedtype Configuration: Decodable = NoConfiguration
  /// The actions of the manifest.
  associatedtype Action: ManifestName

  /// How the library announces this executor.
  static var descriptor: Descriptor { get }

  /// Makes the executor from the instance's configuration. No requests may be made yet.
  init(_ configuration: Configuration) throws

  /// Checks configuration and credential with as few requests as possible.
  func check(_ host: any Host) throws

  /// Performs the action once.
  ///
  /// Throw only when nothing was sent. A request that was sent and not answered is ``Outcome/unknown(code:message:)``.
  func execute(_ call: Call<Action>, host: any Host) throws -> Outcome

  /// Finds out whether an earlier ``execute(_:host:)`` with `call.key` took effect. Reads only.
  func probe(_ call: Call<Action>, host: any Host) throws -> ProbeAnswer

  /// Says what ``execute(_:host:)`` would do, and changes nothing.
  func dryRun(_ call: Call<Action>, host: any Host) throws -> DryRunAnswer
}

/// One permitted call.
public struct Call<Action: ManifestName>: Sendable {
  /// What is to be done.
  public let action: Action
  /// Its arguments, valid by the manifest's schema.
  public let input: JSON
  /// The idempotency key: the same for every try of the same permit.
  public let key: String

  /// Makes a call; for tests.
  public init(_ action: Action, input: JSON, key: String) {
    self.action = action
    self.input = input
    self.key = key
  }

  /// The arguments as a type; what it does not read is ignored, and was checked by the manifest's schema.
  /// - Throws: ``Failure`` of class permanent that names the argument: nothing was sent.
  public func arguments<Arguments: Decodable>(as type: Arguments.Type = Arguments.self) throws -> Arguments {
    do { return try input.decoded(as: type) } catch let error as JSONMismatch {
      throw Failure.permanent("plugin.bad_arguments", "Of the arguments of \(action.rawValue) \(error).")
    }
  }
}

/// What became of an action.
public enum Outcome: Equatable, Sendable {
  /// It is so; the JSON describes what was done.
  case done(JSON)
  /// The upstream refused; nothing changed.
  case rejected(code: String, message: String)
  /// Nothing changed; try again after so many milliseconds, or nil when nobody said how many.
  case retryAfter(ms: Int64?, message: String)
  /// It may or may not be so: the host will probe, then ask a person.
  case unknown(code: String, message: String)
}

/// What a probe found.
public enum ProbeAnswer: Equatable, Sendable {
  /// The effect exists; the JSON is what ``Outcome/done(_:)`` would have said.
  case done(JSON)
  /// The effect does not exist now.
  case absent
  /// Nobody can tell.
  case cannotTell(message: String)
}

/// What an action would do.
public enum DryRunAnswer: Equatable, Sendable {
  /// It would do this.
  case would(JSON)
  /// The upstream would refuse it.
  case rejected(code: String, message: String)
  /// This executor cannot say.
  case unsupported
}
