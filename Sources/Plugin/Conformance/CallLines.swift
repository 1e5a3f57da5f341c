import CanonicalJSON
import Domain
import PluginHost

/// Calls and answers as a cassette writes them. Bytes that may be no text are hexadecimal.
enum CallLines {
  static func start(_ start: OperationStart) -> JSONValue {
    [
      "start": [
        "kind": .integer(Int64(start.kind.rawValue)), "name": .string(start.name), "key": .string(start.key),
        "state": .string(Hex.encode(start.state)), "state_version": .integer(Int64(start.stateVersion)),
        "body": .string(Hex.encode(start.body)),
      ]
    ]
  }

  static func operation(_ line: JSONValue) -> OperationStart? {
    guard let number = line["kind"]?.integer.flatMap({ UInt32(exactly: $0) }),
      let kind = OperationStart.Kind(rawValue: number),
      let state = line["state"]?.string.flatMap({ Hex.decode($0) }),
      let body = line["body"]?.string.flatMap({ Hex.decode($0) })
    else { return nil }
    var start = OperationStart(kind: kind)
    (start.name, start.key, start.state, start.body) = (
      line["name"]?.string ?? "", line["key"]?.string ?? "", state, body
    )
    start.stateVersion = Int(line["state_version"]?.integer ?? 0)
    return start
  }

  static func open(_ request: HTTPOpen) -> JSONValue {
    [
      "open": [
        "handle": .integer(Int64(request.handle)), "endpoint": .string(request.endpoint),
        "method": .string(request.method),
        "path": .string(request.path), "query": .string(request.query),
        "slot": request.slot.map { .string($0) } ?? .null,
        "headers": pairs(request.headers), "body": .string(Hex.encode(request.body)),
      ]
    ]
  }

  static func head(_ status: Int, _ throttledMs: Int, _ headers: [(name: String, value: String)]) -> JSONValue {
    [
      "head": [
        "status": .integer(Int64(status)), "throttled_ms": .integer(Int64(throttledMs)), "headers": pairs(headers),
      ]
    ]
  }

  static func failure(_ failure: HTTPFailure) -> JSONValue {
    [
      "failure": [
        "status": .integer(Int64(failure.status.rawValue)), "code": .string(failure.code),
        "message": .string(failure.message),
        "retry_after_ms": failure.retryAfterMs.map { .integer($0) } ?? .null,
      ]
    ]
  }

  static func failure(_ line: JSONValue) -> HTTPFailure {
    let status = line["status"]?.integer.flatMap { HTTPFailure.Status(rawValue: Int32(clamping: $0)) } ?? .transient
    return HTTPFailure(
      status: status, code: line["code"]?.string ?? "", message: line["message"]?.string ?? "",
      retryAfterMs: line["retry_after_ms"]?.integer)
  }

  static func record(_ stream: String, _ record: EmittedRecord) -> JSONValue {
    [
      "record": [
        "stream": .string(stream), "delete": .bool(record.isDelete), "key": .string(Hex.encode(record.key)),
        "ordinal": .string("\(record.sourceOrdinal)"), "version": .string(Hex.encode(record.sourceVersion)),
        "event_time_ms": record.eventTimeMs.map { .integer($0) } ?? .null,
        "payload": .string(Hex.encode(record.payload)),
      ]
    ]
  }

  static func result(_ result: Result<OperationResult, WorkerFailure>) -> JSONValue {
    switch result {
    case .success(let result):
      [
        "result": [
          "status": .string(Observed.word(result.status)), "outcome": .integer(Int64(result.outcome)),
          "code": .string(result.code), "message": .string(result.message), "json": .string(Hex.encode(result.json)),
        ]
      ]
    case .failure(let failure): ["result": ["failure": .string(failure.code)]]
    }
  }

  static func pairs(_ pairs: [(name: String, value: String)]) -> JSONValue {
    .array(pairs.map { .array([.string($0.name), .string($0.value)]) })
  }

  static func pairs(_ value: JSONValue?) -> [(name: String, value: String)] {
    (value?.array ?? []).compactMap { pair in
      guard let sides = pair.array, sides.count == 2, let name = sides[0].string, let value = sides[1].string else {
        return nil
      }
      return (name, value)
    }
  }
}
