import CSluicePlugin

extension TableHost {
  private func http() throws(HostError) -> UnsafePointer<sluice_http_t> {
    try granted("sluice.http/1").assumingMemoryBound(to: sluice_http_t.self)
  }

  private func granted(_ id: String) throws(HostError) -> UnsafeRawPointer {
    guard let found = id.withCString({ table.pointee.get_extension(table, $0) }) else {
      throw HostError(id, .notGranted)
    }
    return found
  }

  func open(_ request: HTTPRequest) throws(HostError) -> HTTPHead {
    let http = try http()
    var raw = emptyResponse()
    try check(with(request) { http.pointee.http_open(table, $0, &raw) }, "http_open")
    return HTTPHead(handle: raw.handle, status: Int(raw.status), headers: headers(raw))
  }

  func read(_ head: HTTPHead, bytesMax: Int) throws(HostError) -> [UInt8] {
    let http = try http()
    var part = sluice_slice_t(ptr: nil, len: 0)
    try check(http.pointee.http_read(table, head.handle, UInt32(clamping: bytesMax), &part), "http_read")
    return part.bytes
  }

  func close(_ head: HTTPHead) {
    // An unknown handle is the only answer, and nothing is left to do about it.
    if let http = try? http() { _ = http.pointee.http_close(table, head.handle) }
  }

  func send(_ request: HTTPRequest) throws(HostError) -> HTTPResponse {
    let http = try http()
    var raw = emptyResponse()
    try check(with(request) { http.pointee.http_send(table, $0, &raw) }, "http_send")
    return HTTPResponse(status: Int(raw.status), headers: headers(raw), body: raw.body.bytes)
  }

  func hint(_ hint: RateHint) throws(HostError) {
    let rates = try granted("sluice.rate-hint/1").assumingMemoryBound(to: sluice_rate_hint_t.self)
    let status = SliceArena(hint.endpoint).withSlices { slices in
      var raw = sluice_rate_t(
        struct_size: structSize(sluice_rate_t.self), reserved: 0, endpoint: slices[0], limit: hint.limit ?? -1,
        remaining: hint.remaining ?? -1, reset_at_ms: hint.resetAtMs ?? SLUICE_TIME_NONE)
      return rates.pointee.rate_hint(table, &raw)
    }
    try check(status, "rate_hint")
  }

  private func emptyResponse() -> sluice_http_response_t {
    var raw = sluice_http_response_t()
    raw.struct_size = structSize(sluice_http_response_t.self)
    return raw
  }

  private func with(
    _ request: HTTPRequest, _ body: (UnsafePointer<sluice_http_request_t>) -> sluice_status_t
  ) -> sluice_status_t {
    var arena = SliceArena(
      request.endpoint, request.method, request.path, request.queryText, request.slot ?? "",
      request.idempotencyKey ?? "")
    arena.add(request.body)
    return arena.withSlices { slices in
      PairArena(request.headers.map { ($0.name, $0.value) }).withPairs { pairs, count in
        var raw = sluice_http_request_t(
          struct_size: structSize(sluice_http_request_t.self), header_count: count, endpoint: slices[0],
          method: slices[1], path: slices[2], query: slices[3], slot: slices[4], idempotency_key: slices[5],
          body: slices[6], headers: pairs)
        return body(&raw)
      }
    }
  }

  /// Copied: the host's own live until its next call.
  private func headers(_ raw: sluice_http_response_t) -> [HTTPHeader] {
    UnsafeBufferPointer(start: raw.headers, count: Int(raw.header_count)).map {
      HTTPHeader($0.name.text, $0.value.text)
    }
  }
}
