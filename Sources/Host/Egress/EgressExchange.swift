internal import CCurl
import Glibc

/// One request and its response. The body is read as it is asked for; libcurl is paused while the window is full.
///
/// Confined to the loop's thread.
package final class EgressExchange {
  package typealias Head = (status: Int, headers: [(name: String, value: String)])
  static let windowBytes = 256 * 1024
  static let headerBytesMax = 256 * 1024

  let handle: OpaquePointer
  private(set) var request: EgressRequest
  private unowned let client: EgressClient
  private var answered: ((Result<Head, EgressFailure>) -> Void)?
  private var headers: [(name: String, value: String)] = []
  private var lists: [UnsafeMutablePointer<curl_slist>] = []
  private var errorText = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
  private var window: [UInt8] = []
  private var receivedBytes = 0
  private var isPaused = false
  private(set) var isCancelled = false
  private(set) var headerBytes = 0
  private var end: Result<Void, EgressFailure>?
  private var waiting: (bytesMax: Int, reader: (Result<(part: [UInt8], isEnd: Bool), EgressFailure>) -> Void)?
  private var refusal: EgressFailure?
  /// Why the request was not sent, as far as is known, once that is asked by a handshake alone.
  var unsent: EgressFailure?
  var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(handle) }
  /// The host of the request, for errors and metrics.
  package let host: String

  init(request: EgressRequest, client: EgressClient, answered: @escaping (Result<Head, EgressFailure>) -> Void) {
    self.request = request
    self.client = client
    self.answered = answered
    handle = OpaquePointer(curl_easy_init())
    let parts = request.url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    host = parts.count > 2 ? String(parts[2]) : EgressExchange.shown(request.url)
  }

  /// The host of the request without its port.
  var name: String {
    host.hasPrefix("[")
      ? String(host.dropFirst().prefix { $0 != "]" }) : String(host.prefix { $0 != ":" })
  }
  private var port: Int {
    let digits = host.hasPrefix("[") ? host.drop { $0 != "]" }.dropFirst(2) : host.drop { $0 != ":" }.dropFirst()
    return Int(digits) ?? (request.url.hasPrefix("https://") ? 443 : 80)
  }

  /// The query may hold a credential.
  private static func shown(_ url: String) -> String { String(url.prefix { $0 != "?" }) }

  /// Before it is prepared: its proxy is not for where it goes. Then the address that is connected to is judged.
  func goDirectly() { request.proxy = nil }

  func mayReach(_ address: String) -> Bool { request.allowsPrivateAddress || !NetworkAddress.isPrivate(text: address) }

  deinit {
    curl_easy_cleanup(UnsafeMutableRawPointer(handle))
    for list in lists { curl_slist_free_all(list) }
  }

  /// Gives the next part of the body: 1 to `bytesMax` bytes, or the end. One call at a time.
  package func read(
    bytesMax: Int, _ reader: @escaping (Result<(part: [UInt8], isEnd: Bool), EgressFailure>) -> Void
  ) {
    waiting = (bytesMax, reader)
    serve()
  }

  /// Ends the exchange; nothing is called afterwards.
  package func cancel() {
    isCancelled = true
    answered = nil
    waiting = nil
    client.drop(self)
  }

  private func serve() {
    guard let (bytesMax, reader) = waiting else { return }
    if !window.isEmpty {
      let part = Array(window.prefix(bytesMax))
      window.removeFirst(part.count)
      waiting = nil
      let isEnd = if case .success = end { window.isEmpty } else { false }
      reader(.success((part, isEnd)))
      if isPaused, end == nil, window.count < Self.windowBytes / 2 {
        isPaused = false
        client.call { curl_easy_pause(raw, CURLPAUSE_CONT) }
      }
    } else if let end {
      waiting = nil
      reader(end.map { ([], true) })
    }
  }

  func ended(_ result: CURLcode) {
    if isCancelled { return }
    if isHandshake { return finish(unsent) }
    if result == CURLE_OK { deliverHead() }
    let failure = result == CURLE_OK ? nil : failure(result)
    if let failure, mayHaveLostAnAlert(result) { return client.shakeHands(for: self, after: failure) }
    finish(failure)
  }

  /// nil: the response is complete.
  func finish(_ failure: EgressFailure?) {
    end = failure.map { .failure($0) } ?? .success(())
    if let failure, let answered {
      self.answered = nil
      answered(.failure(failure))
    }
    serve()
  }

  private func failure(_ result: CURLcode) -> EgressFailure {
    if let refusal { return refusal }
    if let certificateRefusal { return certificateRefusal }
    let reason = written.isEmpty ? String(cString: curl_easy_strerror(result)) : written
    switch result {
    case CURLE_OPERATION_TIMEDOUT: return .timedOut(host: host, afterMs: request.timeoutMs)
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE:
      return .tls(host: host, reason: reason)
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT: return .noConnection(host: host, reason: reason)
    case CURLE_COULDNT_RESOLVE_PROXY, CURLE_PROXY: return .noConnection(host: "The proxy", reason: reason)
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return .badURL(EgressExchange.shown(request.url))
    default:
      var status = 0
      if request.proxy != nil { sluice_curl_get_long(raw, CURLINFO_HTTP_CONNECTCODE, &status) }
      if status != 0, status / 100 != 2 { return .proxyRefused(host: host, status: status) }
      return .broken(host: host, reason: reason)
    }
  }

  private var written: String {
    String(decoding: errorText.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// That an alert about the client's certificate ended it.
  private var certificateRefusal: EgressFailure? {
    Self.certificateAlert(written).map(certificateRefused)
  }

  func certificateRefused(_ alert: String) -> EgressFailure {
    .certificateRefused(host: host, wasShown: request.identity != nil, reason: alert)
  }

  /// What an upstream says of the client's certificate (RFC 8446, 6.2), in OpenSSL's words; nil for anything else. Under
  /// TLS 1.3 it comes after the handshake, to libcurl a response that broke off; nothing of the request was read.
  static func certificateAlert(_ reason: String) -> String? {
    let known = [
      "certificate required", "unknown ca", "bad certificate", "certificate unknown", "certificate expired",
      "certificate revoked", "unsupported certificate", "access denied",
    ]
    guard reason.contains("alert ") else { return nil }
    return known.first { reason.contains("alert \($0)") }
  }

  private func deliverHead() {
    guard let answered else { return }
    self.answered = nil
    var status = 0
    sluice_curl_get_long(raw, CURLINFO_RESPONSE_CODE, &status)
    answered(.success((status, headers)))
  }
}

/// `CURLAUTH_BASIC`: a macro with a cast, which Swift does not import.
private let basicLoginOnly = 1

// Called by libcurl.
extension EgressExchange {
  /// Sets every option.
  /// - Returns: Why the request is not sent at all.
  /// - Parameter address: Where a proxy is to lead.
  func prepare(leadTo address: String?) -> EgressFailure? {
    guard request.allowsPrivateAddress || request.url.hasPrefix("https://") else {
      return .plainHTTP(url: EgressExchange.shown(request.url))
    }
    let this = Unmanaged.passUnretained(self).toOpaque()
    sluice_curl_set_string(raw, CURLOPT_URL, request.url)
    sluice_curl_set_string(raw, CURLOPT_PROTOCOLS_STR, request.allowsPrivateAddress ? "http,https" : "https")
    sluice_curl_set_string(raw, CURLOPT_CUSTOMREQUEST, request.method)
    sluice_curl_set_long(raw, CURLOPT_PATH_AS_IS, 1)
    prepareWay(leadTo: address)
    sluice_curl_set_string(raw, CURLOPT_ACCEPT_ENCODING, "")
    sluice_curl_set_long(raw, CURLOPT_NOSIGNAL, 1)
    sluice_curl_set_long(raw, CURLOPT_FOLLOWLOCATION, 0)
    sluice_curl_set_long(raw, CURLOPT_SSL_VERIFYPEER, 1)
    sluice_curl_set_long(raw, CURLOPT_SSL_VERIFYHOST, 2)
    sluice_curl_set_long(raw, CURLOPT_TIMEOUT_MS, request.timeoutMs)
    sluice_curl_set_long(raw, CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeoutMs)
    if request.isSentOnce { sluice_curl_set_long(raw, CURLOPT_FRESH_CONNECT, 1) }
    if request.method == "HEAD" { sluice_curl_set_long(raw, CURLOPT_NOBODY, 1) }
    if !request.body.isEmpty {
      sluice_curl_set_offset(raw, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count))
      _ = request.body.withUnsafeBytes {
        sluice_curl_set_pointer(raw, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: $0.baseAddress!))
      }
    }
    if let identity = request.identity {
      sluice_curl_set_blob(raw, CURLOPT_SSLCERT_BLOB, identity, identity.count)
      sluice_curl_set_blob(raw, CURLOPT_SSLKEY_BLOB, identity, identity.count)
    }
    if let file = client.authoritiesFile {
      sluice_curl_set_string(raw, CURLOPT_CAINFO, file)
      sluice_curl_set_string(raw, CURLOPT_PROXY_CAINFO, file)
    }
    if let trusted = request.trusted { sluice_curl_set_blob(raw, CURLOPT_CAINFO_BLOB, trusted, trusted.count) }
    var headers = request.headers.map { "\($0.name): \($0.value)" }
    // libcurl's own additions: none is wanted.
    for name in ["Expect", "Content-Type", "User-Agent"]
    where !request.headers.contains(where: { $0.name.lowercased() == name.lowercased() }) {
      headers.append("\(name):")
    }
    set(CURLOPT_HTTPHEADER, headers)
    errorText.withUnsafeMutableBufferPointer {
      _ = sluice_curl_set_pointer(raw, CURLOPT_ERRORBUFFER, UnsafeMutableRawPointer($0.baseAddress!))
    }
    sluice_curl_set_pointer(raw, CURLOPT_WRITEDATA, this)
    sluice_curl_set_write(raw, CURLOPT_WRITEFUNCTION) { bytes, size, count, this in
      EgressExchange.of(this).received(UnsafeRawBufferPointer(start: bytes, count: size * count))
    }
    sluice_curl_set_pointer(raw, CURLOPT_HEADERDATA, this)
    sluice_curl_set_write(raw, CURLOPT_HEADERFUNCTION) { bytes, size, count, this in
      EgressExchange.of(this).receivedHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
    }
    sluice_curl_set_open_socket(
      raw,
      { this, _, address in
        EgressExchange.of(this).openSocket(address!)
      }, this)
    sluice_curl_set_before_request(
      raw, { this, address, _, _, _ in EgressExchange.of(this).connected(to: String(cString: address!)) }, this)
    return nil
  }

  /// Directly or through the operator's proxy; what the environment or a file says counts for nothing.
  private func prepareWay(leadTo address: String?) {
    sluice_curl_set_string(raw, CURLOPT_NOPROXY, "")
    sluice_curl_set_long(raw, CURLOPT_NETRC, 0)
    sluice_curl_set_string(raw, CURLOPT_PROXY, request.proxy?.address ?? "")
    if !request.pinned.isEmpty { set(CURLOPT_RESOLVE, ["\(name):\(port):\(request.pinned.joined(separator: ","))"]) }
    guard let proxy = request.proxy, let address else { return }
    // A tunnel in every case: the proxy sees an address and a port, and with https nothing else.
    sluice_curl_set_long(raw, CURLOPT_HTTPPROXYTUNNEL, 1)
    sluice_curl_set_long(raw, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    sluice_curl_set_long(raw, CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
    let place = address.contains(":") ? "[\(address)]" : address
    set(CURLOPT_CONNECT_TO, ["::\(place):\(port)"])
    guard let login = proxy.login else { return }
    // libcurl takes the two percent-decoded.
    sluice_curl_set_long(raw, CURLOPT_PROXYAUTH, basicLoginOnly)
    sluice_curl_set_string(raw, CURLOPT_PROXYUSERNAME, EgressExchange.escaped(login.user))
    sluice_curl_set_string(raw, CURLOPT_PROXYPASSWORD, EgressExchange.escaped(login.password))
  }

  private static func escaped(_ bytes: [UInt8]) -> String {
    bytes.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private func set(_ option: CURLoption, _ texts: [String]) {
    var list: UnsafeMutablePointer<curl_slist>?
    for text in texts { list = curl_slist_append(list, text) }
    if let list { lists.append(list) }
    sluice_curl_set_list(raw, option, list)
  }

  static func of(_ this: UnsafeMutableRawPointer?) -> EgressExchange {
    Unmanaged<EgressExchange>.fromOpaque(this!).takeUnretainedValue()
  }

  private func received(_ bytes: UnsafeRawBufferPointer) -> Int {
    deliverHead()
    if isCancelled { return 0 }
    if window.count >= Self.windowBytes {
      isPaused = true
      return Int(CURL_WRITEFUNC_PAUSE)
    }
    receivedBytes += bytes.count
    guard receivedBytes <= request.responseBytesMax else {
      refusal = .tooLarge(host: host, bytesMax: request.responseBytesMax)
      return 0
    }
    window += bytes
    serve()
    return isCancelled ? 0 : bytes.count
  }

  /// - Returns: How much of it was taken: anything but all of it ends the exchange.
  private func receivedHeader(_ line: UnsafeRawBufferPointer) -> Int {
    headerBytes += line.count
    guard headerBytes <= Self.headerBytesMax else {
      refusal = .tooLarge(host: host, bytesMax: Self.headerBytesMax)
      return 0
    }
    keepHeader(String(decoding: line, as: UTF8.self))
    return line.count
  }

  private func keepHeader(_ text: String) {
    if text.hasPrefix("HTTP/") {
      headers = []  // an earlier, informational response
      return
    }
    guard let colon = text.firstIndex(of: ":"), headers.count < 128 else { return }
    let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
    headers.append((text[..<colon].lowercased(), String(value.prefix { !$0.isNewline })))
  }

  /// The address is judged where it is connected to: what DNS says later does not matter. A proxy's is its operator's.
  private func openSocket(_ address: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
    let isPrivate = withUnsafePointer(to: &address.pointee.addr) { NetworkAddress.isPrivate($0) }
    guard request.allowsPrivateAddress || request.proxy != nil || !isPrivate else {
      refusal = .privateAddress(host: host)
      return -1
    }
    return socket(
      address.pointee.family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), address.pointee.protocol)
  }

  /// Before anything is sent, also on a connection that was kept open: another request, with other rights, may have
  /// made it.
  private func connected(to address: String) -> Int32 {
    guard request.proxy != nil || mayReach(address) else {
      refusal = .privateAddress(host: host)
      return Int32(CURL_PREREQFUNC_ABORT)
    }
    request.beforeSending?()
    return Int32(CURL_PREREQFUNC_OK)
  }
}
