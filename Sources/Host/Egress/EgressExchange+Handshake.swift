internal import CCurl

/// Why a request could not be sent, asked by a handshake alone.
///
/// Under TLS 1.3 an upstream judges a client's certificate when the client takes the handshake for done, and hangs up with
/// an alert. Libcurl that writes the request only then fails at that, and never reads why. Where nothing is written, the
/// alert can always be read.
extension EgressExchange {
  var isHandshake: Bool { unsent != nil }

  /// Whether an alert may have been left unread.
  func mayHaveLostAnAlert(_ result: CURLcode) -> Bool {
    result == CURLE_SEND_ERROR && headerBytes == 0 && request.url.hasPrefix("https://")
  }

  /// Nothing of the request leaves any more.
  func becomeHandshake(after failure: EgressFailure) {
    unsent = failure
    sluice_curl_set_long(raw, CURLOPT_CONNECT_ONLY, 1)
    sluice_curl_set_long(raw, CURLOPT_FRESH_CONNECT, 1)
    sluice_curl_set_long(raw, CURLOPT_TIMEOUT_MS, min(request.timeoutMs, request.connectTimeoutMs))
    // Its buffer for errors holds the first one only, such as that the upstream is not connected any more.
    sluice_curl_set_debug(
      raw,
      { _, kind, text, count, this in
        if kind == CURLINFO_TEXT {
          EgressExchange.of(this).told(UnsafeRawBufferPointer(start: text, count: count))
        }
        return 0
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func told(_ text: UnsafeRawBufferPointer) {
    if let alert = Self.certificateAlert(String(decoding: text, as: UTF8.self)) { unsent = certificateRefused(alert) }
  }

  /// Its connection's, once it is made; -1 without one.
  var descriptor: Int32 {
    var socket = -1
    sluice_curl_get_long(raw, CURLINFO_LASTSOCKET, &socket)
    return Int32(socket)
  }

  /// Reads what has come: of an alert libcurl tells.
  func hear() {
    var byte: UInt8 = 0
    var count = 0
    _ = curl_easy_recv(raw, &byte, 1, &count)
  }
}
