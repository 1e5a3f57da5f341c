/// A request to an endpoint of the manifest. The host adds the credential; a plugin never sees one.
public struct HTTPRequest: Equatable, Sendable {
  /// A name of the manifest, not an address.
  public var endpoint: String
  /// The credential slot; nil for none.
  public var slot: String?
  /// `GET`, `POST`…
  public var method: String
  /// Starts with "/"; matched against the manifest's templates. See `segment`.
  public var path: String
  /// Encoded by the kit. A write has only what the manifest names.
  public var query: [(name: String, value: String)]
  /// `Accept`, `Content-Type` and what the manifest declares; the host refuses a request with any other.
  public var headers: [HTTPHeader]
  /// At most 768 KiB.
  public var body: [UInt8]
  /// nil, or in a write the action's key, which the host sends anyway where the manifest says.
  public var idempotencyKey: String?

  /// Makes a request.
  public init(
    _ method: String, _ path: String, query: [(name: String, value: String)] = [], endpoint: String, slot: String?,
    headers: [HTTPHeader] = [], body: [UInt8] = [], idempotencyKey: String? = nil
  ) {
    self.endpoint = endpoint
    self.slot = slot
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
    self.idempotencyKey = idempotencyKey
  }

  /// The query as it is sent, without "?".
  public var queryText: String {
    query.map { "\(Self.encoded($0.name))=\(Self.encoded($0.value))" }.joined(separator: "&")
  }

  /// Requests are equal when they say the same.
  public static func == (left: HTTPRequest, right: HTTPRequest) -> Bool {
    left.endpoint == right.endpoint && left.slot == right.slot && left.method == right.method
      && left.path == right.path && left.queryText == right.queryText && left.headers == right.headers
      && left.body == right.body && left.idempotencyKey == right.idempotencyKey
  }

  /// One segment of a path, in the one spelling that the host takes: what may stand there plainly does, all else is encoded.
  /// The host refuses a segment of "/", "\", "%" or a control character, and one that says nothing but dots and spaces.
  public static func segment(_ text: String) -> String { encoded(text, alsoPlain: ":@!$'()*+,=") }

  /// Percent-encodes all but RFC 3986's unreserved characters, for a query.
  static func encoded(_ text: String, alsoPlain: StaticString = "") -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      if isUnreserved(byte) || alsoPlain.withUTF8Buffer({ $0.contains(byte) }) {
        bytes.append(byte)
      } else {
        bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
    default: false
    }
  }
}

/// One header.
public struct HTTPHeader: Equatable, Sendable {
  /// Of a response: in lower case.
  public let name: String
  /// The header's value.
  public let value: String

  /// Names a value.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// The head of a response whose body is still to be read.
public struct HTTPHead: Equatable, Sendable {
  /// Names the open response.
  public let handle: UInt32
  /// 100 to 599.
  public let status: Int
  /// Names in lower case.
  public let headers: [HTTPHeader]

  /// Makes a head; for tests.
  public init(handle: UInt32, status: Int, headers: [HTTPHeader] = []) {
    self.handle = handle
    self.status = status
    self.headers = headers
  }
}

/// A whole response.
public struct HTTPResponse: Equatable, Sendable {
  /// 100 to 599.
  public let status: Int
  /// Names in lower case.
  public let headers: [HTTPHeader]
  /// The whole body.
  public let body: [UInt8]

  /// Makes a response; for tests.
  public init(status: Int, headers: [HTTPHeader] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// The first header of that name, which is given in lower case.
  public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// How long the upstream asked to wait. Only `Retry-After` in seconds is read, not as a date.
  public var retryAfterMs: Int64? {
    guard let seconds = header("retry-after").flatMap({ Int64($0) }), (0...86_400).contains(seconds) else { return nil }
    return seconds * 1000
  }

  /// What a status that is no success means to the host; nil when it is one (200 to 299).
  ///
  /// - Parameter system: Begins the code, such as `crm` in `crm.unauthorized`.
  public func failure(of system: String) -> Failure? {
    switch status {
    case 200...299: nil
    case 401, 403:
      .auth("\(system).unauthorized", "The upstream refused the credential with status \(status); set a new one.")
    case 404:
      .config("\(system).not_found", "The upstream has no such address (404); check the endpoint's base address.")
    case 429:
      Failure(
        .rateLimited(retryAfterMs: retryAfterMs), "\(system).rate_limited",
        "The upstream asked to slow down (429), again and again.")
    case 408, 425, 500...599:
      .transient("\(system).unavailable", "The upstream answered with status \(status); it is tried again later.")
    default:
      .permanent("\(system).unexpected_status", "The upstream answered with status \(status), which it should not.")
    }
  }
}

extension HTTPResponse {
  /// The response itself when its status is a success, 200 to 299.
  /// - Throws: What ``failure(of:)`` says of any other.
  public func success(of system: String) throws -> HTTPResponse {
    if let failure = failure(of: system) { throw failure }
    return self
  }

  /// The body, read as JSON.
  /// - Throws: ``JSONError``; left uncaught, it is a transient failure: the upstream sent what is no JSON.
  public func json() throws -> JSON { try JSON(parsing: body) }
}

extension Host {
  /// Sends a request that may be repeated, and reads the whole response in bounded windows.
  ///
  /// A 429 is repeated at once: the host holds the next request back for as long as the upstream asked.
  /// - Parameters:
  ///   - bytesMax: A larger body is refused, before it is all read.
  ///   - attemptsMax: How often at most it is sent; then the last 429 is returned.
  /// - Throws: `HostError`, with `tooLarge` for a body above `bytesMax`.
  public func fetch(
    _ request: HTTPRequest, bytesMax: Int = 32 << 20, attemptsMax: Int = 3
  ) throws(HostError) -> HTTPResponse {
    var response = try fetchOnce(request, bytesMax: bytesMax)
    var attempts = 1
    while response.status == 429, attempts < attemptsMax {
      response = try fetchOnce(request, bytesMax: bytesMax)
      attempts += 1
    }
    return response
  }

  private func fetchOnce(_ request: HTTPRequest, bytesMax: Int) throws(HostError) -> HTTPResponse {
    let head = try open(request)
    defer { close(head) }
    var body: [UInt8] = []
    while true {
      let part = try read(head, bytesMax: 256 << 10)
      if part.isEmpty { return HTTPResponse(status: head.status, headers: head.headers, body: body) }
      guard body.count + part.count <= bytesMax else { throw HostError("http_read", .tooLarge) }
      body += part
    }
  }
}
