import CanonicalJSON
import Domain
import PluginHost
import SluiceHost

/// One operation of `sluice plugin run`: requests go through the product's session; everything is told as it comes and, where
/// asked, recorded. Confined to the loop's thread.
final class RecordingSession: OperationHandler {
  private let inner: OperationSession
  private let cassette: Cassette?
  private let told: (PluginRun.Event) -> Void
  weak var worker: Worker?
  /// The way of `run` to say what its host's remedies say of a tenant's instance.
  private let reworded: (HTTPFailure) -> HTTPFailure

  init(
    inner: OperationSession, cassette: Cassette?, told: @escaping (PluginRun.Event) -> Void,
    reworded: @escaping (HTTPFailure) -> HTTPFailure
  ) {
    self.inner = inner
    self.reworded = reworded
    self.cassette = cassette
    self.told = told
  }

  func emitted(_ batch: EmittedBatch) {
    inner.seesRecords()
    for record in batch.records {
      cassette?.record(CallLines.record(batch.stream, record))
      told(.record(stream: batch.stream, record))
    }
    worker?.grant(records: batch.recordCount, bytes: batch.creditBytes)
  }

  func checkpointed(stream: String, state: [UInt8], stateVersion: Int, watermarkMs: Int64?) {
    inner.seesCheckpoint()
    cassette?.record(PlayingSession.checkpoint(stream, state, stateVersion, watermarkMs))
    told(.checkpoint(stream: stream, state: state, version: stateVersion, watermarkMs: watermarkMs))
  }

  func waitsUntilDurable(_ durable: @escaping () -> Void) {
    cassette?.record(["wait_durable": true])
    told(.call("wait_durable"))
    durable()
  }

  func opened(_ request: HTTPOpen, reply: HTTPReply) {
    cassette?.record(CallLines.open(request))
    let began = SystemSources.monotonicMs()
    let target =
      "\(request.method) \(request.endpoint):\(request.path)" + (request.query.isEmpty ? "" : "?\(request.query)")
    let watched = HTTPReply(
      head: { [cassette, told] status, throttledMs, headers in
        cassette?.record(CallLines.head(status, throttledMs, headers))
        told(
          .call(
            "\(target) → \(status) after \(SystemSources.monotonicMs() - began) ms, \(throttledMs) of them throttled"))
        reply.answer(status: status, throttledMs: throttledMs, headers: headers)
      }, body: { _, _ in },
      failure: { [cassette, told, reworded] failure in
        let failure = reworded(failure)
        cassette?.record(CallLines.failure(failure))
        told(.call("\(target) → no answer: \(failure.message) [\(failure.code)]"))
        reply.fail(failure)
      })
    inner.opened(request, reply: watched)
  }

  func reads(handle: UInt32, window: Int, reply: HTTPReply) {
    cassette?.record(["read": ["handle": .integer(Int64(handle)), "window": .integer(Int64(window))]])
    let watched = HTTPReply(
      head: { _, _, _ in },
      body: { [cassette, told] part, isEnd in
        cassette?.record(["part": ["bytes": .string(Hex.encode(part)), "end": .bool(isEnd)]])
        told(.call("http_read → \(part.count) bytes\(isEnd ? ", the end" : "")"))
        reply.answer(part: part, isEnd: isEnd)
      },
      failure: { [cassette] failure in
        cassette?.record(CallLines.failure(failure))
        reply.fail(failure)
      })
    inner.reads(handle: handle, window: window, reply: watched)
  }

  func closed(handle: UInt32) {
    cassette?.record(["close": .integer(Int64(handle))])
    inner.closed(handle: handle)
  }

  func logged(level: Int, code: String, message: String, fields: [(name: String, value: String)]) {
    cassette?.record(PlayingSession.log(level, code, message, fields))
    told(.log(level: level, code: code, message: message, fields: fields))
  }

  func hintedRate(endpoint: String, limit: Int64?, remaining: Int64?, resetAtMs: Int64?) {
    cassette?.record(PlayingSession.hint(endpoint, limit, remaining, resetAtMs))
    told(.call("rate_hint \(endpoint): \(remaining.map(String.init) ?? "unknown") left"))
    inner.hintedRate(endpoint: endpoint, limit: limit, remaining: remaining, resetAtMs: resetAtMs)
  }
}

/// One operation answered from a cassette. At the first difference the operation is cancelled.
final class PlayingSession: OperationHandler {
  private let cassette: Cassette
  private let told: (PluginRun.Event) -> Void
  weak var worker: Worker?

  init(cassette: Cassette, told: @escaping (PluginRun.Event) -> Void) {
    self.cassette = cassette
    self.told = told
  }

  private func expects(_ line: JSONValue) -> Bool {
    if cassette.expect(line) { return true }
    worker?.cancel()
    return false
  }

  func emitted(_ batch: EmittedBatch) {
    for record in batch.records {
      guard expects(CallLines.record(batch.stream, record)) else { return }
      told(.record(stream: batch.stream, record))
    }
    worker?.grant(records: batch.recordCount, bytes: batch.creditBytes)
  }

  func checkpointed(stream: String, state: [UInt8], stateVersion: Int, watermarkMs: Int64?) {
    guard expects(Self.checkpoint(stream, state, stateVersion, watermarkMs)) else { return }
    told(.checkpoint(stream: stream, state: state, version: stateVersion, watermarkMs: watermarkMs))
  }

  func waitsUntilDurable(_ durable: @escaping () -> Void) { if expects(["wait_durable": true]) { durable() } }

  func opened(_ request: HTTPOpen, reply: HTTPReply) {
    guard expects(CallLines.open(request)) else { return }
    if cassette.peek("failure") != nil {
      return reply.fail(CallLines.failure(cassette.answer("failure", to: "http_open")!))
    }
    guard let head = cassette.answer("head", to: "http_open") else { return worker?.cancel() ?? () }
    reply.answer(
      status: Int(head["status"]?.integer ?? 0), throttledMs: Int(head["throttled_ms"]?.integer ?? 0),
      headers: CallLines.pairs(head["headers"]))
  }

  func reads(handle: UInt32, window: Int, reply: HTTPReply) {
    guard expects(["read": ["handle": .integer(Int64(handle)), "window": .integer(Int64(window))]]) else { return }
    if cassette.peek("failure") != nil {
      return reply.fail(CallLines.failure(cassette.answer("failure", to: "http_read")!))
    }
    guard let part = cassette.answer("part", to: "http_read"),
      let bytes = part["bytes"]?.string.flatMap({ Hex.decode($0) })
    else { return worker?.cancel() ?? () }
    reply.answer(part: bytes, isEnd: part["end"]?.bool ?? true)
  }

  func closed(handle: UInt32) { _ = expects(["close": .integer(Int64(handle))]) }

  func logged(level: Int, code: String, message: String, fields: [(name: String, value: String)]) {
    guard expects(Self.log(level, code, message, fields)) else { return }
    told(.log(level: level, code: code, message: message, fields: fields))
  }

  func hintedRate(endpoint: String, limit: Int64?, remaining: Int64?, resetAtMs: Int64?) {
    _ = expects(Self.hint(endpoint, limit, remaining, resetAtMs))
  }

  static func checkpoint(_ stream: String, _ state: [UInt8], _ version: Int, _ watermarkMs: Int64?) -> JSONValue {
    [
      "checkpoint": [
        "stream": .string(stream), "state": .string(Hex.encode(state)), "version": .integer(Int64(version)),
        "watermark_ms": watermarkMs.map { .integer($0) } ?? .null,
      ]
    ]
  }
  static func log(_ level: Int, _ code: String, _ message: String, _ fields: [(name: String, value: String)])
    -> JSONValue
  {
    [
      "log": [
        "level": .integer(Int64(level)), "code": .string(code), "message": .string(message),
        "fields": CallLines.pairs(fields),
      ]
    ]
  }
  static func hint(_ endpoint: String, _ limit: Int64?, _ remaining: Int64?, _ resetAtMs: Int64?) -> JSONValue {
    func known(_ value: Int64?) -> JSONValue { value.map { .integer($0) } ?? .null }
    return [
      "rate_hint": [
        "endpoint": .string(endpoint), "limit": known(limit), "remaining": known(remaining),
        "reset_at_ms": known(resetAtMs),
      ]
    ]
  }
}
