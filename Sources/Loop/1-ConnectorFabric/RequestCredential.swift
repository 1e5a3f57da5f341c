import Cryptography
import Domain

/// A request as it leaves, but for its credential.
package struct RequestTarget: Sendable {
  package let method: String
  /// `https` or `http`.
  package let scheme: String
  /// As the `Host` header has it: with its port unless that is the scheme's own.
  package let authority: String
  /// With the endpoint's base path; percent-encoded as it is sent.
  package let path: String
  /// Without "?".
  package let query: String
  package let headers: [PluginRequest.Header]
  package let body: [UInt8]
  package let base: String
  /// Scheme, host and port: one upstream, however it is written.
  package var origin: String { "\(scheme)://\(authority)".lowercased() }

  /// - Parameter base: Scheme, host, optional port and base path, as an endpoint or its override has it.
  package init(
    method: String, base: String, path: String, query: String, headers: [PluginRequest.Header], body: [UInt8]
  ) {
    let parts = base.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    let ports = ["https:": ":443", "http:": ":80"]
    let host = parts.count > 2 ? String(parts[2]) : ""
    let own = ports[String(parts[0])] ?? ""
    self.method = method
    self.base = base
    scheme = String(parts[0].dropLast())
    authority = !own.isEmpty && host.hasSuffix(own) ? String(host.dropLast(own.utf8.count)) : host
    self.path = (parts.count > 3 ? "/" + parts[3] : "") + path
    self.query = query
    self.headers = headers
    self.body = body
    requestPath = path
  }
  private let requestPath: String

  package func url(query: String) -> String { base + requestPath + (query.isEmpty ? "" : "?" + query) }
}

/// What a slot adds to one request.
package struct RequestCredential: Sendable {
  package private(set) var headers: [PluginRequest.Header] = []
  /// The query as it is to be sent.
  package private(set) var query: String
  /// Certificate and private key for TLS, PEM.
  package private(set) var identity: [UInt8]?
  /// What of it an upstream could give back.
  package private(set) var echoes: [[UInt8]] = []

  /// - Parameters:
  ///   - token: The access token, where the scheme is OAuth 2.
  ///   - nowMs: Wall time, for what is signed.
  ///   - base64: RFC 4648, 4.
  package init(
    _ scheme: SlotScheme, _ secret: SlotSecret, token: [UInt8]?, for target: RequestTarget, nowMs: Int64,
    base64: ([UInt8]) -> [UInt8]
  ) {
    query = target.query
    switch (scheme, secret) {
    case (.bearer, .text(let bytes)): authorize("Bearer ", bytes)
    case (.basic, .text(let bytes)):
      authorize("Basic ", base64(bytes))
      echoes.append(bytes)
    case (.header(let name), .text(let bytes)):
      headers.append(.init(name, String(decoding: bytes, as: UTF8.self)))
      echoes.append(bytes)
    case (.query(let name), .text(let bytes)):
      query += (query.isEmpty ? "" : "&") + "\(name)=" + PercentEncoding.encode(bytes)
      echoes.append(bytes)
    case (.hmac(let signing), .key(let id, let key)): sign(signing, id: id, key: key, target, nowMs, base64)
    case (.oauth2, .client(_, let clientSecret, let refreshToken)):
      authorize("Bearer ", token ?? [])
      echoes += [clientSecret, refreshToken].compactMap { $0.map { Array($0.utf8) } }
    case (.sigv4(let service, let region), .aws(let id, let key, let session)):
      let signed = AWSSignature(
        target, keys: .init(id: id, key: key, session: session), service: service, region: region, nowMs: nowMs)
      headers += signed.headers
      query = signed.query
      echoes += [Array(key.utf8), Array(signed.signature.utf8)] + (session.map { [Array($0.utf8)] } ?? [])
    case (.mtls, .identity(let pem)): identity = pem
    default: preconditionFailure("the secret was read for another scheme")
    }
  }

  private mutating func authorize(_ kind: String, _ bytes: [UInt8]) {
    headers.append(.init("Authorization", kind + String(decoding: bytes, as: UTF8.self)))
    echoes.append(bytes)
  }

  private mutating func sign(
    _ signing: SlotScheme.Signing, id: String?, key: [UInt8], _ target: RequestTarget, _ nowMs: Int64,
    _ base64: ([UInt8]) -> [UInt8]
  ) {
    let time = WallTime(ms: nowMs).text(signing.time)
    let keyID = Array((id ?? "").utf8)
    func value(_ name: SigningTemplate.Name) -> [UInt8] {
      switch name {
      case .method: Array(target.method.utf8)
      case .path: Array(target.path.utf8)
      case .query: Array(target.query.utf8)
      case .body: target.body
      case .bodyHash: Array(SHA256.digest(target.body).hex.utf8)
      case .timestamp: Array(time.utf8)
      case .keyID: keyID
      }
    }
    let code = signing.algorithm.authenticationCode(for: signing.text.filled(value), key: key)
    let signature = signing.encoding == .hex ? Array(Hex.encode(code).utf8) : base64(code)
    headers.append(.init(signing.header, String(decoding: signing.prefix.filled(value) + signature, as: UTF8.self)))
    if let name = signing.timeHeader { headers.append(.init(name, time)) }
    if let name = signing.keyIDHeader { headers.append(.init(name, id ?? "")) }
    echoes += [key, signature]
  }
}

/// A time of the wall clock as signatures write it.
struct WallTime {
  private let ms: Int64
  init(ms: Int64) { self.ms = ms }

  func text(_ form: SlotScheme.Signing.Time) -> String {
    switch form {
    case .seconds: String(ms / 1000)
    case .milliseconds: String(ms)
    case .rfc3339: "\(day)T\(clock(":"))Z"
    }
  }

  /// `20150830T123600Z` (ISO 8601, basic).
  var basic: String { dayBasic + "T" + clock("") + "Z" }
  var dayBasic: String { day.description.filter { $0 != "-" } }

  private var day: BusinessDay { BusinessDay(number: Int(ms / 86_400_000)) }

  private func clock(_ separator: String) -> String {
    let seconds = ms / 1000 % 86_400
    return [seconds / 3600, seconds / 60 % 60, seconds % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
      .joined(separator: separator)
  }
}
