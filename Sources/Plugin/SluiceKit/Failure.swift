/// Why an operation failed, as the host acts on it. Throw it from any operation.
///
/// Never put a secret or personal data into the words.
public struct Failure: Error, Equatable {
  /// The ABI's error classes: what the host does next.
  public enum Class: Equatable, Sendable {
    /// The configuration cannot work: the instance pauses until an operator changes it.
    case config
    /// The upstream refused the credential: the host refreshes it once, then asks the operator.
    case auth
    /// The upstream asked to slow down, for so many milliseconds; nil when it did not say how long.
    case rateLimited(retryAfterMs: Int64?)
    /// It may work later: the host retries from the last durable checkpoint.
    case transient
    /// It will not work however often it is tried: a person is asked.
    case permanent
    /// The plugin is wrong.
    case bug
  }

  /// What the host does about it.
  public let kind: Class
  /// Stable and dotted, such as `crm.cursor_expired`.
  public let code: String
  /// One sentence: what happened and what to do.
  public let message: String

  /// States a failure.
  public init(_ kind: Class, _ code: String, _ message: String) {
    self.kind = kind
    self.code = code
    self.message = message
  }

  /// The configuration cannot work.
  public static func config(_ code: String, _ message: String) -> Failure { Failure(.config, code, message) }
  /// The upstream refused the credential.
  public static func auth(_ code: String, _ message: String) -> Failure { Failure(.auth, code, message) }
  /// It may work later.
  public static func transient(_ code: String, _ message: String) -> Failure { Failure(.transient, code, message) }
  /// It will not work however often it is tried.
  public static func permanent(_ code: String, _ message: String) -> Failure { Failure(.permanent, code, message) }
}

/// Why the host refused or could not complete a call. Left uncaught, it becomes the right ``Failure`` by itself.
public struct HostError: Error, Equatable {
  /// What the host answered.
  public enum Reason: Equatable, Sendable {
    /// The operation is cancelled or past its deadline: return soon.
    case cancelled
    /// The manifest does not declare it, or this operation may not do it.
    case denied
    /// The manifest does not grant the extension.
    case notGranted
    /// A limit is exceeded; nothing of it was taken.
    case tooLarge
    /// An argument is malformed.
    case invalid
    /// Not allowed in this operation.
    case wrongState
    /// The slot has no usable credential.
    case auth
    /// The host's own throttle gave up waiting.
    case rateLimited
    /// No connection, a reset, or a time-out: of a request that may have been sent.
    case transient
    /// TLS or the address was refused.
    case permanent
    /// A status that this version does not know.
    case unexpected(Int32)
  }

  /// The call, such as `emit` or `http_open`.
  public let call: String
  /// What the host answered.
  public let reason: Reason
  /// For `emit`: how many records before the refused one were taken.
  public let accepted: Int

  /// Makes an error; for tests.
  public init(_ call: String, _ reason: Reason, accepted: Int = 0) {
    self.call = call
    self.reason = reason
    self.accepted = accepted
  }
}
