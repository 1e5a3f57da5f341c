/// Performs permitted actions in an outside system, and is honest about what it does not know.
public protocol Executor {
  /// How the library announces this executor.
  static var descriptor: Descriptor { get }

  /// Makes the executor from the instance's configuration. No requests may be made yet.
  init(config: Config) throws

  /// Checks configuration and credential with as few requests as possible.
  func check(_ host: any Host) throws

  /// Performs the action once.
  ///
  /// Throw only when nothing was sent. A request that was sent and not answered is ``Outcome/unknown(code:message:)``.
  func execute(_ action: Action, host: any Host) throws -> Outcome

  /// Finds out whether an earlier ``execute(_:host:)`` with `action.key` took effect. Reads only.
  func probe(_ action: Action, host: any Host) throws -> ProbeAnswer

  /// Says what ``execute(_:host:)`` would do, and changes nothing.
  func dryRun(_ action: Action, host: any Host) throws -> DryRunAnswer
}

/// One permitted call.
public struct Action: Sendable {
  /// An action of the manifest.
  public let name: String
  /// Its arguments, valid by the manifest's schema.
  public let input: JSON
  /// The idempotency key: the same for every try of the same permit.
  public let key: String

  /// Makes a call; for tests.
  public init(name: String, input: JSON, key: String) {
    self.name = name
    self.input = input
    self.key = key
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
