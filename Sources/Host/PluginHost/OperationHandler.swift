/// What a running operation asks of the host. Every function is called on the loop's thread and returns at once;
/// answers are given later, on the loop's thread too.
package protocol OperationHandler: AnyObject {
  func emitted(_ batch: EmittedBatch)
  func checkpointed(stream: String, state: [UInt8], stateVersion: Int, watermarkMs: Int64?)
  /// Call `durable` when everything emitted and checkpointed so far is durable.
  func waitsUntilDurable(_ durable: @escaping () -> Void)
  func opened(_ request: HTTPOpen, reply: HTTPReply)
  func reads(handle: UInt32, window: Int, reply: HTTPReply)
  func closed(handle: UInt32)
  /// Asked before a line is read at all: false leaves it out, counted by whom it was asked of.
  func mayLog() -> Bool
  func logged(level: Int, code: String, message: String, fields: [(name: String, value: String)])
  func hintedRate(endpoint: String, limit: Int64?, remaining: Int64?, resetAtMs: Int64?)
}

extension OperationHandler {
  package func mayLog() -> Bool { true }
}

/// A request as the plugin asks for it.
package struct HTTPOpen: Sendable {
  package let handle: UInt32
  package let endpoint: String
  package let method: String
  package let path: String
  package let query: String
  package let slot: String?
  package let idempotencyKey: String?
  package let headers: [(name: String, value: String)]
  package let body: [UInt8]
}

/// Why a request has no response.
package struct HTTPFailure: Error, Sendable, Equatable {
  /// As the calls of `sluice.http/1` answer.
  package enum Status: Int32, Sendable {
    case auth = -2
    case rateLimited = -3
    case transient = -4
    case permanent = -5
    case denied = -17
    case tooLarge = -18
    case invalid = -19
    case state = -20
  }
  package let status: Status
  package let code: String
  package let message: String
  package let retryAfterMs: Int64?

  package init(status: Status, code: String, message: String, retryAfterMs: Int64? = nil) {
    self.status = status
    self.code = code
    self.message = message
    self.retryAfterMs = retryAfterMs
  }
}

/// Answers one HTTP call of a worker, once. Without effect when the operation has ended.
package struct HTTPReply {
  let head: (_ status: Int, _ throttledMs: Int, _ headers: [(name: String, value: String)]) -> Void
  let body: (_ part: [UInt8], _ isEnd: Bool) -> Void
  let failure: (HTTPFailure) -> Void

  package init(
    head: @escaping (_ status: Int, _ throttledMs: Int, _ headers: [(name: String, value: String)]) -> Void,
    body: @escaping (_ part: [UInt8], _ isEnd: Bool) -> Void, failure: @escaping (HTTPFailure) -> Void
  ) {
    self.head = head
    self.body = body
    self.failure = failure
  }

  package func answer(status: Int, throttledMs: Int, headers: [(name: String, value: String)]) {
    head(status, throttledMs, headers)
  }
  package func answer(part: [UInt8], isEnd: Bool) { body(part, isEnd) }
  package func fail(_ reason: HTTPFailure) { failure(reason) }
}
