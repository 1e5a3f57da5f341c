/// The host, as a plugin sees it: all that it can reach.
///
/// Calls block and are cancellable: once the operation is cancelled or past its deadline, every call that can throw
/// throws ``HostError/Reason/cancelled``. Connectors take `any Host`, so a test can play the host.
public protocol Host: AnyObject {
  /// Hands records of one stream to the host, in order. Waits for credit; never drops.
  func emit(_ records: [Record], to stream: String) throws(HostError)

  /// Orders a checkpoint after every record emitted before it.
  func checkpoint(_ checkpoint: Checkpoint) throws(HostError)

  /// Waits until every record and checkpoint so far is durable. Only then acknowledge or delete upstream.
  func waitDurable() throws(HostError)

  /// Writes one structured line. `code` is stable and dotted, `message` one sentence.
  func log(_ level: LogLevel, _ code: String, _ message: String, fields: [LogField])

  /// Milliseconds of a clock. Use no other: time that did not come from here cannot be replayed.
  func now(_ clock: HostClock) throws(HostError) -> Int64

  /// Random bytes. Use no other source: they could not be replayed.
  func random(count: Int) throws(HostError) -> [UInt8]

  /// Whether the operation is cancelled or past its deadline. Cheap; ask in long loops.
  var isCancelled: Bool { get }

  /// Milliseconds left before the deadline; nil when there is none.
  var timeLeftMs: Int64? { get }

  /// Sends a request and waits for the head of the response; the body is read with ``read(_:bytesMax:)``.
  /// A response of any status is a response. Close it.
  func open(_ request: HTTPRequest) throws(HostError) -> HTTPHead

  /// The next part of the body: 1 to `bytesMax` bytes, or none at its end.
  func read(_ head: HTTPHead, bytesMax: Int) throws(HostError) -> [UInt8]

  /// Ends a response, read to its end or not.
  func close(_ head: HTTPHead)

  /// Sends a request and waits for the whole response, of at most 1 MiB.
  func send(_ request: HTTPRequest) throws(HostError) -> HTTPResponse

  /// Tells the host's throttle what the upstream said about its limits. Only lowers the rate.
  func hint(_ hint: RateHint) throws(HostError)
}

extension Host {
  /// Hands records of one stream to the host, in order. Waits for credit; never drops.
  public func emit<Stream: ManifestName>(_ records: [Record], to stream: Stream) throws(HostError) {
    try emit(records, to: stream.rawValue)
  }

  /// Writes one line without fields.
  public func log(_ level: LogLevel, _ code: String, _ message: String) { log(level, code, message, fields: []) }
}

/// One change of one object of one stream.
public struct Record: Equatable, Sendable {
  /// What a record does to its key.
  public enum Operation: Equatable, Sendable {
    /// The payload is the whole object.
    case upsert
    /// The object is gone; the payload may be empty.
    case delete
  }

  /// Identifies the object in its stream: 1 to 1024 bytes.
  public var key: String
  /// Upsert or delete.
  public var operation: Operation
  /// One JSON value in UTF-8.
  public var payload: [UInt8]
  /// When it happened at the source, in milliseconds since 1970; nil when unknown.
  public var eventTimeMs: Int64?
  /// Orders versions of one key; 0 when the source has no such number.
  public var sourceOrdinal: UInt64
  /// Opaque: an ETag, a revision; may be empty.
  public var sourceVersion: String

  /// Makes a record.
  public init(
    key: String, operation: Operation = .upsert, payload: [UInt8], eventTimeMs: Int64? = nil, sourceOrdinal: UInt64 = 0,
    sourceVersion: String = ""
  ) {
    self.key = key
    self.operation = operation
    self.payload = payload
    self.eventTimeMs = eventTimeMs
    self.sourceOrdinal = sourceOrdinal
    self.sourceVersion = sourceVersion
  }
}

/// A place in a stream from which a later pull continues.
public struct Checkpoint: Equatable, Sendable {
  /// A name from the manifest.
  public var stream: String
  /// Opaque to the host.
  public var state: [UInt8]
  /// The plugin's own version of the format of `state`.
  public var stateVersion: UInt32
  /// The stream is complete up to this business time, in milliseconds since 1970; nil when nothing is claimed.
  public var watermarkMs: Int64?

  /// Makes a checkpoint.
  public init<Stream: ManifestName>(
    stream: Stream, state: [UInt8], stateVersion: UInt32 = 1, watermarkMs: Int64? = nil
  ) {
    self.stream = stream.rawValue
    self.state = state
    self.stateVersion = stateVersion
    self.watermarkMs = watermarkMs
  }
}

/// How urgent a log line is.
public enum LogLevel: UInt32, Sendable {
  /// For whoever writes the plugin.
  case debug = 1
  /// Something worth knowing.
  case info = 2
  /// Something an operator should look at.
  case warning = 3
  /// Something that did not work.
  case error = 4
}

/// One name and value of a log line.
public struct LogField: Equatable, Sendable {
  /// The field's name.
  public let name: String
  /// The field's value.
  public let value: String

  /// Names a value.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// A clock of the host.
public enum HostClock: UInt32, Sendable {
  /// Milliseconds since 1970; may jump.
  case wall = 1
  /// Milliseconds since an arbitrary start; never goes back.
  case monotonic = 2
}

/// What the upstream said about its own limits.
public struct RateHint: Equatable, Sendable {
  /// A name of the manifest.
  public let endpoint: String
  /// Requests per window.
  public let limit: Int64?
  /// Requests left in this window.
  public let remaining: Int64?
  /// When the window ends, in milliseconds since 1970.
  public let resetAtMs: Int64?

  /// Makes a hint.
  public init(endpoint: String, limit: Int64? = nil, remaining: Int64? = nil, resetAtMs: Int64? = nil) {
    self.endpoint = endpoint
    self.limit = limit
    self.remaining = remaining
    self.resetAtMs = resetAtMs
  }
}
