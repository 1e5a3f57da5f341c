// SluiceKit: the plugin ABI as Swift. Comes in: the host's calls and tables. Goes out: what one connector type returns.
// It uses no Foundation, no Dispatch and no threads, and lets no Swift error cross the border.

/// Brings records in: one type, with its configuration and its streams. One value serves one instance of one tenant and runs one operation at a time.
///
/// Keep nothing that matters in memory: the worker may be ended between operations. What must survive goes into
/// checkpoints. Whatever an operation throws reaches the host as an error class: see ``Failure``.
public protocol Source {
  /// An instance's configuration; a key that it does not read is refused.
  associatedtype Configuration: Decodable = NoConfiguration
  /// The streams of the manifest.
  associatedtype Stream: ManifestName

  /// How the library announces this source.
  static var descriptor: Descriptor { get }

  /// Makes the source from the instance's configuration. No requests may be made yet.
  init(_ configuration: Configuration) throws

  /// Checks configuration and credential with as few requests as possible.
  func check(_ host: any Host) throws

  /// What this account offers.
  func discover(_ host: any Host) throws -> [StreamOffer<Stream>]

  /// Brings records of one stream from `pull.state` on, with checkpoints, and returns when it has caught up.
  func pull(_ pull: Pull<Stream>, host: any Host) throws
}

/// A source that also takes webhook deliveries: the extension `sluice.webhook/1`.
public protocol WebhookSource: Source {
  /// Turns one delivery into records: the same for the same delivery, which may come twice.
  func receive(_ delivery: Delivery, host: any Host) throws
}

/// A source that can write an old state anew: the extension `sluice.state-migrate/1`.
public protocol StateMigrating: Source {
  /// Writes `old` in the format of today: the same place in the same stream, with today's version.
  ///
  /// A function of `old` alone. A state that is of today already is returned as it is; of one whose version nobody
  /// knows, throw a permanent ``Failure``: the host keeps it and asks an operator.
  func migrate(_ old: StoredState<Stream>) throws -> StoredState<Stream>
}

/// What a checkpoint kept of a stream.
public struct StoredState<Stream: ManifestName>: Equatable, Sendable {
  /// The stream that it is a place in.
  public let stream: Stream
  /// Opaque to the host; not empty.
  public let bytes: [UInt8]
  /// The plugin's own version of the format of `bytes`.
  public let version: UInt32

  /// Names a state.
  public init(stream: Stream, bytes: [UInt8], version: UInt32) {
    self.stream = stream
    self.bytes = bytes
    self.version = version
  }
}

/// Names one source or executor of a library.
public struct Descriptor: Sendable {
  /// Unique in the library, such as `crm`.
  public let id: String
  /// For people.
  public let name: String
  /// The plugin's semantic version.
  public let version: String

  /// Names a source or an executor.
  public init(id: String, name: String, version: String) {
    self.id = id
    self.name = name
    self.version = version
  }
}

/// One stream that ``Source/discover(_:)`` found.
public struct StreamOffer<Stream: ManifestName>: Sendable {
  /// The stream.
  public let stream: Stream
  /// JSON Schema of a record's payload.
  public let schema: JSON

  /// Offers a stream.
  public init(_ stream: Stream, schema: JSON) {
    self.stream = stream
    self.schema = schema
  }
}

/// What a pull is asked to do.
public struct Pull<Stream: ManifestName>: Sendable {
  /// The stream to pull.
  public let stream: Stream
  /// The last durable state; nil means "from the beginning".
  public let state: [UInt8]?
  /// As given with that state.
  public let stateVersion: UInt32

  /// Asks for a pull; for tests.
  public init(_ stream: Stream, state: [UInt8]? = nil, stateVersion: UInt32 = 1) {
    self.stream = stream
    self.state = state
    self.stateVersion = stateVersion
  }
}

/// A webhook delivery that the host has already verified, stored and answered.
public struct Delivery: Sendable {
  /// Unique; the same id may come twice.
  public let id: String
  /// When the host received it, in milliseconds since 1970.
  public let receivedAtMs: Int64
  /// The request's method. This, the query and the headers hold what the manifest declares, and are empty otherwise.
  public let method: String
  /// Below the instance's own webhook address; empty, as a host of 1.0 takes nothing below it.
  public let path: String
  /// Without "?".
  public let query: String
  /// Names in lower case.
  public let headers: [HTTPHeader]
  /// The request's body.
  public let body: [UInt8]

  /// Makes a delivery; for tests.
  public init(
    id: String, receivedAtMs: Int64 = 0, method: String = "POST", path: String = "", query: String = "",
    headers: [HTTPHeader] = [], body: [UInt8]
  ) {
    self.id = id
    self.receivedAtMs = receivedAtMs
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
  }
}
